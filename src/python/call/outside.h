/* Calls that run without the GIL, and changes of handles that wait for them.
 *
 * A long call reads the shape and the memory of its operands while other threads run Python. What
 * gives one of them other memory or another shape (x.data = y, resize_, t_, out=) waits until no
 * other thread's call has it, or its storage, as an operand, and keeps the GIL until it is done, however
 * long it computes. Calls that begin meanwhile wait for the change, so that it comes to its turn.
 *
 * A backward, a step of an optimizer and the writing of a file read tensors that nobody lists: such a
 * call has every tensor as an operand. While code of the program's runs in it, a hook or a Function,
 * it counts as no call: what waits goes on, so that a hook may wait for another thread's change.
 *
 * All functions are called with the GIL held, but for outside_callback, which takes it.
 */
#ifndef FLAMBEAU_PYTHON_OUTSIDE_H
#define FLAMBEAU_PYTHON_OUTSIDE_H

#include "python/python.h"

struct outside_call {
    const fl_value *values; /* NULL: every tensor */
    int count;
    bool paused;
    const void *thread; /* an address that only this thread has */
    struct outside_call *before;
    struct outside_call *around; /* of this thread: the call with every tensor that runs this one */
};

/* Around python_leave and python_return of a call with these operands, which stay the caller's;
 * NULL, 0: of one that may read any tensor. */
void outside_enter(struct outside_call *c, const fl_value *values, int count);
void outside_leave(struct outside_call *c);

/* Around code of the program's that C runs without the GIL, in a backward for example. */
struct outside_callback {
    PyGILState_STATE gil;
    struct outside_call *paused;
};
struct outside_callback outside_callback(void);
void outside_callback_end(struct outside_callback c);

/* Waits until t may be changed: 0, and it may until the GIL is released; -1 with an error where this
 * thread is itself in such a call, so that two could wait for each other. */
int outside_wait(const fl_tensor *t);

#endif
