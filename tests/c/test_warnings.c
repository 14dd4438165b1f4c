/* Warnings as a C program hears them. */
#include "check.h"

#include "flambeau.h"

static char heard[1024];
static int answer, times;

static int hear(const char *text, void *context)
{
    snprintf(heard, sizeof heard, "%s", text);
    times += *(int *)context;
    return answer;
}

int main(void)
{
    int one = 1;
    fl_scope_begin();
    fl_tensor *x = fl_ones(FL_INTS_OF(1), FL_FLOAT32, (fl_device){-1, 0}, false);
    fl_on_warning(hear, &one);
    CHECK(fl_std(x, true) != NULL && times == 1);
    CHECK(strstr(heard, "std(): degrees of freedom is <= 0") == heard);
    answer = 1; /* an error, then */
    CHECK(fl_std(x, true) == NULL && times == 2);
    CHECK_TEXT(fl_error_message(), heard);
    fl_error_clear();
    fl_on_warning(NULL, NULL);
    CHECK(fl_std(x, true) != NULL && times == 2); /* to the standard error */
    fl_scope_end();
    return check_result();
}
