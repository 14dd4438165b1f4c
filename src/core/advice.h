/* Advice: what is allowed, and nearly always a mistake, is said once with its fix.
 *
 * The library never prints: an advice goes to a listener, the Python extension, which makes it a
 * warning; without one nothing happens. A place that may advise has a static struct advice, and asks
 * for what it sees only where that costs nothing beside its work.
 */
#ifndef FLAMBEAU_CORE_ADVICE_H
#define FLAMBEAU_CORE_ADVICE_H

#include <stdatomic.h>
#include <stdbool.h>

struct advice {
    const char *name; /* by which it is switched off */
    const char *english, *chinese;
    _Atomic unsigned given; /* the round it was given in */
};

/* Gives an advice unless it was given in this round. 0, or -1 with the error set: the listener
 * refuses to go on (warnings are errors). */
int advice_give(struct advice *a) __attribute__((cold));
/* The same with a line of what was seen before it: printf's format in both languages, for the same
 * arguments. */
int advice_give_seen(struct advice *a, const char *english, const char *chinese, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4), cold));
/* Whether it was given in this round: asked before what is not free. */
static inline bool advice_is_given(struct advice *a);

/* Rounds are counted from 1; a new one lets every advice be given again. 0: nothing is said. */
extern _Atomic unsigned advice_round;
/* Receives name and text (of the thread's language). 0 or -1. */
extern int (*advice_listener)(const char *name, const char *text);

static inline bool advice_is_given(struct advice *a)
{
    unsigned round = atomic_load_explicit(&advice_round, memory_order_relaxed);
    return !round || atomic_load_explicit(&a->given, memory_order_relaxed) == round;
}

/* What layers tell of how they run, for the optimizer's step, which forgets it: whether a layer that
 * differs in training (dropout, batch normalisation) was recorded in either mode. */
extern _Atomic bool advice_saw_training, advice_saw_evaluation;
static inline void advice_see_mode(bool training)
{
    atomic_store_explicit(training ? &advice_saw_training : &advice_saw_evaluation, true,
                          memory_order_relaxed);
}

/* Whether an optimizer's step has trained something. */
extern _Atomic bool advice_trained;
/* What such a layer says that runs in training mode and is not recorded: after a step, that the mode is
 * still training's, where the program counts hits. 0 or -1. */
int advise_of_unrecorded_training(void) __attribute__((cold));
static inline int advice_see_unrecorded(bool training)
{
    return training && atomic_load_explicit(&advice_trained, memory_order_relaxed)
               ? advise_of_unrecorded_training()
               : 0;
}

#endif
