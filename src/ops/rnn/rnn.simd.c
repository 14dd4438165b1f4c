/* The steps of rnn.h, written once in rnn_loops.h and compiled for float and double. */
#include "ops/rnn/rnn.h"

#include <stddef.h>

#include "ops/pointwise/math.h"

#define ROW static __attribute__((noinline))

#define REAL    float
#define NAME(x) x##_f32
#define SIGMOID m_sigmoid_f32
#define TANH    m_tanh_f32
#include "ops/rnn/rnn_loops.h"
#undef REAL
#undef NAME
#undef SIGMOID
#undef TANH

#define REAL    double
#define NAME(x) x##_f64
#define SIGMOID m_sigmoid_f64
#define TANH    m_tanh_f64
#include "ops/rnn/rnn_loops.h"

const struct rnn_table FL_SIMD(rnn_table) = {{
    {add_f32,
     {lstm_f32, gru_f32, tanh_f32, relu_f32},
     {lstm_backward_f32, gru_backward_f32, tanh_backward_f32, relu_backward_f32}},
    {add_f64,
     {lstm_f64, gru_f64, tanh_f64, relu_f64},
     {lstm_backward_f64, gru_backward_f64, tanh_backward_f64, relu_backward_f64}},
}};
