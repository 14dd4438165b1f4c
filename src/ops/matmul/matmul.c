/* matmul in all its shapes, and linear, as problems for gemm.
 *
 * A product is m, n, k and strides, repeated over batch dims that broadcast by strides of 0. Where
 * the second factor is one matrix for all, the first one's batch dims are rows too, and the whole
 * is one product.
 */
#include <assert.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/sound.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/matmul/gemm.h"
#include "ops/op.h"
#include "ops_kernels.h"

/* ---- shapes ---- */

/* Refuses factors of two dtypes in the words of what PyTorch computes their product by. */
static int check_dtypes(const fl_tensor *a, const fl_tensor *b)
{
    if (a->dtype == b->dtype)
        return 0;
    const char *first = dtype_title(a->dtype), *second = dtype_title(b->dtype);
    if (a->ndim == 1 && b->ndim == 1)
        error_set(FL_RUNTIME_ERROR,
                  "dot : expected both vectors to have same dtype, but found %s and %s", first,
                  second);
    else if (b->ndim == 1)
        error_set(FL_RUNTIME_ERROR,
                  "addmv input tensors must have the same dtype, but got %s, %s, and %s", second,
                  first, second);
    else if (b->ndim > 2)
        error_set(FL_RUNTIME_ERROR, "expected scalar type %s but found %s", first, second);
    else
        error_set(FL_RUNTIME_ERROR, "expected m1 and m2 to have the same dtype, but got: %s != %s",
                  dtype_cpp_name(a->dtype), dtype_cpp_name(b->dtype));
    return error_hint("convert one of them, for example x.to(y.dtype)",
                      "两个张量的数据类型不同，不能相乘：请转换其中一个，例如 x.to(y.dtype)");
}

static int set_inner_error(const fl_tensor *a, const fl_tensor *b)
{
    int64_t rows = a->ndim > 1 ? a->numel / (a->sizes[a->ndim - 1] ? a->sizes[a->ndim - 1] : 1) : 1;
    int64_t k = a->sizes[a->ndim - 1];
    int64_t bk = b->ndim > 1 ? b->sizes[b->ndim - 2] : b->sizes[0],
            n = b->ndim > 1 ? b->sizes[b->ndim - 1] : 1;
    error_set(FL_RUNTIME_ERROR,
              "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)",
              (long long)rows, (long long)k, (long long)bk, (long long)n);
    if (b->ndim > 1 && k == n)
        return error_hint("%lld columns against %lld rows; the second factor fits transposed: a @ "
                          "b.mT, or where b "
                          "is the batch, b @ a.mT",
                          "第一个因子的列数（%lld）要等于第二个因子的行数（%lld）；"
                          "把第二个因子转置就可以相乘：a @ b.mT；若 b 是批次：b @ a.mT",
                          (long long)k, (long long)bk);
    return error_hint(
        "the last dim of the first factor (%lld) must equal the second-to-last dim of "
        "the second (%lld): transpose or reshape one of them",
        "第一个因子的最后一维（%lld）必须等于第二个因子的倒数第二维（%lld）："
        "请转置其中一个，或改变其形状",
        (long long)k, (long long)bk);
}

int matmul_shape(fl_tensor *self, fl_tensor *other, struct op_shape *y)
{
    if (self->ndim == 0 || other->ndim == 0)
        return error_set(
            FL_RUNTIME_ERROR,
            "both arguments to matmul need to be at least 1D, but they are %dD and %dD", self->ndim,
            other->ndim);
    if (check_dtypes(self, other))
        return -1;
    int64_t k = self->sizes[self->ndim - 1],
            bk = other->sizes[other->ndim > 1 ? other->ndim - 2 : 0];
    if (self->ndim == 1 && other->ndim == 1 && k != bk)
        return error_set(
            FL_RUNTIME_ERROR,
            "inconsistent tensor size, expected tensor [%lld] and src [%lld] to have the same "
            "number of elements, but got %lld and %lld elements respectively",
            (long long)k, (long long)bk, (long long)k, (long long)bk);
    if (k != bk)
        return set_inner_error(self, other);
    int ndim = 0;
    if (self->ndim > 2 && shape_broadcast(&ndim, y->sizes, self->ndim - 2, self->sizes))
        return -1;
    if (other->ndim > 2 && shape_broadcast(&ndim, y->sizes, other->ndim - 2, other->sizes))
        return -1;
    if (self->ndim > 1)
        y->sizes[ndim++] = self->sizes[self->ndim - 2];
    if (other->ndim > 1)
        y->sizes[ndim++] = other->sizes[other->ndim - 1];
    y->ndim = ndim;
    return 0;
}

