/* Forward mode: what a tensor keeps of it. A tangent says how a tensor changes along a direction;
 * each run of forward mode has a level, and a tensor one tangent at most for each.
 *
 * Levels nest. What is computed for a level must not see it, nor those inside it: while that runs,
 * `below` hides them. A level's number is never used again, so what is left of one that has ended
 * is never seen.
 */
#ifndef FLAMBEAU_AUTOGRAD_TANGENTS_H
#define FLAMBEAU_AUTOGRAD_TANGENTS_H

#include "autograd/autograd.h"

enum { TANGENT_LEVELS = 16 }; /* at work at one time in a thread */

/* A tensor's tangents. Handles that show a result in the graph (saved ones) share it. */
struct tangents {
    _Atomic int32_t refs;
    int count;
    struct tangent {
        uint32_t level;
        fl_tensor *t; /* of the tensor's sizes and dtype */
    } of[TANGENT_LEVELS];
};

/* The thread's levels. */
struct tangent_levels {
    int count;
    uint32_t level[TANGENT_LEVELS]; /* outer first: in rising order */
    uint32_t below;                 /* those from here on are hidden; 0: none is */
};
extern __thread struct tangent_levels tangent_levels;

/* Begins a level: its number, or 0 with the error set. */
uint32_t tangents_begin(void);
/* Ends a level and all inside it; one that is not at work is left alone. */
void tangents_end(uint32_t level);

/* t's tangent at a level, borrowed; NULL where there is none. */
fl_tensor *tangents_of(const fl_tensor *t, uint32_t level);
/* Gives t a tangent, in the place of one it has: takes a new reference. -1 when memory is out. */
int tangents_set(fl_tensor *t, uint32_t level, fl_tensor *tangent);
/* Makes `to` share the tangents that `from` has and will get. -1 when memory is out. */
int tangents_share(fl_tensor *from, fl_tensor *to);
/* Room for tangents, so that handles made from now on share them. -1 when memory is out. */
int tangents_prepare(fl_tensor *t);
void tangents_drop(struct tangents *tangents);

/* Whether a level is at work and not hidden. */
bool tangents_shown(uint32_t level);

#endif
