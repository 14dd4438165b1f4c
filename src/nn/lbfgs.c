/* torch.optim.LBFGS for C programs: minus the gradient, times an approximate inverse of the Hessian
 * that the last changes give (Nocedal, 1980), and a step along it that meets the strong Wolfe
 * conditions (Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6).
 *
 * Written with operators on vectors of all parameters, as python/flambeau/optim writes it. Vectors
 * that a step needs belong to the scope of one iteration; what the next needs is retained.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "autograd/autograd.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "core/tensor.h"
#include "nn/lbfgs.h"

static const double GRADIENT = 1e-7, CHANGE = 1e-9; /* tolerances */

/* A step's length with the loss, the gradient and the slope there. */
struct point {
    double t, loss, slope;
    fl_tensor *g;
};

/* ---- Making ---------------------------------------------------------------------------------- */

static int check_params(fl_tensors params)
{
    if (!params.data || params.count <= 0)
        return error_set(FL_VALUE_ERROR, "optimizer got an empty parameter list");
    for (int64_t i = 0; i < params.count; i++) {
        if (!params.data[i])
            return -1;
        if (!dtype_is_floating(params.data[i]->dtype) ||
            params.data[i]->dtype != params.data[0]->dtype)
            return error_set(FL_VALUE_ERROR, "LBFGS wants parameters of one floating dtype");
    }
    return 0;
}

fl_lbfgs *fl_lbfgs_new(fl_tensors params, double lr, int max_iter, int history_size,
                       bool strong_wolfe)
{
    if (check_params(params))
        return NULL;
    if (!(lr >= 0) || max_iter < 1 || history_size < 1)
        return error_null(FL_VALUE_ERROR, "LBFGS wants a learning rate of at least 0, and at least "
                                          "one iteration and one pair");
    fl_lbfgs *o = memory_zalloc(sizeof *o);
    if (!o)
        return NULL;
    o->lr = lr, o->max_iter = max_iter, o->history = history_size, o->strong_wolfe = strong_wolfe;
    o->params = memory_zalloc((size_t)params.count * sizeof *o->params);
    o->pairs = o->params ? memory_zalloc((size_t)history_size * sizeof *o->pairs) : NULL;
    o->count = o->pairs ? params.count : 0;
    for (int64_t i = 0; i < o->count; i++)
        o->params[i] = tensor_retain(params.data[i]);
    if (o->pairs)
        return o;
    memory_free(o->params, (size_t)params.count * sizeof *o->params);
    memory_free(o, sizeof *o);
    return NULL;
}

void lbfgs_release_pair(struct lbfgs_pair *pair)
{
    tensor_release(pair->change);
    tensor_release(pair->moved);
}

void lbfgs_keep_pair(fl_lbfgs *o, struct lbfgs_pair pair)
{
    assert(o->history > 0 && o->kept <= o->history);
    if (o->kept == o->history) {
        lbfgs_release_pair(&o->pairs[0]);
        memmove(o->pairs, o->pairs + 1, (size_t)--o->kept * sizeof *o->pairs);
    }
    o->pairs[o->kept++] = pair;
}

void lbfgs_forget(fl_lbfgs *o)
{
    for (int i = 0; i < o->kept; i++)
        lbfgs_release_pair(&o->pairs[i]);
    o->kept = 0;
    tensor_release(o->direction);
    tensor_release(o->before);
    o->direction = o->before = NULL;
}

void fl_lbfgs_release(fl_lbfgs *o)
{
    if (!o)
        return;
    for (int64_t i = 0; i < o->count; i++)
        tensor_release(o->params[i]);
    lbfgs_forget(o);
    memory_free(o->params, (size_t)o->count * sizeof *o->params);
    memory_free(o->pairs, (size_t)o->history * sizeof *o->pairs);
    memory_free(o, sizeof *o);
}

/* ---- Vectors of all parameters --------------------------------------------------------------- */

