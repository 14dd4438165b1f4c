/* What a C test needs: CHECK counts a failure and goes on, REQUIRE ends the program, and
 * main ends with `return check_result();`.
 */
#ifndef FLAMBEAU_TESTS_CHECK_H
#define FLAMBEAU_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_count, check_failures;

static inline int check_that(int holds, const char *file, int line, const char *text)
{
    check_count++;
    if (!holds) {
        check_failures++;
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    }
    return holds;
}

#define CHECK(condition) check_that(!!(condition), __FILE__, __LINE__, #condition)
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!CHECK(condition))                                                                     \
            exit(1);                                                                               \
    } while (0)

static inline int check_near(double got, double want, double tolerance, const char *file, int line,
                             const char *text)
{
    int near = got == want || (isnan(got) && isnan(want)) ||
               fabs(got - want) <= tolerance * (1 + fabs(want));
    if (!check_that(near, file, line, text))
        fprintf(stderr, "    got %.17g, want %.17g\n", got, want);
    return near;
}

/* |got - want| <= tolerance * (1 + |want|); NaN equals NaN. */
#define CHECK_NEAR(got, want, tolerance)                                                           \
    check_near(got, want, tolerance, __FILE__, __LINE__, #got " is near " #want)

static inline int check_text(const char *got, const char *want, const char *file, int line,
                             const char *text)
{
    int same = got && strcmp(got, want) == 0;
    if (!check_that(same, file, line, text))
        fprintf(stderr, "    got  %s\n    want %s\n", got ? got : "NULL", want);
    return same;
}

#define CHECK_TEXT(got, want) check_text(got, want, __FILE__, __LINE__, #got " is " #want)

/* The exit status of the test program, after a line of totals. */
static inline int check_result(void)
{
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures != 0;
}

#endif
