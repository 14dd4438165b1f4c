/* scaled_dot_product_attention: its arguments settled, then the fused kernel, or operators where
 * that does not serve: dropout, a mask with a gradient or a tangent, batches that broadcast, and on
 * devices, which have no fused kernel. */
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "flambeau/ops/attention.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/matmul.h"
#include "flambeau/ops/norm.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/random.h"
#include "flambeau/ops/reduce.h"
#include "flambeau/ops/view.h"
#include "ops/attention/attention.h"
#include "ops/forward.h"
#include "ops/op.h"
#include "ops_kernels.h"

bool attention_fits(const fl_tensor *query, const fl_tensor *key, const fl_tensor *value,
                    const fl_tensor *mask)
{
    const int n = query->ndim;
    if (!dtype_is_floating(query->dtype) || key->dtype != query->dtype ||
        value->dtype != query->dtype || n < 2 || key->ndim != n || value->ndim != n)
        return false;
    for (int d = 0; d < n - 2; d++)
        if (key->sizes[d] != query->sizes[d] || value->sizes[d] != query->sizes[d])
            return false;
    if (key->sizes[n - 1] != query->sizes[n - 1] || key->sizes[n - 2] != value->sizes[n - 2] ||
        query->numel == 0 || key->numel == 0 || value->numel == 0)
        return false;
    if (!mask)
        return true;
    bool fits = mask->ndim <= n && (mask->dtype == FL_BOOL || mask->dtype == query->dtype);
    for (int d = 0; fits && d < mask->ndim; d++) {
        const int own = n - mask->ndim + d;
        const int64_t size = own == n - 1 ? key->sizes[n - 2] : query->sizes[own];
        fits = mask->sizes[d] == 1 || mask->sizes[d] == size;
    }
    return fits;
}

/* The mask of a causal look: true on and before the own place. */
static fl_tensor *causal_mask(const fl_tensor *query, const fl_tensor *key)
{
    const int64_t sizes[2] = {query->sizes[query->ndim - 2], key->sizes[key->ndim - 2]};
    return fl_tril(fl_ones((fl_ints){sizes, 2}, FL_BOOL, (fl_device){-1, 0}, false), 0);
}

/* softmax(query keyᵀ scale + mask). A row that a bool mask leaves nothing weighs nothing. */
static fl_tensor *weights_of(fl_tensor *query, fl_tensor *key, fl_tensor *mask, double scale)
{
    fl_tensor *scores = fl_mul_scalar(fl_matmul(query, fl_transpose(key, -2, -1)), fl_float(scale));
    if (!mask)
        return fl_softmax(scores, -1, FL_NO_DTYPE);
    if (mask->dtype != FL_BOOL)
        return fl_softmax(fl_add(scores, mask, fl_int(1)), -1, FL_NO_DTYPE);
    scores = fl_masked_fill_scalar(scores, fl_logical_not(mask), fl_float(-INFINITY));
    return fl_masked_fill_scalar(fl_softmax(scores, -1, FL_NO_DTYPE),
                                 fl_logical_not(fl_any_dim(mask, -1, true)), fl_float(0));
}

/* key and value with each head as often as query's heads share it. */
static int share_heads(const fl_tensor *query, fl_tensor **key, fl_tensor **value)
{
    const int64_t dim = -3;
    for (int i = 0; i < 2; i++) {
        fl_tensor **t = i ? value : key;
        if (query->ndim < 3 || (*t)->ndim < 3 || (*t)->sizes[(*t)->ndim - 3] == 0)
            return error_set(FL_RUNTIME_ERROR,
                             "scaled_dot_product_attention: enable_gqa wants heads in dim -3");
        const int64_t heads = query->sizes[query->ndim - 3], own = (*t)->sizes[(*t)->ndim - 3];
        if (heads % own)
            return error_set(FL_RUNTIME_ERROR,
                             "Number of heads in key and value must divide the number of heads in "
                             "query");
        if (!(*t = fl_repeat_interleave(*t, heads / own, &dim, NULL)))
            return -1;
    }
    return 0;
}

int scaled_dot_product_attention_compose(fl_tensor *query, fl_tensor *key, fl_tensor *value,
                                         fl_tensor *attn_mask, double dropout_p, bool is_causal,
                                         const double *scale, bool enable_gqa, fl_tensor **y)
{
    if (is_causal && attn_mask)
        return error_set(FL_RUNTIME_ERROR, "_scaled_dot_product_attention: Explicit attn_mask "
                                           "should not be set when is_causal=True");
    if (query->ndim < 2 || key->ndim < 2 || value->ndim < 2)
        return error_set(FL_RUNTIME_ERROR,
                         "scaled_dot_product_attention: Expected query, key, and value to all be  "
                         "at least 2 dimensional, but got query.dim(): %d, key.dim(): %d and "
                         "value.dim(): %d instead.",
                         query->ndim, key->ndim, value->ndim);
    const double by = scale ? *scale : 1 / sqrt((double)query->sizes[query->ndim - 1]);
    if (enable_gqa && share_heads(query, &key, &value))
        return -1;
    const bool moves = attn_mask && (fl_requires_grad(attn_mask) || forward_has_tangent(attn_mask));
    if (dropout_p == 0 && !moves && !op_has_kernels(query) &&
        attention_fits(query, key, value, attn_mask)) {
        *y = fl__attention(query, key, value, attn_mask, is_causal, by);
        return *y ? 0 : -1;
    }
    const int dtype = query->dtype;
    query = op_widen(query), key = op_widen(key), value = op_widen(value); /* rounded once */
    if (!query || !key || !value)
        return -1;
    fl_tensor *mask = is_causal ? causal_mask(query, key) : attn_mask;
    fl_tensor *weights = is_causal && !mask ? NULL : weights_of(query, key, mask, by);
    if (dropout_p > 0)
        weights = fl_dropout(weights, dropout_p, true);
    *y = op_as(fl_matmul(weights, value), dtype);
    return *y ? 0 : -1;
}

int attention_backward_compose(fl_tensor *g, fl_tensor *query, fl_tensor *key, fl_tensor *value,
                               fl_tensor *mask, bool is_causal, double scale, fl_tensor **dq,
                               fl_tensor **dk, fl_tensor **dv)
{
    if (!autograd_derives())
        return fl__attention_backward_kernel(g, query, key, value, mask, is_causal, scale, dq, dk,
                                             dv);
    const int dtype = query->dtype;
    fl_tensor *q = op_widen(query), *k = op_widen(key), *v = op_widen(value);
    fl_tensor *from = op_widen(g), *seen = is_causal ? causal_mask(query, key) : mask;
    if (!q || !k || !v || (is_causal && !seen))
        return -1;
    const int64_t last = -1;
    fl_tensor *p = weights_of(q, k, seen, scale);
    fl_tensor *dp = fl_matmul(from, fl_transpose(v, -2, -1));
    fl_tensor *sum = fl_sum_dim_intlist(fl_mul(dp, p), (fl_ints){&last, 1}, true, FL_NO_DTYPE);
    fl_tensor *ds = fl_mul_scalar(fl_mul(p, fl_sub(dp, sum, fl_int(1))), fl_float(scale));
    *dq = op_as(fl_matmul(ds, k), dtype);
    *dk = op_as(fl_matmul(fl_transpose(ds, -2, -1), q), dtype);
    *dv = op_as(fl_matmul(fl_transpose(p, -2, -1), from), dtype);
    return *dq && *dk && *dv ? 0 : -1;
}
