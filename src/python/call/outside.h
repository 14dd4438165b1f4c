/* Calls that run without the GIL, and changes of handles that wait for them.
 *
 * A long call reads the shape and the memory of its operands while other threads run Python. What
 * gives one of them other memory or another shape (x.data = y, resize_, t_, out=) waits until no
 * other thread's call has it, or its storage, as an operand, and keeps the GIL until it is done, however
 * long it computes. Calls that begin meanwhile wait for the change, so that it comes to its turn. All
 * functions are called with the GIL held.
 */
#ifndef FLAMBEAU_PYTHON_OUTSIDE_H
#define FLAMBEAU_PYTHON_OUTSIDE_H

#include "python/python.h"

struct outside_call {
    const fl_value *values;
    int count;
    const void *thread; /* an address that only this thread has */
    struct outside_call *before;
};

/* Around python_leave and python_return of a call with these operands, which stay the caller's. */
void outside_enter(struct outside_call *c, const fl_value *values, int count);
void outside_leave(struct outside_call *c);

/* Waits until t may be changed: 0, and it may until the GIL is released; -1 with an error where this
 * thread is itself in such a call, so that two could wait for each other. */
int outside_wait(const fl_tensor *t);

#endif