/* PyTorch makes a product of others, and the last of them names its node. */
const char *matmul_title(fl_tensor *self, fl_tensor *other)
{
    if (self->ndim == 1 && other->ndim <= 2)
        return other->ndim == 1 ? "DotBackward0" : "SqueezeBackward4";
    if (self->ndim == 2 && other->ndim <= 2)
        return other->ndim == 1 ? "MvBackward0" : "MmBackward0";
    return "UnsafeViewBackward0";
}

const char *linear_title(fl_tensor *input, fl_tensor *weight, fl_tensor *bias)
{
    (void)weight;
    if (input->ndim == 2)
        return bias ? "AddmmBackward0" : "MmBackward0";
    if (bias)
        return "ViewBackward0";
    return input->ndim == 1 ? "SqueezeBackward4" : "UnsafeViewBackward0";
}

/* PyTorch's addmm has the bias first, and the weight behind a transposition; an input of other than
 * two dims is behind a view, made before that. */
const struct node_order *linear_order(fl_tensor *input, fl_tensor *weight, fl_tensor *bias)
{
    static const struct node_order PLAIN = {true, 2, {0, 1}}, MATRIX = {true, 3, {2, 0, 1}},
                                   OTHER = {true, 3, {2, 1, 0}};
    (void)weight;
    return !bias ? &PLAIN : input->ndim == 2 ? &MATRIX : &OTHER;
}

int mm_shape(fl_tensor *self, fl_tensor *mat2, struct op_shape *y)
{
    if (self->ndim != 2 || mat2->ndim != 2) {
        error_set(FL_RUNTIME_ERROR, "%s must be a matrix", self->ndim != 2 ? "self" : "mat2");
        return error_hint("mm multiplies two matrices: a batch of them is multiplied by a @ b (or "
                          "torch.bmm), a matrix and a vector too",
                          "mm 只用于两个矩阵：一批矩阵请用 a @ b（或 torch.bmm），"
                          "矩阵乘向量也用 a @ b");
    }
    return matmul_shape(self, mat2, y);
}

int bmm_shape(fl_tensor *self, fl_tensor *mat2, struct op_shape *y)
{
    if (self->ndim != 3 || mat2->ndim != 3)
        return error_set(FL_RUNTIME_ERROR, "batch%d must be a 3D tensor", self->ndim != 3 ? 1 : 2);
    if (self->sizes[0] != mat2->sizes[0] || self->sizes[2] != mat2->sizes[1])
        return error_set(FL_RUNTIME_ERROR,
                         "Expected size for first two dimensions of batch2 tensor to be: [%lld, "
                         "%lld] but got: [%lld, %lld].",
                         (long long)self->sizes[0], (long long)self->sizes[2],
                         (long long)mat2->sizes[0], (long long)mat2->sizes[1]);
    return matmul_shape(self, mat2, y);
}

int mv_shape(fl_tensor *self, fl_tensor *vec, struct op_shape *y)
{
    if (self->ndim != 2 || vec->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "vector + matrix @ vector expected, got %d, %d, %d", 1,
                         self->ndim, vec->ndim);
    if (self->sizes[1] != vec->sizes[0])
        return error_set(FL_RUNTIME_ERROR,
                         "size mismatch, got input (%lld), mat (%lldx%lld), vec (%lld)",
                         (long long)self->sizes[0], (long long)self->sizes[0],
                         (long long)self->sizes[1], (long long)vec->sizes[0]);
    return matmul_shape(self, vec, y);
}

int dot_shape(fl_tensor *self, fl_tensor *tensor, struct op_shape *y)
{
    if (self->ndim != 1 || tensor->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "1D tensors expected, but got %dD and %dD tensors",
                         self->ndim, tensor->ndim);
    return matmul_shape(self, tensor, y);
}

/* ---- the product ---- */

/* Merges dims 0..count-1 of t into one where they are one run of memory; the stride of the run, or
 * -1. */
