/* Random operators under vmaps.
 *
 * "different" draws for each sample: the lane is a leading dim of what is drawn. "same" draws once
 * for all: what differs between samples is drawn for each of them from the same state of the
 * generator. Memory that is not set yet (empty_like) is made for each sample under "different", so
 * that what is drawn in place there may differ.
 */
#include <string.h>

#include "core/error.h"
#include "ops/batch.h"
#include "ops/door.h"
#include "ops_table.h"

static int refuse(void)
{
    return error_set(FL_RUNTIME_ERROR,
                     "vmap: called random operation while in randomness error mode. Please either "
                     "use the 'same' or 'different' randomness flags on vmap or perform the "
                     "randomness operation out of vmap");
}

int batch_different(struct lanes *lanes)
{
    lanes->count = 0;
    for (int i = 0; i < batch_levels.count; i++) {
        const struct batch_level *l = &batch_levels.of[i];
        if (l->randomness == RANDOMNESS_ERROR)
            return refuse();
        if (l->randomness == RANDOMNESS_DIFFERENT &&
            lanes_insert(lanes, (struct lane){l->id, l->size, 0}))
            return -1;
    }
    return 0;
}

const struct lane *batch_same_lane(const struct lanes *all)
{
    for (int i = 0; i < all->count; i++)
        for (int k = 0; k < batch_levels.count; k++)
            if (batch_levels.of[k].id == all->lane[i].id &&
                batch_levels.of[k].randomness == RANDOMNESS_SAME)
                return &all->lane[i];
    return NULL;
}

int batch_check_random_write(const fl_tensor *self)
{
    struct lanes different;
    if (batch_different(&different))
        return -1;
    for (int i = 0; i < different.count; i++) {
        const struct lane *own = lanes_find(self->lanes, different.lane[i].id);
        if (!own || (own->stride == 0 && own->size > 1))
            return error_set(FL_RUNTIME_ERROR,
                             "vmap: Cannot ask for different inplace randomness on an unbatched "
                             "tensor. This will appear like same randomness. If this is necessary "
                             "for your usage, please file an issue with functorch.");
    }
    return 0;
}

void batch_draws_begin(struct batch_draws *d, const fl_op *f, const fl_value *args, bool same)
{
    d->generator = NULL;
    if (!same)
        return;
    d->generator = random_default();
    for (int i = 0; i < f->params; i++)
        if (args[i].tag == FL_GENERATOR && args[i].as.generator)
            d->generator = args[i].as.generator;
    generator_get_state(d->generator, d->state);
}

void batch_draws_again(struct batch_draws *d)
{
    if (d->generator)
        generator_set_state(d->generator, d->state, sizeof d->state);
}

/* The call for each sample of these lanes, whether or not an argument has them. */
static int along_all(const fl_op *f, const fl_value *args, const struct lanes *all,
                     fl_value *results)
{
    if (!all->count)
        return door_plain(f, args, results);
    int status = f->batch == BATCH_LEAD ? batch_lead(f, args, all, results) : 1;
    return status <= 0 ? status : batch_each(f, args, &all->lane[0], false, results);
}

int batch_random(const fl_op *f, const fl_value *args, fl_value *results)
{
    struct lanes all, still, different;
    if (batch_different(&different) || batch_lanes(f, args, &all, &still))
        return -1;
    const struct lane *same = batch_same_lane(&all);
    if (same)
        return batch_each(f, args, same, true, results);
    for (int i = 0; i < different.count; i++)
        if (!lanes_find(&all, different.lane[i].id) && lanes_insert(&all, different.lane[i]))
            return -1;
    return along_all(f, args, &all, results);
}

int batch_room(const fl_op *f, const fl_value *args, fl_value *results)
{
    struct lanes all, still;
    if (batch_lanes(f, args, &all, &still))
        return -1;
    for (int i = 0; i < still.count; i++)
        if (lanes_insert(&all, still.lane[i]))
            return -1;
    for (int i = 0; i < batch_levels.count; i++) {
        const struct batch_level *l = &batch_levels.of[i];
        if (l->randomness == RANDOMNESS_DIFFERENT && !lanes_find(&all, l->id) &&
            lanes_insert(&all, (struct lane){l->id, l->size, 0}))
            return -1;
    }
    return along_all(f, args, &all, results);
}
