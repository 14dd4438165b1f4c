/* The machine that reads pickles.
 *
 * An instruction is a byte, and what it needs behind it: fixed bytes, a length and as many bytes, or
 * lines. OPERATIONS has the function of each; what has none is refused. Containers are filled while
 * they stand on the stack, and the memo refers to the same objects, so a container may come to hold
 * itself: objects are in one list and are freed along that.
 */
#include "io/pickle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "flambeau/base.h"
#include "io/safetensors_text.h"

enum { WINDOW = 1 << 16, MAX_LINE = 1 << 12, MAX_TEXT = 1 << 28, LAST_PROTOCOL = 5 };

int pickle_bad(const struct pickle *p, const char *what)
{
    error_set(FL_RUNTIME_ERROR, "the pickle is damaged before byte %llu: %s",
              (unsigned long long)p->at, what);
    return error_hint("the file is cut short or damaged: save or download it again",
                      "文件不完整或已损坏：请重新保存或下载");
}

/* ---- bytes ---- */

/* `bytes` bytes from where the machine stands; in `source` itself, or in the window. NULL with the
 * error set where the pickle ends before. */
static const unsigned char *peek(struct pickle *p, uint64_t bytes)
{
    assert(p->at <= p->end && p->end <= p->source->size);
    if (bytes > p->end - p->at)
        return pickle_bad(p, "pickle data was truncated"), NULL;
    if (p->source->file < 0)
        return (const unsigned char *)p->source->bytes + p->at;
    uint64_t in_window = p->at - p->window_at;
    if (p->at >= p->window_at && in_window <= p->window_bytes &&
        bytes <= p->window_bytes - in_window)
        return p->window + in_window;
    size_t room = bytes < WINDOW ? WINDOW : (size_t)bytes;
    if (room > p->window_room) {
        unsigned char *window = memory_alloc(room);
        if (!window)
            return NULL;
        memory_free(p->window, p->window_room);
        p->window = window;
        p->window_room = room;
    }
    p->window_at = p->at;
    p->window_bytes = p->end - p->at < p->window_room ? p->end - p->at : p->window_room;
    return zip_read(p->source, p->window, p->window_bytes, p->at) == 0 ? p->window : NULL;
}

static const unsigned char *take(struct pickle *p, uint64_t bytes)
{
    const unsigned char *found = peek(p, bytes);
    if (found)
        p->at += bytes;
    return found;
}

/* A number of `bytes` bytes, the lowest first. */
static int take_number(struct pickle *p, int bytes, uint64_t *number)
{
    assert(bytes >= 1 && bytes <= 8);
    const unsigned char *at = take(p, (uint64_t)bytes);
    *number = 0;
    for (int i = 0; at && i < bytes; i++)
        *number |= (uint64_t)at[i] << 8 * i;
    return at ? 0 : -1;
}

/* What stands before the next newline, copied into `line` (MAX_LINE) with a NUL behind it. */
static int take_line(struct pickle *p, char *line)
{
    uint64_t left = p->end - p->at, most = left < MAX_LINE ? left : MAX_LINE;
    const unsigned char *at = peek(p, most), *end = at ? memchr(at, '\n', most) : NULL;
    if (!at)
        return -1;
    if (!end || memchr(at, '\0', (size_t)(end - at)))
        return pickle_bad(p, "a line without end");
    memcpy(line, at, (size_t)(end - at));
    line[end - at] = '\0';
    p->at += (uint64_t)(end - at) + 1;
    return 0;
}

/* ---- values ---- */

struct pickle_object *pickle_new(struct pickle *p, size_t room)
{
    struct pickle_object *o = memory_zalloc(sizeof *o);
    if (!o)
        return NULL;
    if (room && !(o->data = memory_zalloc(room))) {
        memory_free(o, sizeof *o);
        return NULL;
    }
    o->room = room;
    o->next = p->objects;
    return p->objects = o;
}

/* Room for `count` items in a block of *room bytes, doubled when it grows. */
static void *reserve(void *block, size_t *room, int64_t count)
{
    assert(count >= 0);
    size_t needed = (size_t)count * sizeof(struct pickle_value), bytes = *room ? *room : 64;
    if (needed <= *room)
        return block;
    while (bytes < needed)
        bytes *= 2;
    void *larger = memory_zalloc(bytes);
    if (!larger)
        return NULL;
    if (*room)
        memcpy(larger, block, *room);
    memory_free(block, *room);
    *room = bytes;
    return larger;
}