static int64_t run_stride(const fl_tensor *t, int count)
{
    assert(count >= 0 && count <= t->ndim);
    int64_t stride = count ? t->strides[count - 1] : 0;
    for (int d = count - 2; d >= 0; d--)
        if (t->sizes[d] != 1 && t->strides[d] != t->strides[d + 1] * t->sizes[d + 1])
            return -1;
    return stride;
}

/* Batch strides of a factor, aligned with the result's batch dims. */
static void batch_strides(const fl_tensor *t, int batch, int64_t *strides)
{
    assert(batch >= 0 && batch <= TENSOR_MAX_DIMS);
    int own = t->ndim - 2;
    for (int d = 0; d < batch; d++) {
        int s = d - (batch - own);
        strides[d] = own < 0 || s < 0 || t->sizes[s] == 1 ? 0 : t->strides[s];
    }
}

int matmul_cpu(fl_tensor *self, fl_tensor *other, fl_tensor *y)
{
    assert(self->ndim >= 1 && other->ndim >= 1 && tensor_is_flat(y));
    int an = self->ndim, bn = other->ndim;
    bool vector_a = an == 1, vector_b = bn == 1;
    int batch = y->ndim - !vector_a - !vector_b;
    int64_t a[TENSOR_MAX_DIMS], b[TENSOR_MAX_DIMS], c[TENSOR_MAX_DIMS];
    struct gemm g = {.dtype = (fl_dtype)self->dtype,
                     .a = tensor_data(self),
                     .b = tensor_data(other),
                     .c = tensor_data(y)};
    g.k = self->sizes[an - 1], g.a_col = self->strides[an - 1],
    g.b_row = other->strides[vector_b ? 0 : bn - 2];
    g.m = vector_a ? 1 : self->sizes[an - 2], g.a_row = vector_a ? 0 : self->strides[an - 2];
    g.n = vector_b ? 1 : other->sizes[bn - 1], g.b_col = vector_b ? 0 : other->strides[bn - 1];
    g.c_row = vector_a ? 0 : y->strides[y->ndim - 1 - !vector_b],
    g.c_col = vector_b ? 0 : y->strides[y->ndim - 1];
    if (y->numel == 0)
        return 0;
    if (vector_a && vector_b && dtype_is_floating(g.dtype)) {
        const fl_dtype work = g.dtype == FL_FLOAT64 ? FL_FLOAT64 : FL_FLOAT32;
        fl_tensor *left = tensor_as(self, work), *right = tensor_as(other, work);
        int status = -1;
        if (left && right)
            status = tensor_fill(
                y, fl_float(gemm_dot(work, tensor_data(left), tensor_data(right), g.k)));
        tensor_release(left), tensor_release(right);
        return status;
    }
    if (bn <= 2 && an > 2 && run_stride(self, an - 1) >= 0) { /* one matrix for all rows */
        g.m = self->numel / (g.k ? g.k : 1), g.a_row = run_stride(self, an - 1);
        if (g.k == 0)
            g.m = y->numel / g.n;
        return gemm_run(&g);
    }
    batch_strides(self, batch, a);
    batch_strides(other, batch, b);
    for (int d = 0; d < batch; d++)
        c[d] = y->strides[d];
    g.batch_dims = batch, g.batch_sizes = y->sizes, g.batch_a = a, g.batch_b = b, g.batch_c = c;
    return gemm_run(&g);
}

int vdot_compose(fl_tensor *self, fl_tensor *other, fl_tensor **y)
{
    *y = fl_dot(fl_conj(self), other);
    return *y ? 0 : -1;
}

/* ---- gradients ---- */

int matmul_backward_self_compose(fl_tensor *g, fl_ints self_sizes, fl_tensor *other, fl_tensor **y)
{
    assert(self_sizes.count >= 1 && other->ndim >= 1);
    fl_tensor *grad;
    if (self_sizes.count == 1 && other->ndim == 1)
        grad = fl_mul(g, other);
    else if (self_sizes.count == 1)
        grad = fl_squeeze_dim(fl_matmul(other, fl_unsqueeze(g, -1)), -1);
    else if (other->ndim == 1)
        grad = fl_mul(fl_unsqueeze(g, -1), other);
    else
        grad = fl_matmul(g, fl_transpose(other, -2, -1));
    *y = fl_sum_to_size(grad, self_sizes);
    return *y ? 0 : -1;
}

/* self^T g; where the factor's columns lie in memory as rows do, the gradient is laid out so too:
 * (g^T self)^T, the same sums (a complex product rounds otherwise when its factors change places).
 * What made the factor by transposing gets the gradient back as it lies. */
