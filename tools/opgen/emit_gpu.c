/* ops_gpu.h: the kernel text of each pointwise operator and fused gradient, in a C dialect that a
 * prelude makes OpenCL C or CUDA C. */
#include "opgen.h"

#include <string.h>

static const char HEAD[] =
    "/* Kernel texts for GPUs (opgen writes this file from the operator table).\n"
    " *\n"
    " * A driver compiles PRELUDE + text for one set of dtypes. The prelude defines:\n"
    " *   T                      the type that is computed in; FL_INTEGRAL is defined where it is "
    "an integer, FL_BITS its width\n"
    " *   FL_N(x)                the floating literal x as a T; FL_INF FL_NAN FL_EPS FL_LARGEST\n"
    " *   m_NAME(...)            the functions of math.h on T; m_isnan, m_isinf... give int\n"
    " *   FL_KERNEL(name, p)     the head of a kernel; p is made of FL_OUT, FL_IN(k), "
    "FL_IN_BOOL(k), FL_SCALAR(k), each of\n"
    " *                          which declares what the driver needs (pointers, strides), and the "
    "scalars as T s0, s1...\n"
    " *   FL_EACH(i)             a loop head over the elements of this work item\n"
    " *   FL_LOAD(k, i)          element i of input k as a T; FL_LOAD_BOOL(k, i) as an int of 0 "
    "and 1\n"
    " *   FL_STORE(i, v)         writes result i from a T; FL_STORE_BOOL(i, v) from an int\n"
    " */\n"
    "#ifndef OPS_GPU_H\n#define OPS_GPU_H\n\n";

static const char *kernel(const char *name, const struct loop_spec *spec, const char *inside)
{
    const char *params = "FL_OUT";
    for (int i = 0; i < spec->operands; i++)
        params = text_format("%s FL_IN%s(%d)", params, spec->truths >> i & 1 ? "_BOOL" : "", i);
    for (int i = 0; i < spec->scalars; i++)
        params = text_format("%s FL_SCALAR(%d)", params, i);
    return text_format("FL_KERNEL(k_%s, %s)\n{\n%s}\n", name, params, inside);
}

static void emit_string(struct out *o, const char *name, const char *text)
{
    emit(o, "static const char %s[] =\n", name);
    while (*text) {
        size_t n = strcspn(text, "\n");
        emit(o, "    \"%s\\n\"%s\n", text_quote(text_copy(text, n)),
             text[n] && text[n + 1] ? "" : ";");
        text += n + (text[n] != 0);
    }
}

static void operator_text(struct out *o, const struct table *t, struct op *op)
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
    const char *texts[2] = {NULL, NULL};
    for (int integral = 0; integral < 2; integral++) {
        struct node *n = op->value[integral ? VALUE_INT : VALUE_FLOAT];
        n = n ? n : op->value[VALUE_ANY];
        spec.type = integral ? I64 : F32;
        if (n && op->loop[spec.type])
            texts[integral] = loop_body(&spec, n);
    }
    const char *inside = texts[0];
    if (!texts[0] && !texts[1])
        return;
    if (!texts[0])
        inside = text_format("#ifdef FL_INTEGRAL\n%s#endif\n", texts[1]);
    else if (!texts[1])
        inside = text_format("#ifndef FL_INTEGRAL\n%s#endif\n", texts[0]);
    else if (strcmp(texts[0], texts[1]) != 0)
        inside = text_format("#ifdef FL_INTEGRAL\n%s#else\n%s#endif\n", texts[1], texts[0]);
    op->gpu = kernel(op->id, &spec, inside);
    emit_string(o, text_format("gpu_%s", op->id), op->gpu);
}

static void rule_text(struct out *o, struct op *op, struct rule *r, int number)
{
    struct loop_spec spec = {.operands = r->operands, .scalars = r->scalars, .truths = r->truths};
    const char *name = text_format("grad_%s_%d", op->id, number);
    emit_string(o, text_format("gpu_%s", name),
                kernel(name, &spec, text_format("#ifndef FL_INTEGRAL\n%s#endif\n", r->gpu)));
    r->gpu = text_format("gpu_%s", name);
}

void emit_gpu(struct out *o, const struct table *t)
{
    emit_text(o, HEAD);
    for (struct op *op = t->first; op; op = op->next) {
        if (op->kind == KIND_POINTWISE)
            operator_text(o, t, op);
        int number = 0;
        for (struct rule *r = op->rules; r; r = r->next) {
            if (r->gpu)
                rule_text(o, op, r, number);
            number += r->body != NULL;
        }
    }
    emit_text(o, "\n#endif\n");
}