int pickle_append(struct pickle_object *to, const struct pickle_value *items, int64_t count)
{
    assert(to->count >= 0 && count >= 0);
    if (count == 0)
        return 0;
    struct pickle_value *all = reserve(to->data, &to->room, to->count + count);
    if (!all)
        return -1;
    memcpy(all + to->count, items, (size_t)count * sizeof *items);
    to->data = all;
    to->count += count;
    return 0;
}

int pickle_new_text(struct pickle *p, enum pickle_kind kind, const void *text, size_t bytes,
                    struct pickle_value *made)
{
    struct pickle_object *o = pickle_new(p, bytes + 1);
    if (!o)
        return -1;
    memcpy(o->data, text, bytes);
    o->count = (int64_t)bytes;
    *made = (struct pickle_value){.kind = kind, .as.object = o};
    return 0;
}

int pickle_spend(struct pickle *p, int64_t items)
{
    assert(items >= 0);
    if (items > p->budget)
        return pickle_bad(p, "calls copy more than the file holds");
    p->budget -= items;
    return 0;
}

/* ---- the stack ---- */

static int push(struct pickle *p, struct pickle_value v)
{
    struct pickle_stack *s = &p->stack;
    struct pickle_value *items = reserve(s->items, &s->room, s->count + 1);
    if (!items)
        return -1;
    s->items = items;
    s->items[s->count++] = v;
    return 0;
}

/* The value `depth` below the top, or NULL with the error set where a mark or nothing stands. */
static struct pickle_value *top(struct pickle *p, int64_t depth)
{
    struct pickle_stack *s = &p->stack;
    for (int64_t i = 0; i <= depth; i++)
        if (i >= s->count || s->items[s->count - 1 - i].kind == PICKLE_MARK)
            return pickle_bad(p, "the stack is too short"), NULL;
    return &s->items[s->count - 1 - depth];
}

static int pop(struct pickle *p, struct pickle_value *v)
{
    const struct pickle_value *found = top(p, 0);
    if (!found)
        return -1;
    *v = *found;
    p->stack.count--;
    return 0;
}

/* How many values stand above the last mark; -1 with the error set where there is none. */
static int64_t above_mark(struct pickle *p)
{
    const struct pickle_stack *s = &p->stack;
    for (int64_t i = s->count; i > 0; i--)
        if (s->items[i - 1].kind == PICKLE_MARK)
            return s->count - i;
    return pickle_bad(p, "a mark is missing");
}

/* Takes the last `count` values, and the mark before them where there is one, into a container. */
static int gather(struct pickle *p, enum pickle_kind kind, int64_t count, bool marked)
{
    struct pickle_object *o = pickle_new(p, 0);
    struct pickle_stack *s = &p->stack;
    assert(count + marked <= s->count);
    if (!o || pickle_append(o, s->items + s->count - count, count) != 0)
        return -1;
    s->count -= count + marked;
    return push(p, (struct pickle_value){.kind = kind, .as.object = o});
}

/* ---- instructions: plain values ---- */

static int op_proto(struct pickle *p, int code)
{
    uint64_t version;
    (void)code;
    if (take_number(p, 1, &version) != 0)
        return -1;
    return version <= LAST_PROTOCOL ? 0 : pickle_bad(p, "unsupported pickle protocol");
}

static int op_frame(struct pickle *p, int code)
{
    (void)code;
    return take(p, 8) ? 0 : -1;
}

static int op_constant(struct pickle *p, int code)
{
    struct pickle_value v = {.kind = PICKLE_BOOL, .as.i = code == 0x88};
    if (code == 'N')
        v = (struct pickle_value){.kind = PICKLE_NONE};
    if (code == '(')
        v = (struct pickle_value){.kind = PICKLE_MARK};
    return push(p, v);
}

static int op_empty(struct pickle *p, int code)
{
    return gather(p,
                  code == ')'   ? PICKLE_TUPLE
                  : code == '}' ? PICKLE_DICT
                                : PICKLE_LIST,
                  0, false);
}