static fl_tensor *product_like(fl_tensor *self, fl_tensor *g, fl_ints strides)
{
    assert(strides.count >= 2);
    const int64_t *last = strides.data + strides.count - 2;
    if (last[0] == 1 && last[1] != 1 && self && !dtype_is_complex(self->dtype))
        return fl_transpose(fl_matmul(fl_transpose(g, -2, -1), self), -2, -1);
    return fl_matmul(fl_transpose(self, -2, -1), g);
}

int matmul_backward_other_compose(fl_tensor *g, fl_tensor *self, fl_ints other_sizes,
                                  fl_ints other_strides, fl_tensor **y)
{
    assert(other_sizes.count >= 1 && self->ndim >= 1);
    int64_t rows[2] = {-1, self->sizes[self->ndim - 1]},
            g_rows[2] = {-1, g->ndim ? g->sizes[g->ndim - 1] : 1};
    fl_tensor *grad;
    if (other_sizes.count == 1 && self->ndim == 1)
        grad = fl_mul(g, self);
    else if (other_sizes.count == 1 && self->numel && g->numel)
        grad = fl_mv(fl_t(fl_reshape(self, (fl_ints){rows, 2})), fl_reshape(g, (fl_ints){rows, 1}));
    else if (other_sizes.count == 1)
        grad = fl_mul(fl_unsqueeze(g, -1), self);
    else if (self->ndim == 1)
        grad = fl_mul(fl_unsqueeze(self, -1), fl_unsqueeze(g, -2));
    else if (other_sizes.count == 2 && self->ndim > 2 && self->numel &&
             g->numel) /* one product over all rows */
        grad = product_like(fl_reshape(self, (fl_ints){rows, 2}),
                            fl_reshape(g, (fl_ints){g_rows, 2}), other_strides);
    else
        grad = product_like(self, g, other_strides);
    *y = fl_sum_to_size(grad, other_sizes);
    return *y ? 0 : -1;
}

/* ---- composites ---- */

int outer_compose(fl_tensor *self, fl_tensor *vec2, fl_tensor **y)
{
    if (self->ndim != 1 || vec2->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "outer: Expected 1-D argument %s, but got %d-D",
                         self->ndim != 1 ? "self" : "vec2",
                         self->ndim != 1 ? self->ndim : vec2->ndim);
    *y = fl_mul(fl_unsqueeze(self, 1), vec2);
    return *y ? 0 : -1;
}

int inner_compose(fl_tensor *self, fl_tensor *other, fl_tensor **y)
{
    if (self->ndim == 0 || other->ndim == 0) {
        *y = fl_mul(self, other);
        return *y ? 0 : -1;
    }
    int64_t k = self->sizes[self->ndim - 1], sizes[TENSOR_MAX_DIMS];
    char a[128], b[128];
    if (k != other->sizes[other->ndim - 1])
        return error_set(
            FL_RUNTIME_ERROR,
            "inner() the last dimension must match on both input tensors but got shapes %s "
            "and %s",
            shape_text(a, sizeof a, self->ndim, self->sizes),
            shape_text(b, sizeof b, other->ndim, other->sizes));
    int ndim = 0;
    if (self->ndim + other->ndim - 2 > TENSOR_MAX_DIMS)
        return error_set(FL_RUNTIME_ERROR, "a tensor has at most %d dims", TENSOR_MAX_DIMS);
    for (int d = 0; d < self->ndim - 1; d++)
        sizes[ndim++] = self->sizes[d];
    for (int d = 0; d < other->ndim - 1; d++)
        sizes[ndim++] = other->sizes[d];
    int64_t a_rows[2] = {k ? self->numel / k : 0, k}, b_rows[2] = {k ? other->numel / k : 0, k};
    fl_tensor *product = fl_mm(fl_reshape(self, (fl_ints){a_rows, 2}),
                               fl_t(fl_reshape(other, (fl_ints){b_rows, 2})));
    *y = fl_reshape(product, (fl_ints){sizes, ndim});
    return *y ? 0 : -1;
}

static bool is_number(fl_value v, int64_t wanted)
{
    return number_real(&v) == (double)wanted && number_imag(&v) == 0;
}

/* The factor as an element of that dtype: truncated for integers, rounded for halves, as PyTorch
 * converts it. */
