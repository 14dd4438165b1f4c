/* Warnings: what a call that works tells the program (fl_on_warning). */
#ifndef FLAMBEAU_CORE_WARNING_H
#define FLAMBEAU_CORE_WARNING_H

#include <stdatomic.h>

/* What is told the first time only is told each time (torch.set_warn_always). */
extern atomic_bool warning_always;

/* Gives a warning. 0, or -1 with the error set where the program takes it for an error: then the
 * call that gave it fails. */
int warning_give(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, but the first time only, unless warning_always: `given` is a static variable of the place. */
int warning_once(atomic_bool *given, const char *text);

#endif
