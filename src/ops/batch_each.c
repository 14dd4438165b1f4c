/* A call sample by sample, for operators that say no better: the samples of each argument are taken
 * along one lane, and the results stacked. All of it are ordinary calls, so that a composite run this
 * way is recorded, and other lanes are seen to inside. */
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "ops/batch.h"
#include "ops_table.h"

void (*batch_warn)(const char *name);

static void warn_once(const fl_op *f)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (f->batch == BATCH_NONE && batch_warn && !atomic_flag_test_and_set(&told))
        batch_warn(f->base);
}

/* The tensors of the arguments, those of lists one after another: with the lane as their first dim,
 * or as they are. */
static int take_out(const fl_op *f, struct batch_args *a, const struct lane *lane, bool *varies)
{
    for (int i = 0; i < f->params; i++) {
        fl_value *v = &a->value[i];
        uint32_t count = v->tag == FL_TENSORS ? v->count : v->tag == FL_TENSOR ? 1 : 0;
        for (uint32_t k = 0; k < count; k++) {
            fl_tensor *t = v->tag == FL_TENSORS ? v->as.tensors[k] : v->as.tensor;
            varies[a->count] = t && lanes_find(t->lanes, lane->id);
            a->made[a->count] = varies[a->count] ? batch_leave(t, lane->id, lane->size, 0)
                                : t              ? tensor_retain(t)
                                                 : NULL;
            if (t && !a->made[a->count++])
                return -1;
            a->count += !t;
        }
    }
    return 0;
}

/* The arguments for sample i: new references in one->made. */
static int take_sample(const fl_op *f, struct batch_args *one, const struct batch_args *all,
                       const bool *varies, int64_t i)
{
    for (int p = 0; p < f->params; p++) {
        fl_value *v = &one->value[p];
        uint32_t count = v->tag == FL_TENSORS ? v->count : v->tag == FL_TENSOR ? 1 : 0;
        fl_tensor **first = &one->made[one->count];
        for (uint32_t k = 0; k < count; k++) {
            fl_tensor *t = all->made[one->count], *y = t;
            if (varies[one->count])
                y = op_call1(&op_select_int,
                             (fl_value[]){fl_tensor_value(t), fl_int(0), fl_int(i)});
            else if (t)
                tensor_retain(t);
            one->made[one->count++] = y;
            if (t && !y)
                return -1;
        }
        if (v->tag == FL_TENSORS)
            v->as.tensors = first;
        else if (v->tag == FL_TENSOR)
            v->as.tensor = *first;
    }
    return 0;
}

static int refuse_value(void)
{
    return error_set(FL_RUNTIME_ERROR,
                     "vmap: It looks like you're attempting to use a Tensor in some data-dependent "
                     "control flow. We don't support that yet, please shout over at "
                     "https://github.com/pytorch/functorch/issues/257 .");
}

/* Stacks result k of all samples and makes the new dim the lane. */
static int stack(const fl_op *f, fl_value *all, int64_t samples, int k, const struct lane *lane,
                 fl_value *result)
{
    fl_tensor **list = memory_alloc(sizeof *list * (size_t)samples);
    int status = list ? 0 : -1;
    bool none = all[k].tag == FL_NONE;
    for (int64_t i = 0; i < samples && !none && status == 0; i++) {
        fl_value *v = &all[i * OP_RESULTS + k];
        list[i] = v->tag == FL_TENSOR ? v->as.tensor : NULL;
        if (!list[i])
            status = refuse_value();
        else if (!shape_equal(list[i], list[0]))
            status = error_set(FL_RUNTIME_ERROR,
                               "vmap: the results of %s have other sizes for one sample than for "
                               "another: sizes that depend on values are not supported",
                               f->base);
    }
    *result = fl_none();
    if (status == 0 && !none) {
        fl_value tensors = {.tag = FL_TENSORS, .count = (uint32_t)samples};
        tensors.as.tensors = list;
        fl_tensor *y = op_call1(&op_stack, (fl_value[]){tensors, fl_int(0)});
        fl_tensor *hidden = y ? batch_enter(y, lane->id, 0) : NULL;
        tensor_release(y);
        *result = fl_tensor_value(hidden);
        status = hidden ? 0 : -1;
    }
    memory_free(list, sizeof *list * (size_t)samples);
    return status;
}

/* Among samples of its own a vmap is not at work, but for one that forbids to draw. Whether draws are
 * the same for all of them. */
static bool leave_level(uint32_t id)
{
    struct batch_levels *l = &batch_levels;
    int at = 0;
    while (at < l->count && l->of[at].id != id)
        at++;
    if (at == l->count || l->of[at].randomness == RANDOMNESS_ERROR)
        return false;
    bool same = l->of[at].randomness == RANDOMNESS_SAME;
    memmove(&l->of[at], &l->of[at + 1], sizeof *l->of * (size_t)(--l->count - at));
    return same;
}

static int run_samples(const fl_op *f, const struct batch_args *a, const bool *varies, uint32_t id,
                       int64_t samples, bool same_draws, fl_value *all)
{
    struct batch_draws draws;
    int status = 0;
    const struct batch_levels levels = batch_levels;
    same_draws |= leave_level(id);
    batch_draws_begin(&draws, f, a->value, same_draws);
    for (int64_t i = 0; i < samples && status == 0; i++) {
        struct batch_args one;
        batch_draws_again(&draws);
        status = batch_args_begin(f, a->value, &one);
        if (status == 0)
            status = take_sample(f, &one, a, varies, i);
        if (status == 0)
            status = op_call(f, one.value, &all[i * OP_RESULTS]);
        batch_args_drop(&one);
    }
    batch_levels = levels;
    return status;
}

int batch_each(const fl_op *f, const fl_value *args, const struct lane *lane, bool same_draws,
               fl_value *results)
{
    struct batch_args a;
    const struct lane along = *lane; /* it may be an argument's */
    size_t bytes = sizeof(fl_value) * OP_RESULTS * (size_t)along.size;
    if (batch_check_samples(&(struct lanes){.count = 1, .lane = {along}}, f->base))
        return -1;
    warn_once(f);
    if (batch_args_begin(f, args, &a))
        return -1;
    bool *varies = memory_zalloc((size_t)a.room);
    fl_value *all = memory_zalloc(bytes);
    int status = varies && all ? take_out(f, &a, &along, varies) : -1;
    if (status == 0)
        status = run_samples(f, &a, varies, along.id, along.size, same_draws, all);
    for (int k = 0; k < f->results; k++) {
        results[k] = fl_none();
        if (status == 0)
            status = stack(f, all, along.size, k, &along, &results[k]);
    }
    for (int k = 0; status && k < f->results; k++)
        fl_value_release(&results[k]);
    for (int64_t i = 0; all && i < along.size * OP_RESULTS; i++)
        fl_value_release(&all[i]);
    memory_free(all, bytes);
    memory_free(varies, (size_t)a.room);
    batch_args_drop(&a);
    return status;
}
