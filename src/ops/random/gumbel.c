/* Draws from the Gumbel-softmax distribution (Jang et al., "Categorical Reparameterization with
 * Gumbel-Softmax", 2017). */
#include "core/error.h"
#include "flambeau/ops/create.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/norm.h"
#include "flambeau/ops/pointwise.h"
#include "flambeau/ops/random.h"
#include "flambeau/ops/sort.h"
#include "ops/op.h"
#include "ops_kernels.h"

int gumbel_softmax_compose(fl_tensor *logits, double tau, bool hard, double eps, int64_t dim,
                           fl_tensor **y)
{
    (void)eps;
    fl_tensor *times =
        fl_empty_like(logits, FL_NO_DTYPE, (fl_device){-1, 0}, false, FORMAT_CONTIGUOUS);
    fl_tensor *drawn = fl_sub(logits, fl_log(fl_exponential_(times, 1, NULL)), fl_int(1));
    *y = fl_softmax(fl_div_scalar(drawn, fl_float(tau)), dim, FL_NO_DTYPE);
    if (!*y || !hard)
        return *y ? 0 : -1;
    fl_tensor *zeros = fl_zeros_like(logits, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    fl_tensor *chosen =
        fl_scatter_value(fl_detach(zeros), dim, fl_argmax(*y, &dim, true), fl_int(1));
    *y = fl_add(fl_sub(chosen, fl_detach(*y), fl_int(1)), *y, fl_int(1));
    return *y ? 0 : -1;
}