static fl_value as_element(fl_value v, int dtype)
{
    if (dtype_is_complex(dtype))
        return v;
    if (dtype_is_floating(dtype))
        return fl_float(convert_rounded(v.tag == FL_FLOATING ? v.as.f : (double)v.as.i, dtype));
    int64_t whole = v.tag == FL_FLOATING ? (int64_t)v.as.f : v.as.i;
    return dtype == FL_BOOL ? fl_boolean(v.tag == FL_FLOATING ? v.as.f != 0 : whole != 0)
                            : fl_int(whole);
}

/* Zeros that come from t, whose gradient is 0. */
static fl_tensor *without_elements(fl_tensor *t)
{
    fl_ints sizes = {t->sizes, t->ndim};
    fl_tensor *all = fl_ones(sizes, FL_BOOL, (fl_device){-1, 0}, false);
    return fl_masked_fill_scalar(t, all, fl_int(0));
}

/* Sums with products are contiguous whatever self's layout, where a sum would take its own. */
static fl_tensor *in_order(fl_tensor *self)
{
    return self->flags & TENSOR_CONTIGUOUS ? self : fl_contiguous(self, -1);
}

/* beta * self + alpha * product, as `dtype`, the factors'; what is taken 0 times counts for nothing,
 * NaN included. */
static int add_product(fl_tensor *self, fl_tensor *product, int dtype, fl_value beta,
                       fl_value alpha, fl_tensor **y)
{
    if (!product || !self)
        return -1;
    if (self->dtype != dtype)
        return error_set(FL_RUNTIME_ERROR,
                         "self and mat2 must have the same dtype, but got %s and %s",
                         dtype_title(self->dtype), dtype_title(dtype));
    if (product->dtype != dtype && !(self = op_widen(self)))
        return -1;
    struct op_view seen;
    if (expand_view(self, (fl_ints){product->sizes, product->ndim}, true, &seen))
        return -1;
    if (number_check(alpha, product->dtype) || number_check(beta, product->dtype))
        return -1;
    alpha = as_element(alpha, product->dtype), beta = as_element(beta, product->dtype);
    fl_tensor *scaled = is_number(alpha, 1)   ? product
                        : is_number(alpha, 0) ? without_elements(product)
                                              : fl_mul_scalar(product, alpha);
    if (is_number(beta, 0))
        *y = scaled;
    else
        *y = fl_add(is_number(beta, 1) ? self : fl_mul_scalar(self, beta), scaled, fl_int(1));
    *y = op_as(*y, dtype);
    return *y ? 0 : -1;
}

int addmm_compose(fl_tensor *self, fl_tensor *mat1, fl_tensor *mat2, fl_value beta, fl_value alpha,
                  fl_tensor **y)
{
    if (mat1->ndim != 2 || mat2->ndim != 2)
        return error_set(FL_RUNTIME_ERROR, "%s must be a matrix, got %d-D tensor",
                         mat1->ndim != 2 ? "mat1" : "mat2",
                         mat1->ndim != 2 ? mat1->ndim : mat2->ndim);
    return add_product(in_order(self), fl_mm(op_widen(mat1), op_widen(mat2)), mat1->dtype, beta,
                       alpha, y);
}

int addmv_compose(fl_tensor *self, fl_tensor *mat, fl_tensor *vec, fl_value beta, fl_value alpha,
                  fl_tensor **y)
{
    return add_product(self, fl_mv(op_widen(mat), op_widen(vec)), mat->dtype, beta, alpha, y);
}

int addr_compose(fl_tensor *self, fl_tensor *vec1, fl_tensor *vec2, fl_value beta, fl_value alpha,
                 fl_tensor **y)
{
    if (vec1->ndim != 1 || vec2->ndim != 1)
        return error_set(FL_RUNTIME_ERROR, "addr: Expected 1-D argument %s, but got %d-D",
                         vec1->ndim != 1 ? "vec1" : "vec2",
                         vec1->ndim != 1 ? vec1->ndim : vec2->ndim);
    fl_dtype dtype = (fl_dtype)dtype_promote(dtype_promote(vec1->dtype, vec2->dtype), self->dtype);
    /* beta self + (alpha vec1) vec2, rounded after each step, as PyTorch's loop is */
    alpha = as_element(alpha, dtype);
    vec1 = op_as(vec1, dtype), vec2 = op_as(vec2, dtype), self = op_as(self, dtype);
    fl_tensor *scaled = vec1 && !is_number(alpha, 1) ? fl_mul_scalar(vec1, alpha) : vec1;
    fl_tensor *product = scaled ? fl_outer(scaled, vec2) : NULL;
    return self ? add_product(self, product, dtype, as_element(beta, dtype), fl_int(1), y) : -1;
}