static int op_int(struct pickle *p, int code)
{
    uint64_t number;
    int bytes = code == 'J' ? 4 : code == 'M' ? 2 : 1;
    if (take_number(p, bytes, &number) != 0)
        return -1;
    return push(p, (struct pickle_value){.kind = PICKLE_INT,
                                         .as.i = code == 'J' ? (int32_t)number : (int64_t)number});
}

/* An integer of many bytes in two's complement. */
static int op_long(struct pickle *p, int code)
{
    uint64_t bytes;
    struct pickle_value v;
    const unsigned char *at = NULL;
    (void)code;
    if (take_number(p, 1, &bytes) != 0 || !(at = take(p, bytes)))
        return -1;
    if (bytes > 8)
        return pickle_new_text(p, PICKLE_BIG, at, (size_t)bytes, &v) == 0 ? push(p, v) : -1;
    uint64_t number = bytes && at[bytes - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = bytes; i > 0; i--)
        number = number << 8 | at[i - 1];
    return push(p, (struct pickle_value){.kind = PICKLE_INT, .as.i = (int64_t)number});
}

static int op_float(struct pickle *p, int code)
{
    const unsigned char *at = take(p, 8);
    struct pickle_value v = {.kind = PICKLE_FLOAT};
    uint64_t bits = 0;
    (void)code;
    for (int i = 0; at && i < 8; i++)
        bits = bits << 8 | at[i];
    memcpy(&v.as.f, &bits, sizeof bits);
    return at ? push(p, v) : -1;
}

/* A number in decimal digits: I a whole one, or a bool as 00 or 01; L one with an L behind it; F. */
static int op_digits(struct pickle *p, int code)
{
    char line[MAX_LINE], *end = line;
    struct pickle_value v = {.kind = PICKLE_INT};
    if (take_line(p, line) != 0)
        return -1;
    errno = 0;
    if (code == 'F') {
        v.kind = PICKLE_FLOAT;
        v.as.f = strtod(line, &end);
        errno = 0; /* what overflows is infinite, as in Python */
    } else {
        v.as.i = strtoll(line, &end, 10);
        if (code == 'I' && line[0] == '0' && line[1] != '\0' && end == line + 2)
            v.kind = PICKLE_BOOL;
    }
    if (code == 'L' && *end == 'L')
        end++;
    if (end == line || *end != '\0' || errno != 0 || (v.kind == PICKLE_BOOL && v.as.i > 1))
        return pickle_bad(p, "a number that is none, or too large");
    return push(p, v);
}

/* A length and as many bytes: X, 0x8c, 0x8d texts in UTF-8; C, B, 0x8e bytes; U, T Python 2's, which
 * are texts where they can be. */
static int op_text(struct pickle *p, int code)
{
    int wide = code == 0x8d || code == 0x8e ? 8 : code == 'X' || code == 'B' || code == 'T' ? 4 : 1;
    bool bytes = code == 'C' || code == 'B' || code == 0x8e, old = code == 'U' || code == 'T';
    uint64_t length;
    struct pickle_value v;
    if (take_number(p, wide, &length) != 0)
        return -1;
    if (length > p->end - p->at)
        return pickle_bad(p, "pickle data was truncated");
    if (length > MAX_TEXT)
        return pickle_bad(p, "a text of more than 256 MB");
    const unsigned char *text = take(p, length);
    if (!text)
        return -1;
    if (!bytes && !safetensors_check_utf8((const char *)text, (size_t)length)) {
        if (!old)
            return pickle_bad(p, "a text that is not UTF-8");
        bytes = true;
    }
    return pickle_new_text(p, bytes ? PICKLE_BYTES : PICKLE_TEXT, text, (size_t)length, &v) == 0
               ? push(p, v)
               : -1;
}

/* ---- instructions: stack and memo ---- */

/* 0 drops the top, 1 all down to the last mark, 2 doubles the top. */
static int op_stack(struct pickle *p, int code)
{
    if (code == '0') {
        if (p->stack.count == 0)
            return pickle_bad(p, "the stack is too short");
        p->stack.count--;
        return 0;
    }
    if (code == '1') {
        int64_t count = above_mark(p);
        p->stack.count -= count < 0 ? 0 : count + 1;
        return count < 0 ? -1 : 0;
    }
    const struct pickle_value *v = top(p, 0);
    return v ? push(p, *v) : -1;
}

