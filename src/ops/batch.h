/* Batches: calls on tensors with lanes (core/lanes.h), and the vmaps at work. */
#ifndef FLAMBEAU_OPS_BATCH_H
#define FLAMBEAU_OPS_BATCH_H

#include "autograd/autograd.h"
#include "core/lanes.h"
#include "core/random.h"
#include "ops/op.h"

/* What random operators do under a vmap. */
enum batch_randomness { RANDOMNESS_ERROR, RANDOMNESS_SAME, RANDOMNESS_DIFFERENT };

/* The thread's vmaps at work, outer first. */
struct batch_levels {
    int count;
    struct batch_level {
        int64_t size;
        uint32_t id;
        uint8_t randomness; /* an enum batch_randomness; small: threads have little room */
    } of[LANES_MAX];
};
extern __thread struct batch_levels batch_levels;

/* Begins a vmap over so many samples: its lane's number, or 0 with the error set. */
uint32_t batch_begin(int64_t size, enum batch_randomness randomness);
/* Ends a vmap and all inside it. */
void batch_end(uint32_t id);
/* Watches calls on this thread as long as some tensor has lanes: for graphs that outlive a vmap. */
void batch_watch(void);

/* Whether a call has to do with lanes: an argument has some, or it draws under a vmap. */
bool batch_concerns(const fl_op *op, const fl_value *args);
int batch_call(const fl_op *op, const fl_value *args, fl_value *results);

/* New references, NULL with the error set: t with a dim as a lane, and with a lane as a dim again (a
 * lane that it has not is expanded); t expanded to all vmaps at work. */
fl_tensor *batch_enter(fl_tensor *t, uint32_t id, int64_t dim);
fl_tensor *batch_leave(fl_tensor *t, uint32_t id, int64_t size, int64_t dim);
fl_tensor *batch_spread(fl_tensor *t);

/* Runs the kernel of an operator that writes its first argument, for all samples. */
int batch_run_kernel(const fl_op *f, const fl_value *args);

/* ---- for composites that a paragraph's key `batch` calls (batch_fold.c) ---- */

/* Adds t's lanes to a set; t may be NULL. */
int batch_join(struct lanes *all, const fl_tensor *t);
int64_t batch_samples(const struct lanes *all);
/* Refuses a vmap over no samples: 0, or -1 with the error. */
int batch_check_samples(const struct lanes *all, const char *name);
/* A tensor without lanes: those of the set are more places of a dim of t, in which all samples are
 * the same where t lacks one. And the reverse. */
fl_tensor *batch_fold(fl_tensor *t, const struct lanes *all, int dim);
fl_tensor *batch_unfold(fl_tensor *y, const struct lanes *all, int dim);

/* ---- between batch.c, batch_each.c and batch_random.c ---- */

/* The lanes that differ between samples, of all arguments: into `moving`; and those that do not. */
int batch_lanes(const fl_op *f, const fl_value *args, struct lanes *moving, struct lanes *still);
/* Arguments with other tensors in the place of some, which batch_args_drop releases. */
struct batch_args {
    fl_value value[OP_PARAMS];
    int count, room;
    fl_tensor **made;
};
int batch_args_begin(const fl_op *f, const fl_value *args, struct batch_args *a);
void batch_args_drop(struct batch_args *a);
/* The call with lanes as leading dims: 1 where the rule does not cover it, before anything is
 * computed. */
int batch_lead(const fl_op *f, const fl_value *args, const struct lanes *all, fl_value *results);
/* The call with lanes folded into a dim of each tensor: 1 where the rule does not cover it. */
int batch_folded(const fl_op *f, const fl_value *args, const struct lanes *all, fl_value *results);
/* The call sample by sample along a lane, where same_draws with the same random numbers. */
int batch_each(const fl_op *f, const fl_value *args, const struct lane *lane, bool same_draws,
               fl_value *results);
/* Is told once of an operator that has no rule; NULL: nobody listens. */
extern void (*batch_warn)(const char *name);

/* A random operator under a vmap. */
int batch_random(const fl_op *f, const fl_value *args, fl_value *results);
/* Memory that is not set yet, where draws may go to. */
int batch_room(const fl_op *f, const fl_value *args, fl_value *results);
/* The lanes of the vmaps under which draws differ; -1 with the error where one forbids them. */
int batch_different(struct lanes *lanes);
/* The first of these lanes in which draws are the same for all samples, or NULL. */
const struct lane *batch_same_lane(const struct lanes *all);
/* Refuses to draw into memory that is one for samples that are to differ. */
int batch_check_random_write(const fl_tensor *self);
/* The state of the generator that a call draws from, for samples that draw the same. */
struct batch_draws {
    fl_generator *generator; /* NULL: draws go on */
    unsigned char state[GENERATOR_STATE_BYTES];
};
void batch_draws_begin(struct batch_draws *d, const fl_op *f, const fl_value *args, bool same);
void batch_draws_again(struct batch_draws *d);

#endif