int baddbmm_compose(fl_tensor *self, fl_tensor *batch1, fl_tensor *batch2, fl_value beta,
                    fl_value alpha, fl_tensor **y)
{
    return add_product(in_order(self), fl_bmm(op_widen(batch1), op_widen(batch2)), batch1->dtype,
                       beta, alpha, y);
}

int addbmm_compose(fl_tensor *self, fl_tensor *batch1, fl_tensor *batch2, fl_value beta,
                   fl_value alpha, fl_tensor **y)
{
    int dtype = batch1->dtype;
    if (dtype == FL_FLOAT32 || dtype == FL_FLOAT64 || batch1->ndim != 3 || batch2->ndim != 3 ||
        batch1->sizes[0] != batch2->sizes[0] || batch1->sizes[0] == 0) {
        fl_tensor *product = fl_bmm(batch1, batch2);
        if (product)
            product = fl_sum_dim_intlist(product, (fl_ints){(int64_t[]){0}, 1}, false,
                                         (fl_dtype)product->dtype);
        return add_product(in_order(self), product, dtype, beta, alpha, y);
    }
    /* One product after the other, each sum rounded, as PyTorch has it. */
    *y = self;
    for (int64_t k = 0; *y && k < batch1->sizes[0]; k++)
        *y = fl_addmm(*y, fl_select(batch1, 0, k), fl_select(batch2, 0, k), k ? fl_int(1) : beta,
                      alpha);
    return *y ? 0 : -1;
}

/* ---- linear ---- */

static void replace_last(struct op_shape *y, const fl_tensor *t, int64_t size)
{
    assert(t->ndim >= 1 && size >= 0);
    op_shape_like(y, t);
    y->sizes[t->ndim - 1] = size;
}

/* The fix for an input whose last dim is not in_features: flatten it, where its other dims make up
 * the number. */
static int __attribute__((cold)) hint_of_features(const fl_tensor *input, long long last,
                                                  long long features)
{
    long long flat = input->ndim > 2 ? input->numel / (input->sizes[0] ? input->sizes[0] : 1) : 0;
    if (flat == features)
        return error_hint(
            "the input is not flat: x = torch.flatten(x, 1) before this layer (or "
            "nn.Flatten()) makes the %lld features that it takes",
            "输入没有展平：请在该层之前加上 x = torch.flatten(x, 1)（或 nn.Flatten()），"
            "就得到该层所需的 %lld 个特征",
            features);
    if (input->ndim == 2 && last < features && input->numel == features)
        return error_hint("the %lld rows together are the %lld features of one sample, whose batch "
                          "dim is missing: give the network x.unsqueeze(0)",
                          "这 %lld 行合起来正是一个样本的 %lld 个特征，说明缺少批次维："
                          "请给网络输入 x.unsqueeze(0)",
                          (long long)input->sizes[0], features);
    if (input->ndim == 1 && features && last % features == 0)
        return error_hint(
            "the input is flattened whole, the batch with it: %lld are %lld samples of "
            "%lld features; keep dim 0 with x.flatten(1), or nn.Flatten()",
            "展平时把批次维也展平了：这 %lld 个数是 %lld 个样本的各 %lld 个特征；"
            "请用 x.flatten(1) 或 nn.Flatten() 保留第 0 维",
            last, last / features, features);
    if (flat)
        return error_hint("the input's last dim is %lld, and the layer was made with "
                          "in_features=%lld; flattened (torch.flatten(x, 1)) the input has %lld "
                          "features: make the layer with in_features=%lld",
                          "输入的最后一维是 %lld，而该层的 in_features 是 %lld；若展平"
                          "（torch.flatten(x, 1)），输入有 %lld 个特征：请把 in_features 改为 %lld",
                          last, features, flat, flat);
    return error_hint("the input has %lld features, and the layer was made with in_features=%lld: "
                      "make it with in_features=%lld, or change what comes before it",
                      "输入有 %lld 个特征，而该层的 in_features 是 %lld：请把 in_features 改为 "
                      "%lld，或修改它前面的层",
                      last, features, last);
}

