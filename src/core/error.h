/* Errors: a kind and a text, kept by the thread that made them. Nothing here aborts or prints.
 *
 * A function that fails sets the error once, where it knows most, and returns NULL or -1; callers
 * pass that on. The first line is PyTorch's own where PyTorch has one; further lines say what was
 * given; the hint names the fix and exists in English and Chinese.
 */
#ifndef FLAMBEAU_CORE_ERROR_H
#define FLAMBEAU_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#include "flambeau/base.h"

/* Sets this thread's error and returns -1. `format` is printf's; the message may have several
 * lines. The name of the operator that runs is added by the door. */
int error_set(enum fl_error_kind kind, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
/* The same with NULL as its value: `return error_null(...)`. */
void *error_null(enum fl_error_kind kind, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
/* Adds a hint to the error just set: printf's format in both languages, for the same arguments;
 * FLAMBEAU_LANG or the locale chooses. Who reads the Chinese one may not understand the first line:
 * it says what is wrong, and then the fix. Returns -1. */
int error_hint(const char *english, const char *chinese, ...)
    __attribute__((format(printf, 1, 3), format(printf, 2, 3), cold));
/* The same for C programs, after error_hint gave what a Python program is told. */
int error_hint_in_c(const char *english, const char *chinese) __attribute__((cold));
extern bool error_for_python; /* set by the extension module */
/* Adds a line of context ("in add, given ..."): printf's format in both languages, for the same
 * arguments. */
int error_context(const char *english, const char *chinese, ...)
    __attribute__((format(printf, 1, 3), format(printf, 2, 3), cold));
/* Whether this process speaks Chinese: FLAMBEAU_LANG, else the locale's. */
bool error_speaks_chinese(void) __attribute__((cold));

/* How many errors this thread has set: a composition that returned well though a part of it failed
 * (its NULL read as "none given") is found by it. */
extern __thread unsigned error_times;
/* Whether an error was set since error_times had that value, and stands. */
bool error_since(unsigned times);

/* Saves and restores the thread's error around clean-up that may itself fail. */
struct error_state;
struct error_state *error_save(void);
void error_restore(struct error_state *state);
/* The other end of error_save: the error that there is now stays. */
void error_drop(struct error_state *state);

#endif
