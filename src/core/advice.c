/* Advice: once in a round, to the listener. */
#include "core/advice.h"
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

_Atomic unsigned advice_round;
int (*advice_listener)(const char *name, const char *text);
_Atomic bool advice_saw_training, advice_saw_evaluation;

/* Claims the advice for this round: true for one caller. */
static bool claim(struct advice *a)
{
    unsigned round = atomic_load(&advice_round);
    return advice_listener && round && atomic_exchange(&a->given, round) != round;
}

int advice_give(struct advice *a)
{
    if (!claim(a))
        return 0;
    return advice_listener(a->name, error_speaks_chinese() ? a->chinese : a->english);
}

int advice_give_seen(struct advice *a, const char *english, const char *chinese, ...)
{
    if (!claim(a))
        return 0;
    bool speaks_chinese = error_speaks_chinese();
    char text[2048];
    va_list args;
    va_start(args, chinese);
    int used = vsnprintf(text, sizeof text, speaks_chinese ? chinese : english, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, "\n%s",
                 speaks_chinese ? a->chinese : a->english);
    return advice_listener(a->name, text);
}