/* The bias of a linear layer does not expand to its rows. -1. */
static int refuse_bias(fl_tensor *bias, int64_t rows, int64_t n)
{
    struct op_view seen;
    if (expand_view(bias, (fl_ints){(int64_t[]){rows, n}, 2}, true, &seen))
        return -1;
    return error_set(FL_RUNTIME_ERROR, "linear: bias must be a vector of %lld elements",
                     (long long)n);
}

int linear_shape(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, struct op_shape *y)
{
    if (input->ndim == 0)
        return error_set(FL_RUNTIME_ERROR,
                         "both arguments to linear need to be at least 1D, but they are 0D and %dD",
                         weight->ndim);
    if (weight->ndim != 2 && weight->ndim != 1)
        return error_set(FL_RUNTIME_ERROR,
                         "linear: weight must be a matrix (out, in) or a vector (in), got %d-D",
                         weight->ndim);
    if (bias && (input->dtype != weight->dtype || input->dtype != bias->dtype)) {
        int other = input->dtype != weight->dtype ? weight->dtype : bias->dtype;
        error_set(FL_RUNTIME_ERROR, "mat1 and mat2 must have the same dtype, but got %s and %s",
                  dtype_title(input->dtype), dtype_title(other));
        return error_hint("the input is %s and the layer's parameters are %s: convert the input, "
                          "%s (or the layer: layer.to(x.dtype))",
                          "输入的类型是 %s，而该层参数的类型是 %s：请转换输入：%s"
                          "（或转换该层：layer.to(x.dtype)）",
                          fl_dtype_name(input->dtype), fl_dtype_name(other),
                          other == FL_FLOAT32 ? "x = x.float()" : "x = x.to(layer.weight.dtype)");
    }
    if (check_dtypes(input, weight))
        return -1;
    int64_t k = weight->sizes[weight->ndim - 1], n = weight->ndim == 2 ? weight->sizes[0] : 1;
    if (input->sizes[input->ndim - 1] != k) {
        int64_t last = input->sizes[input->ndim - 1];
        error_set(FL_RUNTIME_ERROR,
                  "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)",
                  (long long)(last ? input->numel / last : 0), (long long)last, (long long)k,
                  (long long)n);
        return hint_of_features(input, (long long)last, (long long)k);
    }
    if (bias && (bias->ndim > 1 || (bias->numel != n && bias->numel != 1)))
        return refuse_bias(bias, k ? input->numel / k : 0, n);
    replace_last(y, input, n);
    y->ndim -= weight->ndim == 1;
    return 0;
}

/* t as rows: a contiguous handle where its leading dims are not one run; a new reference. */
static fl_tensor *as_rows(const fl_tensor *t, int64_t *row)
{
    assert(t->ndim >= 1);
    int64_t stride = t->ndim > 1 ? run_stride(t, t->ndim - 1) : 0;
    if (stride >= 0) {
        *row = stride;
        return tensor_retain((fl_tensor *)t);
    }
    fl_tensor *dense = tensor_contiguous(t);
    *row = dense ? dense->strides[dense->ndim - 2] : 0;
    return dense;
}

int linear_cpu(fl_tensor *input, fl_tensor *weight, fl_tensor *bias, fl_tensor *y)
{
    assert(input->ndim >= 1 && (weight->ndim == 1 || weight->ndim == 2));
    int64_t k = input->sizes[input->ndim - 1], row, n = weight->ndim == 2 ? weight->sizes[0] : 1;
    if (y->numel == 0)
        return 0;
    fl_tensor *x = as_rows(input, &row), *b = NULL;
    if (bias) { /* one value a column, side by side */
        fl_tensor *spread = tensor_alias(
            bias, 1, &n, (int64_t[]){bias->numel == n && bias->ndim ? bias->strides[0] : 0},
            bias->offset);
        b = spread ? tensor_contiguous(spread) : NULL;
        tensor_release(spread);
    }
    int status = -1;
    if (x && (b || !bias)) {
        int last = x->ndim - 1;
        struct gemm g = {.dtype = (fl_dtype)input->dtype,
                         .m = y->numel / n,
                         .n = n,
                         .k = k,
                         .a = tensor_data(x),
                         .a_row = row,
                         .a_col = x->strides[last],
                         .b = tensor_data(weight),
                         .b_row = weight->strides[weight->ndim - 1],
                         .b_col = weight->ndim == 2 ? weight->strides[0] : 0,
                         .c = tensor_data(y),
                         .c_row = n,
                         .c_col = 1};
        bool floating = dtype_is_inexact(input->dtype);
        if (b && floating)
            g.bias_kind = GEMM_BIAS_N, g.bias = tensor_data(b);
        else if (b) { /* integers: begin with the bias */
            fl_tensor *rows = tensor_alias(b, 2, (int64_t[]){g.m, n}, (int64_t[]){0, 1}, b->offset);
            fl_tensor *flat = tensor_alias(y, 2, (int64_t[]){g.m, n}, (int64_t[]){n, 1}, y->offset);
            status = rows && flat ? tensor_copy(flat, rows) : -1;
            tensor_release(rows);
            tensor_release(flat);
            g.accumulate = true;
        }
        status = (b && !floating && status) ? -1 : gemm_run(&g);
    }
    tensor_release(x);
    tensor_release(b);
    return status;
}

