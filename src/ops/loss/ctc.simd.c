/* The loops of ctc.h, written once in ctc_loops.h and compiled for float and double. */
#include "ops/loss/ctc.h"

#include <math.h>

#include "ops/pointwise/math.h"

#define REAL    float
#define NAME(x) x##_f32
#define EXP     m_exp_f32
#define LOG     m_log_f32
#include "ops/loss/ctc_loops.h"
#undef REAL
#undef NAME
#undef EXP
#undef LOG

#define REAL    double
#define NAME(x) x##_f64
#define EXP     m_exp_f64
#define LOG     m_log_f64
#include "ops/loss/ctc_loops.h"

const struct ctc_table FL_SIMD(ctc_table) = {{
    {impossible_f32, step_f32, posterior_f32, gradient_f32},
    {impossible_f64, step_f64, posterior_f64, gradient_f64},
}};
