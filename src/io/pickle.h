/* Pickles, read into plain values: nothing that one says is executed.
 *
 * A pickle is a program for a stack machine. Its instructions make numbers, texts and containers,
 * name classes and functions, and call what they named. This machine asks whoever runs it what a
 * name stands for (a number of his own, or a refusal) and what a call of it makes.
 *
 * All memory that a pickle takes is a constant times its length: every instruction makes one object
 * at most, and what calls copy is counted.
 */
#ifndef FLAMBEAU_IO_PICKLE_H
#define FLAMBEAU_IO_PICKLE_H

#include <stdbool.h>

#include "io/zip.h"

enum pickle_kind {
    PICKLE_MARK,
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_BIG, /* an integer beyond 64 bits: its bytes, the lowest first */
    PICKLE_TEXT,
    PICKLE_BYTES,
    PICKLE_LIST, /* and sets */
    PICKLE_TUPLE,
    PICKLE_DICT,
    PICKLE_NAME, /* what the pickle may call or refer to: as.i is the runner's number of it */
    PICKLE_OTHER /* what a call made: object->data is the runner's */
};

struct pickle_object {
    struct pickle_object *next; /* all objects of a machine */
    int64_t count; /* items, two for each key of a dict; bytes of a text, which a NUL follows */
    void *data;    /* the items, or the text */
    size_t room;   /* bytes at data */
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t i;
        double f;
        struct pickle_object *object; /* of the kinds from BIG to DICT, and of OTHER */
    } as;
};

/* A growing array of values. */
struct pickle_stack {
    struct pickle_value *items;
    int64_t count;
    size_t room;
};

struct pickle;
/* What makes sense of names, calls and persistent ids. Each returns 0, or -1 with the error set. */
struct pickle_runner {
    int (*name)(void *context, const char *module, const char *name, struct pickle_value *named);
    int (*call)(void *context, struct pickle *p, int64_t name, struct pickle_value args,
                struct pickle_value *made);
    int (*persistent)(void *context, struct pickle *p, struct pickle_value id,
                      struct pickle_value *made);
    void *context;
};

/* A machine at byte `at` of `source`. Its pickles stand there from `begin` on, and end before `end`. */
struct pickle {
    const struct zip_source *source;
    uint64_t begin, at, end;
    const struct pickle_runner *runner;
    unsigned char *window; /* a part of a file: what stands there from window_at on */
    uint64_t window_at, window_bytes;
    size_t window_room;
    struct pickle_object *objects;
    struct pickle_stack stack, memo;
    int64_t budget; /* how many items calls may still copy */
};

void pickle_begin(struct pickle *p, const struct zip_source *source, uint64_t at, uint64_t end,
                  const struct pickle_runner *runner);
/* Reads one pickle, and stands behind it. The value's objects live until pickle_release. 0, or -1
 * with the error set. */
int pickle_read(struct pickle *p, struct pickle_value *value);
void pickle_release(struct pickle *p);

/* The error of a pickle that is damaged: -1. */
int pickle_bad(const struct pickle *p, const char *what);
/* A new object with `room` zeroed bytes of data, or NULL with the error set. */
struct pickle_object *pickle_new(struct pickle *p, size_t room);
/* A text or bytes as a value: 0, or -1 with the error set. */
int pickle_new_text(struct pickle *p, enum pickle_kind kind, const void *text, size_t bytes,
                    struct pickle_value *made);
/* Appends items to a list or dict. */
int pickle_append(struct pickle_object *to, const struct pickle_value *items, int64_t count);
/* Takes `items` of what calls may copy. */
int pickle_spend(struct pickle *p, int64_t items);

static inline struct pickle_value *pickle_items(struct pickle_value of)
{
    return of.as.object->data;
}
static inline const char *pickle_text(struct pickle_value text)
{
    return text.as.object->data;
}
static inline bool pickle_is_sequence(struct pickle_value v)
{
    return v.kind == PICKLE_LIST || v.kind == PICKLE_TUPLE;
}

#endif