/* The place in the memo that an instruction names. */
static int take_place(struct pickle *p, int code, uint64_t *place)
{
    char line[MAX_LINE], *end;
    if (code != 'g' && code != 'p')
        return take_number(p, code == 'h' || code == 'q' ? 1 : 4, place);
    if (take_line(p, line) != 0)
        return -1;
    errno = 0;
    long long found = strtoll(line, &end, 10);
    if (end == line || *end != '\0' || errno != 0 || found < 0)
        return pickle_bad(p, "a place in the memo that is none");
    *place = (uint64_t)found;
    return 0;
}

static int op_get(struct pickle *p, int code)
{
    uint64_t place;
    if (take_place(p, code, &place) != 0)
        return -1;
    if (place >= (uint64_t)p->memo.count || p->memo.items[place].kind == PICKLE_MARK)
        return pickle_bad(p, "nothing is at that place in the memo");
    return push(p, p->memo.items[place]);
}

/* Writers number the places one by one, so that none is larger than the bytes before it. */
static int op_put(struct pickle *p, int code)
{
    uint64_t place = (uint64_t)p->memo.count;
    const struct pickle_value *v = top(p, 0);
    struct pickle_stack *m = &p->memo;
    if (!v || (code != 0x94 && take_place(p, code, &place) != 0))
        return -1;
    if (place >= p->at)
        return pickle_bad(p, "a place in the memo that is too far");
    int64_t count = (int64_t)place + 1 > m->count ? (int64_t)place + 1 : m->count;
    struct pickle_value *items = reserve(m->items, &m->room, count);
    if (!items)
        return -1;
    m->items = items; /* places that were left out hold marks: zeros */
    m->count = count;
    m->items[place] = *v;
    return 0;
}

/* ---- instructions: containers ---- */

static int op_tuple(struct pickle *p, int code)
{
    int64_t count = code == 't' ? above_mark(p) : code - 0x84;
    if (count < 0 || (code != 't' && !top(p, count - 1)))
        return -1;
    return gather(p, PICKLE_TUPLE, count, code == 't');
}

static int op_list_or_dict(struct pickle *p, int code)
{
    int64_t count = above_mark(p);
    if (count < 0)
        return -1;
    if (code == 'd' && count % 2 != 0)
        return pickle_bad(p, "a key without a value");
    return gather(p, code == 'd' ? PICKLE_DICT : PICKLE_LIST, count, true);
}

/* Moves values from the stack into the container below them: a one, e all above the mark, to a list;
 * s a key and its value, u all above the mark, to a dict; 0x90 all above the mark to a set. */
static int op_fill(struct pickle *p, int code)
{
    bool marked = code == 'e' || code == 'u' || code == 0x90, dict = code == 's' || code == 'u';
    int64_t count = marked ? above_mark(p) : dict ? 2 : 1;
    struct pickle_stack *s = &p->stack;
    if (count < 0 || (!marked && !top(p, count)))
        return -1;
    int64_t below = s->count - count - marked - 1;
    if (below < 0 || s->items[below].kind != (dict ? PICKLE_DICT : PICKLE_LIST))
        return pickle_bad(p, "items are put in what is no container of them");
    if (dict && count % 2 != 0)
        return pickle_bad(p, "a key without a value");
    if (pickle_append(s->items[below].as.object, s->items + s->count - count, count) != 0)
        return -1;
    s->count = below + 1;
    return 0;
}

/* ---- instructions: names and calls ---- */

static int op_name(struct pickle *p, int code)
{
    char module[MAX_LINE], name[MAX_LINE];
    struct pickle_value named, at[2];
    if (code == 'c') {
        if (take_line(p, module) != 0 || take_line(p, name) != 0)
            return -1;
        return p->runner->name(p->runner->context, module, name, &named) == 0 ? push(p, named) : -1;
    }
    if (pop(p, &at[1]) != 0 || pop(p, &at[0]) != 0)
        return -1;
    if (at[0].kind != PICKLE_TEXT || at[1].kind != PICKLE_TEXT)
        return pickle_bad(p, "a name that is no text");
    return p->runner->name(p->runner->context, pickle_text(at[0]), pickle_text(at[1]), &named) == 0
               ? push(p, named)
               : -1;
}

