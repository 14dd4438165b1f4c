/* Expressions over operators: what value.c, call.c, operators.c, sequences.c, statements.c and
 * compose.c share. */
#ifndef OPGEN_COMPOSE_H
#define OPGEN_COMPOSE_H

#include "opgen.h"

enum { MAX_SLOTS = 200 };

/* What an expression has become. */
struct value {
    enum type type;   /* TYPE_NONE: None */
    bool optional;    /* may be None when it runs */
    const char *text; /* C: an int64_t, double, bool, int (dtype), const char *; else an fl_value */
    bool as_value;    /* text is an fl_value */
    int slot;         /* of t, when nobody else holds it: it may be moved out; else -1 */
    bool known;       /* not a failure */
};

struct local {
    const char *name;
    struct value value;
    uint32_t param; /* the bit of a parameter, 0 for others */
    int result;     /* a result of the forward call; -1: none; -2 - i: incoming gradient i */
    struct local *next;
};

/* A function being made. */
struct composer {
    const struct table *table;
    const struct op *op;
    struct rule *rule; /* NULL for a compose expression */
    struct local *locals;
    struct out body, tops; /* tops: declarations at the function's top */
    int slots, lists, loops, dims, depth, indent;
    bool fails;     /* something may go to "done" */
    bool writes;    /* statements write: the scope knows the temporaries too */
    uint32_t grads; /* incoming gradients that are used */
};

/* ---- value.c ---- */

extern const struct value VALUE_FAILED;
struct value value_make(enum type type, const char *text);
const char *value_word(const struct value *v);     /* for messages */
const char *value_text(const struct value *v);     /* as an fl_value */
const char *value_c(const struct value *v);        /* as a C number, string... */
const char *value_as_float(const struct value *v); /* as an fl_value that is FL_FLOATING */
bool value_is_c_number(const struct value *v);
void compose_line(struct composer *c, const char *text);
/* `count` slots in a row, or a failure after a complaint. */
struct value compose_slot(struct composer *c, struct place place, int count, enum type type);

/* ---- call.c ---- */

struct call {
    int count;
    struct value value[MAX_PARAMS];
    const char *keyword[MAX_PARAMS];
};

/* Emits the call of the overload that fits best; the value is the first of its result slots. */
struct value call_emit(struct composer *c, struct place place, const char *base,
                       const struct call *call);
struct value call_one(struct composer *c, struct place place, const char *name, struct value a);
struct value call_two(struct composer *c, struct place place, const char *name, struct value a,
                      struct value b);

/* ---- operators.c ---- */

struct value compose_binary(struct composer *c, const struct node *n);
struct value compose_unary(struct composer *c, const struct node *n);

/* ---- sequences.c ---- */

struct value compose_list(struct composer *c, const struct node *n);
struct value compose_index(struct composer *c, const struct node *n);
struct value compose_slice(struct composer *c, const struct node *n);
struct value compose_ints(struct composer *c, const struct node *n, const struct value *a,
                          const struct value *b);

/* ---- statements.c ---- */

void compose_name(struct composer *c, const char *name, struct value v);
const char *compose_test(struct composer *c, const struct node *n);
void compose_fail_if(struct composer *c, const char *failed);
struct value compose_each(struct composer *c, const struct node *n);
bool compose_statement(struct composer *c, const struct node *n); /* false after a complaint */
bool compose_has_calls(const struct node *n);                     /* a call that is a statement */

/* ---- compose.c ---- */

struct value compose_lower(struct composer *c, const struct node *n);
/* The same for a tensor of which only shape or dtype is asked. */
struct value compose_shape_of(struct composer *c, const struct node *n);

#endif