static double dot(fl_tensor *a, fl_tensor *b)
{
    fl_tensor *product = fl_dot(a, b);
    return product ? fl_item(product) : NAN;
}

static double largest(fl_tensor *t)
{
    fl_tensor *most = fl_max(fl_abs(t));
    return most ? fl_item(most) : NAN;
}

/* The gradients one after the other, zeros where there is none. */
static fl_tensor *gradient(const fl_lbfgs *o)
{
    size_t bytes = (size_t)o->count * sizeof(fl_tensor *);
    fl_tensor **flat = memory_alloc(bytes);
    bool whole = flat;
    for (int64_t i = 0; i < o->count && whole; i++) {
        fl_tensor *p = o->params[i], *g = fl_grad(p);
        if (!g)
            g = fl_zeros_like(p, FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
        whole = (flat[i] = fl_reshape(g, FL_INTS_OF(-1)));
    }
    fl_tensor *g = whole ? fl_cat((fl_tensors){flat, o->count}, 0) : NULL;
    if (flat)
        memory_free(flat, bytes);
    return g;
}

/* Adds t * d to the parameters. */
static int move(const fl_lbfgs *o, double t, fl_tensor *d)
{
    int64_t start = 0;
    for (int64_t i = 0; i < o->count; i++) {
        fl_tensor *p = o->params[i], *part = fl_narrow(d, 0, start, p->numel);
        if (!fl_add_(p, fl_view_as(part, p), fl_float(t)))
            return -1;
        start += p->numel;
    }
    return 0;
}

/* ---- Calling the program --------------------------------------------------------------------- */

struct run {
    fl_lbfgs *o;
    double (*closure)(void *context);
    void *context;
    int calls;
};

/* The loss, recorded, in a scope of its own; its gradient too. -1 with the error set. */
static int evaluate(struct run *r, double *loss, fl_tensor **g)
{
    struct scope scope;
    scope_open(&scope);
    autograd_mode.grad = true;
    *loss = r->closure(r->context);
    autograd_mode.grad = false;
    scope_close(&scope);
    r->calls++;
    if (isnan(*loss) && fl_error() != FL_OK)
        return -1;
    return (*g = gradient(r->o)) ? 0 : -1;
}

/* What is at the start plus t * d; the parameters are put back. */
static int probe(struct run *r, fl_tensor *const *start, double t, fl_tensor *d, struct point *at)
{
    at->t = t;
    if (move(r->o, t, d) || evaluate(r, &at->loss, &at->g))
        return -1;
    for (int64_t i = 0; i < r->o->count; i++)
        if (!fl_copy_(r->o->params[i], start[i], false))
            return -1;
    at->slope = dot(at->g, d);
    return 0;
}

/* ---- The line search ------------------------------------------------------------------------- */

/* Where the cubic with the values and slopes at a and b is least, within bounds; their middle where
 * it has no minimum. */
static double cubic_minimum(const struct point *a, const struct point *b, double low, double high)
{
    double d1 = a->slope + b->slope - 3 * (a->loss - b->loss) / (a->t - b->t);
    double square = d1 * d1 - a->slope * b->slope;
    if (!(square >= 0))
        return (low + high) / 2;
    const struct point *left = a->t <= b->t ? a : b, *right = a->t <= b->t ? b : a;
    double d2 = sqrt(square), width = right->t - left->t;
    double place =
        right->t - width * ((right->slope + d2 - d1) / (right->slope - left->slope + 2 * d2));
    return fmin(fmax(place, low), high);
}

static bool too_high(const struct point *at, const struct point *start)
{
    return at->loss > start->loss + 1e-4 * at->t * start->slope;
}

static bool flat_enough(const struct point *at, const struct point *start)
{
    return fabs(at->slope) <= -0.9 * start->slope;
}

/* Goes out until two points have one that will do between them: 2, or one that does: 1; -1. */
static int bracket(struct run *r, fl_tensor *const *kept, fl_tensor *d, const struct point *start,
                   double t, int most, int *rounds, struct point *two)
{
    struct point before = *start, at;
    if (probe(r, kept, t, d, &at))
        return -1;
    for (*rounds = 0; *rounds < most; ++*rounds) {
        two[0] = before, two[1] = at;
        if (too_high(&at, start) || (*rounds > 1 && at.loss >= before.loss))
            return 2;
        if (flat_enough(&at, start)) {
            two[0] = at;
            return 1;
        }
        if (at.slope >= 0)
            return 2;
        t = cubic_minimum(&before, &at, at.t + 0.01 * (at.t - before.t), at.t * 10);
        before = at;
        if (probe(r, kept, t, d, &at))
            return -1;
    }
    two[0] = *start, two[1] = at;
    return 2;
}

/* Narrows the bracket; the best of it ends up in two[0]. */
static int zoom(struct run *r, fl_tensor *const *kept, fl_tensor *d, const struct point *start,
                int most, struct point *two)
{
    double reach = largest(d);
    bool stuck = false, done = false;
    int low = two[0].loss <= two[1].loss ? 0 : 1;
    for (int i = 0; i < most && !done && !(fabs(two[1].t - two[0].t) * reach < CHANGE); i++) {
        double left = fmin(two[0].t, two[1].t), right = fmax(two[0].t, two[1].t);
        double t = cubic_minimum(&two[0], &two[1], left, right), margin = 0.1 * (right - left);
        bool close = fmin(right - t, t - left) < margin; /* to an end: once is let pass */
        bool pull = close && (stuck || t >= right || t <= left);
        if (pull)
            t = fabs(t - right) < fabs(t - left) ? right - margin : left + margin;
        stuck = close && !pull;
        struct point at;
        if (probe(r, kept, t, d, &at))
            return -1;
        if (too_high(&at, start) || at.loss >= two[low].loss) {
            two[1 - low] = at;
            low = two[0].loss <= two[1].loss ? 0 : 1;
            continue;
        }
        done = flat_enough(&at, start);
        if (!done && at.slope * (two[1 - low].t - two[low].t) >= 0)
            two[1 - low] = two[low];
        two[low] = at;
    }
    two[0] = two[low];
    return 0;
}

/* Copies of the parameters; NULL with the error set. */
static fl_tensor **copies(const fl_lbfgs *o)
{
    fl_tensor **kept = memory_alloc((size_t)o->count * sizeof *kept);
    for (int64_t i = 0; kept && i < o->count; i++)
        if (!(kept[i] = fl_clone(o->params[i], -1))) {
            memory_free(kept, (size_t)o->count * sizeof *kept);
            kept = NULL;
        }
    return kept;
}

/* Moves along d to a point that meets the conditions, which *at becomes. */
static int search(struct run *r, fl_tensor *d, double t, int most, struct point *at)
{
    struct point start = *at, two[2];
    int rounds = 0;
    start.t = 0;
    fl_tensor **kept = copies(r->o);
    int found = kept ? bracket(r, kept, d, &start, t, most, &rounds, two) : -1;
    if (found == 2 && zoom(r, kept, d, &start, most - rounds, two))
        found = -1;
    if (kept)
        memory_free(kept, (size_t)r->o->count * sizeof *kept);
    if (found < 0)
        return -1;
    *at = two[0];
    return move(r->o, at->t, d);
}

/* ---- The step -------------------------------------------------------------------------------- */

/* Remembers how the gradient changed over the last step, where that says something. */
static int remember(fl_lbfgs *o, fl_tensor *g)
{
    fl_tensor *change = fl_sub(g, o->before, fl_int(1));
    fl_tensor *moved = fl_mul_scalar(o->direction, fl_float(o->taken));
    double product = dot(change, moved);
    if (!change || !moved)
        return -1;
    if (!(product > 1e-10))
        return 0;
    lbfgs_keep_pair(o, (struct lbfgs_pair){.change = tensor_retain(change),
                                           .moved = tensor_retain(moved),
                                           .rho = 1 / product});
    o->diagonal = product / dot(change, change);
    return 0;
}

/* Minus the gradient times the approximate inverse: the two-loop recursion. */
static fl_tensor *direction(fl_lbfgs *o, fl_tensor *g)
{
    fl_tensor *d = fl_neg(g);
    for (int i = o->kept - 1; i >= 0 && d; i--) {
        struct lbfgs_pair *pair = &o->pairs[i];
        pair->share = dot(pair->moved, d) * pair->rho;
        d = fl_add_(d, pair->change, fl_float(-pair->share));
    }
    d = fl_mul_scalar_(d, fl_float(o->diagonal));
    for (int i = 0; i < o->kept && d; i++) {
        struct lbfgs_pair *pair = &o->pairs[i];
        double rest = pair->share - dot(pair->change, d) * pair->rho;
        d = fl_add_(d, pair->moved, fl_float(rest));
    }
    return d;
}

/* Puts a vector that the scope has in the place of one that was kept. */
static void keep(fl_tensor **place, fl_tensor *t)
{
    tensor_retain(t);
    tensor_release(*place);
    *place = t;
}

/* One iteration from *at, whose gradient is retained: 1 to go on, 0 at the end, -1. */
static int iterate(struct run *r, int number, int most, struct point *at)
{
    fl_lbfgs *o = r->o;
    fl_tensor *g = at->g, *d = NULL;
    double t = o->lr, loss = at->loss;
    if (!o->direction) {
        fl_tensor *sum = fl_sum(fl_abs(g), FL_NO_DTYPE);
        t *= sum ? fmin(1, 1 / fl_item(sum)) : NAN;
        d = fl_neg(g);
    } else if (remember(o, g) == 0) {
        d = direction(o, g);
    }
    if (!d)
        return -1;
    keep(&o->direction, d);
    keep(&o->before, g);
    o->taken = t;
    struct point next = {.t = t, .loss = loss, .g = g, .slope = dot(g, d)};
    if (next.slope > -CHANGE)
        return 0;
    if (o->strong_wolfe) {
        if (search(r, d, t, most - r->calls, &next))
            return -1;
    } else if (move(o, t, d) || (number < o->max_iter && evaluate(r, &next.loss, &next.g))) {
        return -1;
    }
    o->taken = next.t;
    keep(&at->g, next.g);
    at->loss = next.loss;
    bool ends = number == o->max_iter || r->calls >= most || largest(next.g) <= GRADIENT ||
                largest(d) * fabs(next.t) <= CHANGE || fabs(next.loss - loss) < CHANGE;
    return !ends;
}

double fl_lbfgs_step(fl_lbfgs *o, double (*closure)(void *context), void *context)
{
    if (!o || !closure) {
        error_set(FL_VALUE_ERROR, "LBFGS wants a closure");
        return NAN;
    }
    struct run r = {o, closure, context, 0};
    struct point at = {0};
    struct scope scope;
    bool recorded = autograd_mode.grad;
    const int64_t calls = (int64_t)o->max_iter * 5 / 4;
    const int most = calls < INT_MAX ? (int)calls : INT_MAX;
    int going = 1;
    autograd_mode.grad = false;
    scope_open(&scope);
    double first = NAN;
    if (evaluate(&r, &first, &at.g))
        going = -1;
    else if (largest(tensor_retain(at.g)) <= GRADIENT)
        going = 0;
    at.loss = first;
    scope_close(&scope);
    for (int number = 1; number <= o->max_iter && going == 1; number++) {
        scope_open(&scope);
        going = iterate(&r, number, most, &at);
        scope_close(&scope);
    }
    tensor_release(at.g);
    autograd_mode.grad = recorded;
    return going < 0 ? NAN : first;
}
