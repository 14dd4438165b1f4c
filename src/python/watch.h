/* Advice becomes Python's warnings; what an optimizer's step and a loss's backward notice. */
#ifndef FLAMBEAU_PYTHON_WATCH_H
#define FLAMBEAU_PYTHON_WATCH_H

#include "python/python.h"

extern PyMethodDef advice_functions[];
void advice_init(void);
/* Sees a loss on its way into backward; 0 or -1 with the library's error. */
int advice_watch_loss(const fl_tensor *loss);
/* Sees that zero_grad dropped gradients of these groups; the same. */
int advice_watch_zero(const void *groups);

#endif
