/* The kernel text of each pointwise operator, fused gradient and reduction, in a C dialect that a
 * prelude makes OpenCL C or CUDA C; it stands in the operator's paragraph of ops_table_N.c.
 * gpu_texts.c: texts that are written by hand.
 *
 * A driver compiles PRELUDE + text for one set of dtypes. The prelude defines:
 *   T                    the type that is computed in; FL_INTEGRAL is defined where it is an
 *                        integer, FL_BITS its width
 *   FL_N(x)              the floating literal x as a T; FL_INF FL_NAN FL_EPS FL_LARGEST
 *   m_NAME(...)          the functions of math.h on T; m_isnan, m_isinf... give int
 *   FL_KERNEL(name, p)   the head of a kernel; p is made of FL_OUT, FL_IN(k), FL_IN_BOOL(k),
 *                        FL_SCALAR(k), each of which declares what the driver needs (pointers,
 *                        strides), and the scalars as T s0, s1...
 *   FL_EACH(i)           a loop head over the elements of this work item
 *   FL_LOAD(k, i)        element i of input k as a T; FL_LOAD_BOOL(k, i) as an int of 0 and 1
 *   FL_STORE(i, v)       writes result i from a T; FL_STORE_BOOL(i, v) from an int
 *   FL_TRUTH             is defined where all operands are truth values, T an int
 *
 * A reduction's text is its steps: functions fl_step, fl_join and, where FL_START and FL_FINISH are
 * defined, fl_start and fl_finish, with the scalars FL_SCALARS, passed on as FL_NAMES.
 */
#include "opgen.h"

#include <string.h>

static const char *kernel(const char *name, const struct loop_spec *spec, const char *inside)
{
    const char *params = "FL_OUT";
    for (int i = 0; i < spec->operands; i++)
        params = text_format("%s FL_IN%s(%d)", params, spec->truths >> i & 1 ? "_BOOL" : "", i);
    for (int i = 0; i < spec->scalars; i++)
        params = text_format("%s FL_SCALAR(%d)", params, i);
    return text_format("FL_KERNEL(k_%s, %s)\n{\n%s}\n", name, params, inside);
}

static void emit_lines(struct out *o, const char *head, const char *name, const char *text)
{
    emit(o, "%sconst char %s[] =\n", head, name);
    while (*text) {
        size_t n = strcspn(text, "\n");
        emit(o, "    \"%s\\n\"%s\n", text_quote(text_copy(text, n)),
             text[n] && text[n + 1] ? "" : ";");
        text += n + (text[n] != 0);
    }
}

static void operator_text(const struct table *t, struct op *op)
{
    struct loop_spec spec = {.table = t,
                             .op = op,
                             .gpu = true,
                             .quiet = true,
                             .truth_result = op->result_dtype == RESULT_BOOL};
    spec.operands = op->operands, spec.scalars = op->scalars;
    for (int i = 0; i < op->operands; i++) {
        spec.operand[i] = op->param[op->operand[i]].name;
        spec.truths |= (op->truths >> op->operand[i] & 1) << i;
    }
    for (int i = 0; i < op->scalars; i++)
        spec.scalar[i] = op->param[op->scalar[i]].name;
    const unsigned truths = spec.truths;
    const char *texts[2] = {NULL, NULL};
    for (int integral = 0; integral < 2; integral++) {
        struct node *n = op->value[integral ? VALUE_INT : VALUE_FLOAT];
        n = n ? n : op->value[VALUE_ANY];
        spec.type = integral ? I64 : F32;
        if (n && op->loop[spec.type])
            texts[integral] = loop_body(&spec, n);
    }
    const char *inside = texts[0], *truth = NULL;
    if (op->value[VALUE_BOOL]) {
        spec.type = I32, spec.truth_result = true, spec.truths = (1u << spec.operands) - 1;
        truth = loop_body(&spec, op->value[VALUE_BOOL]);
        spec.truths = truths;
    }
    if (!texts[0] && !texts[1])
        return;
    if (!texts[0])
        inside = text_format("#ifdef FL_INTEGRAL\n%s#endif\n", texts[1]);
    else if (!texts[1])
        inside = text_format("#ifndef FL_INTEGRAL\n%s#endif\n", texts[0]);
    else if (strcmp(texts[0], texts[1]) != 0)
        inside = text_format("#ifdef FL_INTEGRAL\n%s#else\n%s#endif\n", texts[1], texts[0]);
    if (truth)
        inside = text_format("#ifdef FL_TRUTH\n%s#else\n%s#endif\n", truth, inside);
    op->gpu = kernel(op->id, &spec, inside);
}

