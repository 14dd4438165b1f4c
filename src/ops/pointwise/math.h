/* The mathematical functions of the operator table's formulas: m_NAME_f32 and m_NAME_f64 for each
 * NAME.
 *
 * They have no state, set no errno and raise no traps; nearly all are free of branches, so that a
 * plain loop over an array vectorises. Results are the same bits on every instruction set, because
 * they are made of + - * /, sqrt, explicit fused multiply-adds, integer operations and selects
 * alone (math_bits.h), in files compiled with -ffp-contract=off. The bound in a function's comment
 * is the greatest error that tests/math has seen, rounded up, in units of the last place of the
 * result (0.5 is the best there can be); it holds for float and double unless it says otherwise.
 */
#ifndef FLAMBEAU_POINTWISE_MATH_H
#define FLAMBEAU_POINTWISE_MATH_H

#include "math_airy.h"
#include "math_arith.h"
#include "math_bessel.h"
#include "math_bits.h"
#include "math_complex.h"
#include "math_erf.h"
#include "math_exp.h"
#include "math_gamma.h"
#include "math_log.h"
#include "math_orthogonal.h"
#include "math_pow.h"
#include "math_special.h"
#include "math_tail.h"
#include "math_trig.h"

#endif
