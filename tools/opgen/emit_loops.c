/* ops_loops_N.simd.c: the loops over elements; those of complex numbers are in ops_loops_complex.c,
 * which is compiled once.
 *
 * Loops that are the same text (loops.c) are kept once. All loops of an operator stand in the file
 * that its name decides, but for those that an operator before it has too, so that an edited
 * paragraph changes few files: the loop with index i has slot i / LOOP_FILES of file i % LOOP_FILES.
 * A place in the table counts from its paragraph, for the same reason.
 */
#include "opgen.h"

#include <string.h>

struct loop {
    unsigned hash;          /* of the body */
    const char *body, *row; /* row: the reduction's entry of the table; NULL for a plain loop */
    struct place place;
};

/* Where loops stand: in each file a hash table with open addressing, so that a new text moves few
 * others. Slot 0 is none. */
struct registry {
    struct loop *slots; /* [file][slot] */
    int files, size;
};
enum { SLOTS = 256, COMPLEX_SLOTS = 1024 };
static struct loop loop_slots[LOOP_FILES][SLOTS], reduction_slots[LOOP_FILES][SLOTS];
static struct loop complex_loop_slots[COMPLEX_SLOTS], complex_reduction_slots[COMPLEX_SLOTS];
static const struct registry loops = {loop_slots[0], LOOP_FILES, SLOTS},
                             reductions = {reduction_slots[0], LOOP_FILES, SLOTS},
                             complex_loops = {complex_loop_slots, 1, COMPLEX_SLOTS},
                             complex_reductions = {complex_reduction_slots, 1, COMPLEX_SLOTS};
enum { COMPLEX_INDEX = 0x8000 }; /* OPS_COMPLEX of ops/op.h */

/* The index of a text that stands somewhere already; 0. */
static int registry_find(const struct registry *r, unsigned hash, const char *body, const char *row)
{
    for (int i = 0; i < r->files * r->size; i++) {
        const struct loop *l = &r->slots[i];
        if (l->body && l->hash == hash && strcmp(l->body, body) == 0 && text_same(l->row, row))
            return i % r->size * r->files + i / r->size;
    }
    return 0;
}

static int registry_add(const struct registry *r, const char *owner, const char *body,
                        const char *row, struct place place)
{
    const unsigned hash = text_hash(body);
    const int found = registry_find(r, hash, body, row);
    if (found)
        return found;
    const int file = (int)(text_hash(owner) % (unsigned)r->files);
    struct loop *slots = r->slots + file * r->size;
    int slot = 1 + (int)(hash % (unsigned)(r->size - 1)), tried = 1;
    for (; slots[slot].body; slot = slot + 1 < r->size ? slot + 1 : 1)
        if (++tried == r->size) {
            complain(place, "a file of loops is full: more LOOP_FILES are needed");
            return 0;
        }
    slots[slot] = (struct loop){hash, body, row, place};
    return slot * r->files + file;
}

int loop_add(const struct op *op, const char *body, struct place place)
{
    return registry_add(&loops, op->base, body, NULL, place);
}

int complex_loop_add(const struct op *op, const char *body, struct place place)
{
    return COMPLEX_INDEX | registry_add(&complex_loops, op->base, body, NULL, place);
}

int reduce_loops_add(const struct op *op, const char *body, const char *row, struct place place)
{
    return registry_add(&reductions, op->base, body, row, place);
}

int complex_reduce_loops_add(const struct op *op, const char *body, const char *row,
                             struct place place)
{
    return COMPLEX_INDEX | registry_add(&complex_reductions, op->base, body, row, place);
}

/* ---- writing ---- */

/* The paragraph that a place is in. */
static const struct op *paragraph(const struct table *t, struct place place)
{
    const struct op *found = t->first;
    for (const struct op *op = t->first; op; op = op->next)
        if (strcmp(op->place.file, place.file) == 0 && op->place.line <= place.line &&
            (strcmp(found->place.file, place.file) != 0 || op->place.line > found->place.line))
            found = op;
    return found;
}

static void write_text(struct out *o, const struct table *t, const struct loop *loop, int index,
                       const char *text)
{
    const char *number = text_format("%d", index);
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (strncmp(text, "#line ^", n) == 0 && n == 7) {
            emit_text(o, paragraph_line(paragraph(t, loop->place), loop->place));
        } else if (strncmp(text, "#line @", n) == 0 && n == 7) {
            emit(o, "#line %d \"%s\"", o->line + 1, o->name);
        } else {
            for (size_t i = 0; i < n;) {
                size_t k = strcspn(text + i, LOOP_INDEX "\n");
                emit_text(o, text_copy(text + i, k));
                i += k;
                if (i < n)
                    emit_text(o, number), i++;
            }
        }
        text += n;
        if (*text)
            emit_text(o, "\n"), text++;
    }
}