static int op_call(struct pickle *p, int code)
{
    struct pickle_value args, function, made;
    (void)code;
    if (pop(p, &args) != 0 || pop(p, &function) != 0)
        return -1;
    if (function.kind != PICKLE_NAME || args.kind != PICKLE_TUPLE)
        return pickle_bad(p, "a call of what is no function");
    return p->runner->call(p->runner->context, p, function.as.i, args, &made) == 0 ? push(p, made)
                                                                                   : -1;
}

/* Attributes of an OrderedDict, which are left out. */
static int op_build(struct pickle *p, int code)
{
    struct pickle_value state;
    (void)code;
    const struct pickle_value *target = pop(p, &state) == 0 ? top(p, 0) : NULL;
    if (!target)
        return -1;
    return target->kind == PICKLE_DICT ? 0 : pickle_bad(p, "attributes of what has none");
}

static int op_persistent(struct pickle *p, int code)
{
    struct pickle_value id, made;
    (void)code;
    if (pop(p, &id) != 0)
        return -1;
    if (!p->runner->persistent)
        return pickle_bad(p, "a persistent id, where none is expected");
    return p->runner->persistent(p->runner->context, p, id, &made) == 0 ? push(p, made) : -1;
}

static int (*const OPERATIONS[256])(struct pickle *, int) = {
    [0x80] = op_proto,       [0x95] = op_frame,       ['N'] = op_constant, [0x88] = op_constant,
    [0x89] = op_constant,    ['('] = op_constant,     [')'] = op_empty,    [']'] = op_empty,
    ['}'] = op_empty,        [0x8f] = op_empty,       ['J'] = op_int,      ['K'] = op_int,
    ['M'] = op_int,          [0x8a] = op_long,        ['G'] = op_float,    ['I'] = op_digits,
    ['L'] = op_digits,       ['F'] = op_digits,       ['X'] = op_text,     [0x8c] = op_text,
    [0x8d] = op_text,        ['U'] = op_text,         ['T'] = op_text,     ['C'] = op_text,
    ['B'] = op_text,         [0x8e] = op_text,        ['0'] = op_stack,    ['1'] = op_stack,
    ['2'] = op_stack,        ['h'] = op_get,          ['j'] = op_get,      ['g'] = op_get,
    ['q'] = op_put,          ['r'] = op_put,          ['p'] = op_put,      [0x94] = op_put,
    ['t'] = op_tuple,        [0x85] = op_tuple,       [0x86] = op_tuple,   [0x87] = op_tuple,
    ['l'] = op_list_or_dict, ['d'] = op_list_or_dict, ['a'] = op_fill,     ['e'] = op_fill,
    ['s'] = op_fill,         ['u'] = op_fill,         [0x90] = op_fill,    ['c'] = op_name,
    [0x93] = op_name,        ['R'] = op_call,         [0x81] = op_call,    ['b'] = op_build,
    ['Q'] = op_persistent,
};

/* ---- the machine ---- */

void pickle_begin(struct pickle *p, const struct zip_source *source, uint64_t at, uint64_t end,
                  const struct pickle_runner *runner)
{
    assert(at <= end && end <= source->size);
    *p = (struct pickle){.source = source, .begin = at, .at = at, .end = end, .runner = runner};
    p->budget = (int64_t)(end - at);
}

int pickle_read(struct pickle *p, struct pickle_value *value)
{
    p->stack.count = p->memo.count = 0;
    if (p->memo.room)
        memset(p->memo.items, 0, p->memo.room);
    for (;;) {
        const unsigned char *code = take(p, 1);
        if (!code)
            return -1;
        if (*code == '.')
            return p->stack.count == 1 ? pop(p, value) : pickle_bad(p, "it leaves no one value");
        int operation = *code;
        if (!OPERATIONS[operation])
            return pickle_bad(p, "an unsupported instruction");
        if (OPERATIONS[operation](p, operation) != 0)
            return -1;
    }
}

void pickle_release(struct pickle *p)
{
    for (struct pickle_object *o = p->objects, *next; o; o = next) {
        next = o->next;
        memory_free(o->data, o->room);
        memory_free(o, sizeof *o);
    }
    memory_free(p->stack.items, p->stack.room);
    memory_free(p->memo.items, p->memo.room);
    memory_free(p->window, p->window_room);
    *p = (struct pickle){0};
}
