/* The rules of torch.optim that look at a parameter as a matrix: Adafactor, which keeps its mean
 * square as the product of a column and a row, and Muon, whose steps are orthogonal. They are
 * written with operators, as python/flambeau/optim writes them.
 */
#include <assert.h>
#include <math.h>

#include "flambeau.h"
#include "nn/rules.h"

#define OPTION(name) (u->option[OPTION_##name])

/* ---- Adafactor (Shazeer and Stern, 2018) ----------------------------------------------------- */

/* The root of the mean of squares. */
static double root_mean_square(fl_tensor *t)
{
    return t ? fl_item(fl_norm(t, fl_int(2))) / sqrt((double)fl_numel(t)) : NAN;
}

/* Brings the kept mean of squares along dim, from the end, nearer to the gradient's. */
static fl_tensor *renew(fl_tensor *kept, fl_tensor *g, int dim, double fresh)
{
    fl_ints along = FL_INTS_OF(dim);
    fl_tensor *norm = fl_linalg_vector_norm(g, fl_int(2), along, true, FL_NO_DTYPE);
    fl_tensor *mean = fl_div_scalar(fl_square(norm), fl_int(fl_size(g, dim)));
    return fl_lerp_scalar_(kept, mean, fl_float(fresh));
}

/* The kept mean square, in memory of its own; matrices have it as rows times columns. */
static fl_tensor *adafactor_square(const struct rule_update *u, fl_tensor *g, double fresh,
                                   double least)
{
    if (u->p->ndim <= 1)
        return fl_clone(
            fl_lerp_scalar_(u->state[ADAFACTOR_VARIANCE], fl_square(g), fl_float(fresh)), -1);
    fl_tensor *rows = renew(u->state[ADAFACTOR_ROWS], g, -1, fresh);
    fl_tensor *columns = renew(u->state[ADAFACTOR_COLUMNS], g, -2, fresh);
    fl_tensor *mean = fl_mean_dim(rows, FL_INTS_OF(-2), true, FL_NO_DTYPE);
    return fl_div_(fl_matmul(rows, columns), fl_clamp_min_scalar(mean, fl_float(least)));
}

int adafactor_update(const struct rule_update *u)
{
    double lr = OPTION(LR), least = OPTION(EPS1), fresh = pow(u->step, OPTION(BETA2_DECAY));
    if (least < 0)
        least = ldexp(1, 1 - dtype_digits(u->p->dtype)); /* the dtype's epsilon */
    fl_tensor *g = OPTION(MAXIMIZE) != 0 ? fl_neg(u->g) : u->g;
    double rate = fmax(OPTION(EPS2), root_mean_square(u->p)) * fmin(lr, 1 / sqrt(u->step));
    if (OPTION(WEIGHT_DECAY) != 0 && !fl_mul_scalar_(u->p, fl_float(1 - lr * OPTION(WEIGHT_DECAY))))
        return -1;
    fl_tensor *square = adafactor_square(u, g, fresh, least);
    square = fl_clamp_min_scalar_(square, fl_float(least * least));
    fl_tensor *update = fl_mul_(fl_rsqrt_(square), g);
    double cut = fmax(1, root_mean_square(update) / OPTION(D));
    return fl_add_(u->p, update, fl_float(-rate / cut)) ? 0 : -1;
}

/* ---- Muon (Jordan, 2024) --------------------------------------------------------------------- */

/* About U V' of the singular value decomposition U S V' of g, by a Newton-Schulz iteration in
 * bfloat16. */
static fl_tensor *orthogonal(const struct rule_update *u, fl_tensor *g)
{
    bool tall = fl_size(g, 0) > fl_size(g, 1);
    fl_value a = fl_float(OPTION(NS_A)), b = fl_float(OPTION(NS_B)), c = fl_float(OPTION(NS_C));
    fl_tensor *x = fl_to(g, FL_BFLOAT16, (fl_device){-1, 0});
    x = tall ? fl_t(x) : x;
    x = fl_div(x, fl_clamp_min_scalar(fl_norm(x, fl_int(2)), fl_float(OPTION(EPS))));
    for (int i = 0; x && i < (int)OPTION(NS_STEPS); i++) {
        fl_tensor *gram = fl_matmul(x, fl_t(x));
        x = fl_addmm(x, fl_addmm(gram, gram, gram, b, c), x, a, fl_int(1));
    }
    return tall ? fl_t(x) : x;
}

int muon_update(const struct rule_update *u)
{
    assert(u->p->ndim == 2);
    double lr = OPTION(LR), momentum = OPTION(MOMENTUM);
    double rows = (double)fl_size(u->p, 0), columns = (double)fl_size(u->p, 1);
    fl_tensor *kept = fl_lerp_scalar_(u->state[0], u->g, fl_float(1 - momentum));
    fl_tensor *update =
        OPTION(NESTEROV) != 0 ? fl_lerp_scalar(u->g, kept, fl_float(momentum)) : kept;
    update = orthogonal(u, update);
    double rate = OPTION(ADJUST_LR) != 0 ? lr * 0.2 * sqrt(fmax(rows, columns))
                                         : lr * sqrt(fmax(1, rows / columns));
    if (!update || !fl_mul_scalar_(u->p, fl_float(1 - lr * OPTION(WEIGHT_DECAY))))
        return -1;
    return fl_add_(u->p, update, fl_float(-rate)) ? 0 : -1;
}
