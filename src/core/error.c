/* The error of a thread: a record of fixed size, made at the thread's first error.
 *
 * Reporting must work when memory is out, so the record is not from the library's memory, and when
 * malloc has none either, one static record serves. A message is kept in two parts, body and hint,
 * because context is added after the hint and must stand before it; they are joined when the
 * message is read.
 */
#include "core/error.h"
#include "core/pin.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_BYTES = 6144, HINT_BYTES = 1536 };

struct error_state {
    fl_error_kind kind;
    bool joined; /* whole is up to date */
    char body[BODY_BYTES];
    char hint[HINT_BYTES];
    char whole[BODY_BYTES + HINT_BYTES + 16];
};

static __thread struct error_state *current;
__thread unsigned error_times;

/* Serves whoever finds malloc empty; two such threads share it, and the text of one may be lost. */
static struct error_state last_resort;

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void drop_record(void *record)
{
    if (record != &last_resort)
        free(record);
}

static void drop(void *record)
{
    current = NULL;
    drop_record(record);
}

static void make_key(void)
{
    pthread_key_create(&key, drop);
    pin_library(); /* a thread that ends calls drop */
}

static struct error_state *record(void)
{
    if (!current) {
        pthread_once(&key_once, make_key);
        current = malloc(sizeof *current);
        if (!current)
            current = &last_resort;
        current->kind = FL_OK;
        current->joined = false;
        current->body[0] = current->hint[0] = '\0';
        pthread_setspecific(key, current);
    }
    return current;
}

/* Cuts a text that vsnprintf truncated back to a whole UTF-8 character. */
static void mend_end(char *text)
{
    size_t length = strlen(text), start = length;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wants = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (length - start < wants)
        text[start - 1] = '\0';
}

static void set_body(fl_error_kind kind, const char *format, va_list args)
{
    char text[BODY_BYTES]; /* the new text may quote the old one */
    int length = vsnprintf(text, sizeof text, format, args);
    struct error_state *e = record();
    error_times++;
    memcpy(e->body, text, sizeof text);
    if (length < 0)
        strcpy(e->body, "unknown error");
    else if (length >= BODY_BYTES)
        mend_end(e->body);
    e->hint[0] = '\0';
    e->kind = kind;
    e->joined = false;
}

int error_set(enum fl_error_kind kind, const char *format, ...)
{
    assert(format);
    va_list args;
    va_start(args, format);
    set_body(kind, format, args);
    va_end(args);
    return -1;
}

void *error_null(enum fl_error_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_body(kind, format, args);
    va_end(args);
    return NULL;
}

/* Whether hints and context are Chinese: FLAMBEAU_LANG, else the first set of LC_ALL, LC_MESSAGES, LANG. Read
 * at every hint: an error is no hot path, and a program may set the variable late. */
bool error_speaks_chinese(void)
{
    static const char *const NAMES[] = {"FLAMBEAU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *value = getenv(NAMES[i]);
        if (value && *value)
            return strncmp(value, "zh", 2) == 0;
    }
    return false;
}

int error_hint(const char *english, const char *chinese, ...)
{
    struct error_state *e = record();
    bool speaks_chinese = error_speaks_chinese();
    strcpy(e->hint, speaks_chinese ? "提示：" : "hint: ");
    size_t used = strlen(e->hint);
    va_list args;
    va_start(args, chinese);
    int length =
        vsnprintf(e->hint + used, HINT_BYTES - used, speaks_chinese ? chinese : english, args);
    va_end(args);
    if (length >= 0 && (size_t)length >= HINT_BYTES - used)
        mend_end(e->hint);
    e->joined = false;
    return -1;
}

bool error_for_python;

int error_hint_in_c(const char *english, const char *chinese)
{
    return error_for_python ? -1
                            : error_hint("%s", "%s", error_speaks_chinese() ? chinese : english);
}

int error_context(const char *english, const char *chinese, ...)
{
    struct error_state *e = record();
    size_t used = strlen(e->body);
    if (used + 2 >= BODY_BYTES)
        return -1;
    e->body[used] = '\n';
    va_list args;
    va_start(args, chinese);
    int length = vsnprintf(e->body + used + 1, BODY_BYTES - used - 1,
                           error_speaks_chinese() ? chinese : english, args);
    va_end(args);
    if (length < 0)
        e->body[used] = '\0';
    else if ((size_t)length >= BODY_BYTES - used - 1)
        mend_end(e->body);
    e->joined = false;
    return -1;
}

struct error_state *error_save(void)
{
    struct error_state *e = current;
    if (!e || e->kind == FL_OK || e == &last_resort)
        return NULL;
    pthread_setspecific(key, NULL);
    current = NULL;
    return e;
}

void error_restore(struct error_state *state)
{
    if (!state)
        return;
    if (current)
        drop(current);
    current = state;
    pthread_setspecific(key, current);
}

void error_drop(struct error_state *state)
{
    if (state)
        drop_record(state);
}

bool error_since(unsigned times)
{
    return error_times != times && fl_error() != FL_OK;
}

int fl_null_argument(const char *function, const char *parameter)
{
    if (fl_error() == FL_OK)
        error_set(FL_VALUE_ERROR, "%s(): argument '%s' is NULL", function, parameter);
    return -1;
}

fl_error_kind fl_error(void)
{
    return current ? current->kind : FL_OK;
}

const char *fl_error_message(void)
{
    struct error_state *e = current;
    if (!e || e->kind == FL_OK)
        return "";
    if (!e->joined) {
        snprintf(e->whole, sizeof e->whole, "%s%s%s", e->body, e->hint[0] ? "\n" : "", e->hint);
        e->joined = true;
    }
    return e->whole;
}

void fl_error_clear(void)
{
    if (!current)
        return;
    current->kind = FL_OK;
    current->body[0] = current->hint[0] = '\0';
    current->joined = false;
}
