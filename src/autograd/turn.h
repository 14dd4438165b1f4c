/* Whose turn it is to walk a graph. */
#ifndef FLAMBEAU_AUTOGRAD_TURN_H
#define FLAMBEAU_AUTOGRAD_TURN_H

#include <stdbool.h>

/* Waits until no other thread walks; a thread that has the turn does not take it again. */
void turn_take(void);
void turn_end(void);
/* Around code of the user's that a backward calls: lets other threads' backward move meanwhile.
 * pause says whether there is something to resume. */
bool turn_pause(void);
void turn_resume(bool paused);

#endif