/* The loop in which operand k of two is one number for all elements, as a column is along a row: it is
 * read once and stays in a register. NULL for what is no plain loop over two operands of floats, or
 * calls what costs more than a load. */
static const char *level_text(const char *body, int k)
{
    static const char *const TYPES[] = {"float", "double"};
    for (int i = 0; i < 2 && loop_calls_little(body) && !strstr(body, "*d2 = "); i++) {
        const char *type = TYPES[i], *read[2];
        for (int d = 0; d < 2; d++)
            read[d] =
                text_format("    const %s *d%d = (const %s *)data[%d];\n", type, d, type, d + 1);
        const char *load = text_format("        const %s x%d = (d%d[i]);\n", type, k, k);
        if (!strstr(body, read[0]) || !strstr(body, read[1]) || !strstr(body, load))
            continue;
        body = text_substitute(body, "loop_" LOOP_INDEX, text_format("level%d_" LOOP_INDEX, k));
        body = text_substitute(body, load, "");
        return text_substitute(body, read[k],
                               text_format("%s    const %s x%d = *d%d;\n", read[k], type, k, k));
    }
    return NULL;
}

/* The loops of level_text, and the table of them. */
static void write_levels(struct out *o, const struct table *t, const struct registry *r, int file)
{
    const struct loop *slots = r->slots + file * r->size;
    const char *rows = "";
    for (int i = 1; i < r->size; i++)
        for (int k = 0; k < 2 && slots[i].body; k++) {
            const char *text = level_text(slots[i].body, k);
            const int index = i * r->files + file;
            if (!text)
                continue;
            write_text(o, t, &slots[i], index, text), emit_text(o, "\n");
            rows = text_format("%s    [%d][%d] = level%d_%d,\n", rows, i, k, k, index);
        }
    emit(o, "static const loop_fn LEVELS[%d][2] = {\n%s};\n\n", r->size, rows);
}

/* What a file's slots hold: the functions, and the table of them. */
static void write_list(struct out *o, const struct table *t, const struct registry *r, int file,
                       bool reduce)
{
    const struct loop *slots = r->slots + file * r->size;
    for (int i = 1; i < r->size; i++)
        if (slots[i].body)
            write_text(o, t, &slots[i], i * r->files + file, slots[i].body), emit_text(o, "\n");
    emit(o, "static const %s[%d] = {\n",
         reduce ? "struct reduce_loops REDUCTIONS" : "loop_fn LOOPS", r->size);
    for (int i = 1; i < r->size; i++)
        if (slots[i].body) {
            emit(o, "    [%d] = ", i);
            write_text(o, t, &slots[i], i * r->files + file,
                       reduce ? slots[i].row : "loop_" LOOP_INDEX);
            emit_text(o, ",\n");
        }
    emit_text(o, "};\n\n");
}

void emit_loops(const struct table *t, struct out *files)
{
    static const char HEAD[] =
        "/* Loops over elements, from the operator table (opgen writes this file). */\n"
        "#include \"core/half.h\"\n"
        "#include \"core/independent.h\"\n"
        "#include \"ops/op.h\"\n"
        "#include \"ops/pointwise/math_blocks.h\"\n\n"
        "/* A step need not look at every scalar of its operator. */\n"
        "#pragma GCC diagnostic ignored \"-Wunused-parameter\"\n"
        "/* A loop over uint8 may ask what is below 0. */\n"
        "#pragma GCC diagnostic ignored \"-Wtype-limits\"\n\n";

    for (int f = 0; f < LOOP_FILES; f++) {
        emit_text(&files[f], HEAD);
        write_list(&files[f], t, &loops, f, false);
        write_levels(&files[f], t, &loops, f);
        write_list(&files[f], t, &reductions, f, true);
        emit(&files[f],
             "const struct ops_loops FL_SIMD(ops_loops_%d) = {LOOPS, LEVELS, REDUCTIONS};\n", f);
    }
    struct out *o = &files[LOOP_FILES];
    emit_text(o, HEAD);
    write_list(o, t, &complex_loops, 0, false);
    write_list(o, t, &complex_reductions, 0, true);
    emit_text(o, "const struct ops_loops ops_loops_complex = {LOOPS, NULL, REDUCTIONS};\n");
}