static void rule_text(const struct op *op, struct rule *r, int number)
{
    struct loop_spec spec = {.operands = r->operands, .scalars = r->scalars, .truths = r->truths};
    const char *name = text_format("grad_%s_%d", op->id, number);
    r->gpu = kernel(name, &spec, text_format("#ifndef FL_INTEGRAL\n%s#endif\n", r->gpu));
    r->gpu_name = text_format("gpu_%s", name);
}

/* One step of a reduction as a function, for floats and, where it differs, for integers. */
static const char *step(const struct table *t, const struct op *op, const struct node *n,
                        const char *name, const char *first, const char *second)
{
    const char *names[2] = {first, second}, *texts[2];
    for (int integral = 0; integral < 2; integral++)
        texts[integral] = reduce_step(t, op, n, integral ? I64 : F32, names, true);
    const char *params =
        first ? text_format("T %s, T %s FL_SCALARS", first, second) : "FL_ONLY_SCALARS";
    const char *inside = texts[0] ? texts[0] : texts[1];
    if (texts[0] && texts[1] && strcmp(texts[0], texts[1]) != 0)
        inside = text_format("#ifdef FL_INTEGRAL\n%s#else\n%s#endif\n", texts[1], texts[0]);
    return inside ? text_format("static inline T %s(%s)\n{\n%s}\n", name, params, inside) : NULL;
}

static void reduce_text(const struct table *t, struct op *op)
{
    const char *params = "", *args = "", *begin = NULL, *finish = NULL;
    for (int i = 0; i < op->scalars; i++) {
        params = text_format("%s, T s%d", params, i);
        args = text_format("%s, s%d", args, i);
    }
    const char *text =
        text_format("#define FL_SCALARS %s\n#define FL_NAMES %s\n#define FL_ONLY_SCALARS %s\n"
                    "#define FL_ONLY_NAMES %s\n",
                    params, args, *params ? params + 2 : "void", *args ? args + 2 : "");
    const char *add = step(t, op, op->step, "fl_step", "acc", "x"),
               *join = step(t, op, op->join, "fl_join", "a", "b");
    if (op->start && (begin = step(t, op, op->start, "fl_start", NULL, NULL)))
        begin = text_format("#define FL_START\n%s", begin);
    if (op->finish && (finish = step(t, op, op->finish, "fl_finish", "acc", "count")))
        finish = text_format("#define FL_FINISH\n%s", finish);
    if (!add || !join || (op->start && !begin) || (op->finish && !finish))
        return;
    op->gpu = text_format("%s%s%s%s%s", text, add, join, begin ? begin : "", finish ? finish : "");
}

/* ---- texts written by hand ---- */

/* A text of C without its comments, the lines that include, and blank lines. */
static const char *bare(const char *text)
{
    char *to = arena_alloc(strlen(text) + 1);
    const char *whole = to;
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n"), kept = 0;
        char *line = to;
        if (strncmp(at, "#include", 8) != 0)
            for (size_t i = 0; i < n; i++) {
                if (at[i] == '/' && at[i + 1] == '*') {
                    const char *end = strstr(at + i, "*/");
                    at = end ? end + 2 : at + n, i = (size_t)-1;
                    n = strcspn(at, "\n");
                    continue;
                }
                *to++ = at[i];
            }
        while (to > line && to[-1] == ' ')
            to--;
        kept = (size_t)(to - line);
        if (kept)
            *to++ = '\n';
        at += n + (at[n] != 0);
    }
    *to = 0;
    return whole;
}

void emit_gpu_texts(struct out *o, const struct gpu_text *first)
{
    emit_text(o, "/* Kernel texts written by hand (opgen writes this file from them). */\n");
    emit_lines(o, "", "gpu_text_primitives",
               text_format("#ifdef FL_INTEGRAL\n%s#else\n%s#endif\n", element_primitives(true),
                           element_primitives(false)));
    for (const struct gpu_text *f = first; f; f = f->next)
        emit_lines(o, "", text_format("gpu_text_%s", f->name), bare(f->text));
}

void gpu_make(const struct table *t)
{
    for (struct op *op = t->first; op; op = op->next) {
        if (op->kind == KIND_POINTWISE)
            operator_text(t, op);
        if (op->kind == KIND_REDUCE)
            reduce_text(t, op);
        int number = 0;
        for (struct rule *r = op->rules; r; r = r->next) {
            if (r->gpu)
                rule_text(op, r, number);
            number += r->body != NULL;
        }
    }
}

void emit_gpu(struct out *o, const struct op *op)
{
    if (op->gpu)
        emit_lines(o, "static ", text_format("gpu_%s", op->id), op->gpu);
    for (const struct rule *r = op->rules; r; r = r->next)
        if (r->gpu)
            emit_lines(o, "static ", r->gpu_name, r->gpu);
}