int linear_backward_input_shape(fl_tensor *g, fl_tensor *weight, struct op_shape *y)
{
    if (weight->ndim == 1) {
        op_shape_like(y, g);
        y->sizes[y->ndim++] = weight->sizes[0];
        return 0;
    }
    replace_last(y, g, weight->sizes[1]);
    return 0;
}

int linear_backward_input_cpu(fl_tensor *g, fl_tensor *weight, fl_tensor *y)
{
    assert(weight->ndim == 1 || weight->ndim == 2);
    assert(tensor_is_flat(y));
    int64_t n = weight->sizes[weight->ndim - 1], k = weight->ndim == 2 ? weight->sizes[0] : 1,
            row = 0;
    if (y->numel == 0)
        return 0;
    fl_tensor *rows = weight->ndim == 2 ? as_rows(g, &row) : tensor_contiguous(g);
    if (!rows)
        return -1;
    struct gemm p = {.dtype = (fl_dtype)g->dtype,
                     .m = y->numel / n,
                     .n = n,
                     .k = k,
                     .a = tensor_data(rows),
                     .a_row = weight->ndim == 2 ? row : 1,
                     .a_col = weight->ndim == 2 ? rows->strides[rows->ndim - 1] : 0,
                     .b = tensor_data(weight),
                     .b_row = weight->ndim == 2 ? weight->strides[0] : 0,
                     .b_col = weight->strides[weight->ndim - 1],
                     .c = tensor_data(y),
                     .c_row = n,
                     .c_col = 1};
    int status = gemm_run(&p);
    tensor_release(rows);
    return status;
}

int linear_backward_weight_shape(fl_tensor *g, fl_tensor *input, struct op_shape *y)
{
    int64_t k = input->sizes[input->ndim - 1];
    if (g->ndim < input->ndim)
        op_shape_set(y, 1, &k);
    else
        op_shape_set(y, 2, (int64_t[]){g->sizes[g->ndim - 1], k});
    return 0;
}

int linear_backward_weight_cpu(fl_tensor *g, fl_tensor *input, fl_tensor *y)
{
    assert(input->ndim >= 1 && tensor_is_flat(y));
    bool vector = g->ndim < input->ndim;
    int64_t k = input->sizes[input->ndim - 1], m = vector ? 1 : g->sizes[g->ndim - 1], g_row = 0,
            x_row;
    if (y->numel == 0)
        return 0;
    if (input->numel == 0)
        return tensor_fill(y, fl_int(0));
    fl_tensor *gr = vector ? tensor_contiguous(g) : as_rows(g, &g_row), *x = as_rows(input, &x_row);
    int status = -1;
    if (gr && x) {
        struct gemm p = {.dtype = (fl_dtype)g->dtype,
                         .m = m,
                         .n = k,
                         .k = input->numel / k,
                         .a = tensor_data(gr),
                         .a_row = vector ? 0 : gr->strides[gr->ndim - 1],
                         .a_col = vector ? 1 : g_row,
                         .b = tensor_data(x),
                         .b_row = x_row,
                         .b_col = x->strides[x->ndim - 1],
                         .c = tensor_data(y),
                         .c_row = k,
                         .c_col = 1};
        status = gemm_run(&p);
    }
    tensor_release(gr);
    tensor_release(x);
    return status;
}
