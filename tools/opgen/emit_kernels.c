/* ops_kernels.h: the C functions that the table names, with the types of their paragraphs. A
 * function named by several paragraphs is declared once; if their types differ, that is an error.
 * The parts of the table declare those of their own paragraphs, so that a new one does not compile
 * them all.
 */
#include "opgen.h"

#include <string.h>

const char *ctype_internal(const struct param *p, enum kind kind)
{
    switch (p->type) {
    case TYPE_TENSOR:
        return "fl_tensor *";
    case TYPE_OPERAND:
        return kind == KIND_COMPOSE ? "fl_value " : "fl_tensor *";
    case TYPE_TENSORS:
        return "fl_tensors ";
    case TYPE_INT:
        return p->optional ? "const int64_t *" : "int64_t ";
    case TYPE_INTS:
        return "fl_ints ";
    case TYPE_FLOAT:
        return p->optional ? "const double *" : "double ";
    case TYPE_FLOATS:
        return "fl_floats ";
    case TYPE_BOOL:
        return p->optional ? "int " : "bool ";
    case TYPE_SCALAR:
    case TYPE_NONE:
        return "fl_value ";
    case TYPE_DTYPE:
        return "fl_dtype ";
    case TYPE_DEVICE:
        return "fl_device ";
    case TYPE_LAYOUT:
    case TYPE_MEMORY_FORMAT:
        return "int ";
    case TYPE_STRING:
        return "const char *";
    case TYPE_GENERATOR:
        return "fl_generator *";
    }
    return "";
}

static const char *params_text(const struct op *op, enum kind kind, bool named)
{
    const char *text = "";
    for (int i = 0; i < op->params; i++)
        text = text_format("%s%s%s%s", text, i ? ", " : "", ctype_internal(&op->param[i], kind),
                           named ? op->param[i].cname : "");
    return text;
}

static const char *result_pointers(const struct op *op, bool named)
{
    const char *text = "";
    for (int i = 0; i < op->results; i++) {
        static const char *const TYPES[] = {
            [TYPE_TENSOR] = "fl_tensor **", [TYPE_TENSORS] = "fl_value *",
            [TYPE_INT] = "int64_t *",       [TYPE_FLOAT] = "double *",
            [TYPE_BOOL] = "bool *",         [TYPE_SCALAR] = "fl_value *"};
        text = text_format("%s%s%s%s", text, i ? ", " : "", TYPES[op->result[i].type],
                           named ? text_format(op->results == 1 ? "y" : "y%d", i) : "");
    }
    return text;
}

struct declared {
    const char *name, *types;
    const struct op *op;
    struct declared *next;
};

static void declare(struct out *o, struct declared_list *list, const struct op *op,
                    const char *result, const char *name, const char *types, const char *named)
{
    for (struct declared *d = list->first; d; d = d->next) {
        if (strcmp(d->name, name) != 0)
            continue;
        if (!list->part && strcmp(d->types, types) != 0)
            complain(op->place, "%s is %s%s(%s) here, but %s%s(%s) at %s:%d", name, result, name,
                     types, result, name, d->types, d->op->place.file, d->op->place.line);
        return;
    }
    struct declared *d = arena_alloc(sizeof *d);
    *d = (struct declared){name, types, op, list->first};
    list->first = d;
    emit(o, "%s%s(%s);\n", result, name, *named ? named : "void");
}

static const char *joined(const char *a, const char *b)
{
    return text_format("%s%s%s", a, *a && *b ? ", " : "", b);
}

void kernels_declare(struct out *o, struct declared_list *list, const struct op *op)
{
    const char *types = params_text(op, op->kind, false), *named = params_text(op, op->kind, true);
    if (op->view)
        declare(o, list, op, "int ", text_format("%s_view", op->view),
                joined(types, "struct op_view *"), joined(named, "struct op_view *y"));
    if (op->shape)
        declare(o, list, op, "int ", text_format("%s_shape", op->shape),
                joined(types, "struct op_shape *"), joined(named, "struct op_shape *y"));
    if (op->kernel) {
        const char *outs = "", *outs_named = "";
        for (int i = 0; i < op->results && !op->writes; i++) {
            outs = joined(outs, "fl_tensor *");
            outs_named = joined(
                outs_named, text_format(op->results == 1 ? "fl_tensor *y" : "fl_tensor *y%d", i));
        }
        declare(o, list, op, "int ", text_format("%s_cpu", op->kernel), joined(types, outs),
                joined(named, outs_named));
    }
    if (op->compose_name)
        declare(o, list, op, "int ", text_format("%s_compose", op->compose_name),
                joined(types, result_pointers(op, false)),
                joined(named, result_pointers(op, true)));
    if (op->check)
        declare(o, list, op, "int ", text_format("%s_check", op->check),
                params_text(op, KIND_COMPOSE, false), params_text(op, KIND_COMPOSE, true));
    if (op->titles)
        declare(o, list, op, "const char *", text_format("%s_title", op->titles),
                params_text(op, KIND_COMPOSE, false), params_text(op, KIND_COMPOSE, true));
    if (op->order_name)
        declare(o, list, op, "const struct node_order *", text_format("%s_order", op->order_name),
                params_text(op, KIND_COMPOSE, false), params_text(op, KIND_COMPOSE, true));
}

void emit_kernels(struct out *o, const struct table *t)
{
    struct declared_list list = {NULL, false};
    emit_text(o, "/* The functions that the operator table names (opgen writes this file). Those "
                 "of type int return 0,\n"
                 " * or -1 with the error set. */\n"
                 "#ifndef OPS_KERNELS_H\n#define OPS_KERNELS_H\n\n#include \"ops/op.h\"\n\n");
    for (const struct op *op = t->first; op; op = op->next)
        kernels_declare(o, &list, op);
    emit_text(o, "\n#endif\n");
}
