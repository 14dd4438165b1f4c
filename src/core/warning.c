/* Warnings go to the function that the program registered, or to the standard error.
 *
 * Without such a function each text is written once: its format's address is kept, of the first few
 * dozens.
 */
#include "core/warning.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/error.h"
#include "flambeau/base.h"

static int (*_Atomic told)(const char *text, void *context);
static void *_Atomic told_context;
atomic_bool warning_always;

void fl_on_warning(int (*tell)(const char *text, void *context), void *context)
{
    atomic_store(&told_context, context);
    atomic_store(&told, tell);
}

/* Whether a text was written before; beyond the table's end all were. */
static bool was_written(const char *format)
{
    static const char *_Atomic written[64];
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        const char *other = NULL;
        if (atomic_compare_exchange_strong(&written[i], &other, format))
            return false;
        if (other == format)
            return true;
    }
    return true;
}

/* place: what tells one warning from another. */
static int give(const char *place, const char *text)
{
    int (*tell)(const char *, void *) = atomic_load(&told);
    if (tell) {
        if (tell(text, atomic_load(&told_context)) == 0)
            return 0;
        return fl_error() == FL_OK ? error_set(FL_RUNTIME_ERROR, "%s", text) : -1;
    }
    if (!was_written(place))
        fprintf(stderr, "flambeau: warning: %s\n", text);
    return 0;
}

int warning_give(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return give(format, text);
}

int warning_once(atomic_bool *given, const char *text)
{
    const bool again = atomic_exchange(given, true);
    return again && !atomic_load(&warning_always) ? 0 : give(text, text);
}
