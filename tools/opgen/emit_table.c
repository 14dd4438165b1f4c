/* ops_table_N.c: a descriptor for each operator and form, with its parameters, shims that unpack
 * arguments for typed C functions, and gradient rules; ops_table.c: the list of them all, sorted by
 * name. The base name alone decides in which part a paragraph stands, so that an edit changes one
 * part of four. */
#include "opgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HEAD[] =
    "/* The operators' descriptors (opgen writes this file from the operator table). */\n"
    "#include <math.h>\n"
    "\n"
    "#include \"ops/formula.h\"\n"
    "#include \"ops/op.h\"\n"
    "\n";

/* ---- parameters ---- */

static const char *const TYPE_NAMES[] = {
    [TYPE_TENSOR] = "TENSOR",       [TYPE_OPERAND] = "OPERAND",
    [TYPE_TENSORS] = "TENSORS",     [TYPE_INT] = "INT",
    [TYPE_INTS] = "INTS",           [TYPE_FLOAT] = "FLOAT",
    [TYPE_FLOATS] = "FLOATS",       [TYPE_BOOL] = "BOOL",
    [TYPE_SCALAR] = "SCALAR",       [TYPE_DTYPE] = "DTYPE",
    [TYPE_DEVICE] = "DEVICE",       [TYPE_LAYOUT] = "LAYOUT",
    [TYPE_STRING] = "STRING",       [TYPE_MEMORY_FORMAT] = "MEMORY_FORMAT",
    [TYPE_GENERATOR] = "GENERATOR", [TYPE_NONE] = "INT"};

static const struct {
    const char *name, *text;
} NAMED[] = {
    {"bool", "FL_BOOL"},           {"uint8", "FL_UINT8"},          {"int8", "FL_INT8"},
    {"int16", "FL_INT16"},         {"int32", "FL_INT32"},          {"int64", "FL_INT64"},
    {"long", "FL_INT64"},          {"float16", "FL_FLOAT16"},      {"bfloat16", "FL_BFLOAT16"},
    {"float32", "FL_FLOAT32"},     {"float", "FL_FLOAT32"},        {"float64", "FL_FLOAT64"},
    {"complex64", "FL_COMPLEX64"}, {"complex128", "FL_COMPLEX128"}};

const char *dtype_constant(const char *name)
{
    for (size_t i = 0; i < sizeof NAMED / sizeof *NAMED; i++)
        if (strcmp(NAMED[i].name, name) == 0)
            return NAMED[i].text;
    return NULL;
}

static const char *float_text(const struct node *n)
{
    if (n->kind == NODE_NAME)
        return strcmp(n->text, "inf") == 0   ? "INFINITY"
               : strcmp(n->text, "nan") == 0 ? "NAN"
                                             : NULL;
    if (n->kind == NODE_UNARY && node_is_name(n->child, "inf"))
        return "-INFINITY";
    return n->kind == NODE_NUMBER ? n->text : NULL;
}

static const char *int_text(const struct node *n)
{
    static const char *const FORMATS[] = {"contiguous_format", "preserve_format", "channels_last",
                                          "channels_last_3d"};
    if (n->kind == NODE_NUMBER && !n->is_float)
        return n->text;
    for (int i = 0; n->kind == NODE_NAME && i < 4; i++)
        if (strcmp(n->text, FORMATS[i]) == 0)
            return text_format("%d", i);
    return node_is_name(n, "strided") ? "0" : NULL;
}

static const char *list_default(struct out *o, const struct op *op, const struct param *p,
                                const struct node *n)
{
    bool floats = p->type == TYPE_FLOATS;
    const char *text = "";
    int count = 0;
    if (n->kind == NODE_NUMBER) {
        count = p->list_size ? p->list_size : 1;
        for (int i = 0; i < count; i++)
            text = text_format("%s%s%s", text, i ? ", " : "", n->text);
    } else if (n->kind == NODE_LIST) {
        for (const struct node *c = n->child; c; c = c->next, count++)
            text = text_format("%s%s%s", text, count ? ", " : "", c->text);
    } else {
        return NULL;
    }
    const char *name = text_format("default_%s_%s", op->id, p->name);
    emit(o, "static const %s %s[] = {%s};\n", floats ? "double" : "int64_t", name,
         count ? text : "0");
    return text_format("{%s, %d, {.%s = %s}}", floats ? "FL_FLOATS" : "FL_INTS", count,
                       floats ? "floats" : "ints", name);
}

/* The initialiser of a default, or NULL when it does not fit the type. */
static const char *default_text(struct out *o, const struct op *op, const struct param *p,
                                const struct node *n)
{
    const char *text;
    if (node_is_name(n, "None"))
        return "{FL_NONE, 0, {0}}";
    switch (p->type) {
    case TYPE_INT:
    case TYPE_LAYOUT:
    case TYPE_MEMORY_FORMAT:
        text = int_text(n);
        return text ? text_format("{FL_INTEGER, 0, {.i = %s}}", text) : NULL;
    case TYPE_FLOAT:
        text = float_text(n);
        return text ? text_format("{FL_FLOATING, 0, {.f = %s}}", text) : NULL;
    case TYPE_BOOL:
        if (!node_is_name(n, "True") && !node_is_name(n, "False"))
            return NULL;
        return text_format("{FL_BOOLEAN, 0, {.i = %d}}", n->text[0] == 'T');
    case TYPE_SCALAR:
    case TYPE_OPERAND:
        if (node_is_name(n, "True") || node_is_name(n, "False"))
            return text_format("{FL_BOOLEAN, 0, {.i = %d}}", n->text[0] == 'T');
        text = float_text(n);
        if (!text)
            return NULL;
        return n->kind == NODE_NUMBER && !n->is_float
                   ? text_format("{FL_INTEGER, 0, {.i = %s}}", text)
                   : text_format("{FL_FLOATING, 0, {.f = %s}}", text);
    case TYPE_DTYPE:
        text = n->kind == NODE_NAME ? dtype_constant(n->text) : NULL;
        return text ? text_format("{FL_DTYPE, 0, {.i = %s}}", text) : NULL;
    case TYPE_STRING:
        if (n->kind != NODE_STRING)
            return NULL;
        return text_format("{FL_STRING, %zu, {.string = \"%s\"}}", strlen(n->text),
                           text_quote(n->text));
    case TYPE_INTS:
    case TYPE_FLOATS:
        return list_default(o, op, p, n);
    default:
        return NULL;
    }
}

static void params(struct out *o, const struct op *op)
{
    const char *defaults[MAX_PARAMS] = {0};
    for (int i = 0; i < op->params; i++) {
        const struct param *p = &op->param[i];
        if (!p->value)
            continue;
        defaults[i] = default_text(o, op, p, p->value);
        if (!defaults[i])
            complain(p->value->place, "the default of '%s' does not fit its type", p->name);
    }
    if (!op->params)
        return;
    emit(o, "static const struct op_param params_%s[] = {\n", op->id);
    for (int i = 0; i < op->params; i++) {
        const struct param *p = &op->param[i];
        emit(o, "    {\"%s\", TYPE_%s, %d, %d, %d, %d, %d, %d, %d, %d, %s},\n", p->name,
             TYPE_NAMES[p->type], p->optional, p->elements_optional, p->keyword_only,
             p->value != NULL, p->written, op->numbers >> i & 1, op->unbounded >> i & 1,
             p->list_size, defaults[i] ? defaults[i] : "{FL_NONE, 0, {0}}");
    }
    emit_text(o, "};\n");
}

/* ---- shims ---- */

/* The C arguments of a typed function, from args; `o` gets the locals that they need. */
static const char *arguments(struct out *o, const struct op *op, enum kind kind)
{
    const char *text = "";
    for (int i = 0; i < op->params; i++) {
        static const char *const TAKE[] = {
            [TYPE_TENSOR] = "tensor_of(args[%d])",   [TYPE_OPERAND] = "tensor_of(args[%d])",
            [TYPE_TENSORS] = "tensors_of(args[%d])", [TYPE_INT] = "int_of(args[%d])",
            [TYPE_FLOAT] = "float_of(args[%d])",     [TYPE_FLOATS] = "floats_of(args[%d])",
            [TYPE_BOOL] = "bool_of(args[%d])",       [TYPE_SCALAR] = "args[%d]",
            [TYPE_DTYPE] = "dtype_of(args[%d])",     [TYPE_DEVICE] = "device_of(args[%d])",
            [TYPE_LAYOUT] = "enum_of(args[%d])",     [TYPE_MEMORY_FORMAT] = "enum_of(args[%d])",
            [TYPE_STRING] = "string_of(args[%d])",   [TYPE_GENERATOR] = "generator_of(args[%d])"};
        const struct param *p = &op->param[i];
        const char *one;
        if (p->type == TYPE_OPERAND && kind == KIND_COMPOSE) {
            one = text_format("args[%d]", i);
        } else if (p->type == TYPE_INTS) {
            int size = p->list_size ? p->list_size : 1;
            emit(o, "    int64_t room%d[%d];\n", i, size);
            one = text_format("ints_of(args[%d], %d, room%d)", i, size, i);
        } else if (p->type == TYPE_INT && p->optional) {
            one = text_format("args[%d].tag == FL_NONE ? NULL : &args[%d].as.i", i, i);
        } else if (p->type == TYPE_FLOAT && p->optional) {
            emit(o, "    const double number%d = float_of(args[%d]);\n", i, i);
            one = text_format("args[%d].tag == FL_NONE ? NULL : &number%d", i, i);
        } else if (p->type == TYPE_BOOL && p->optional) {
            one = text_format("bool_or_none(args[%d])", i);
        } else {
            /* the formats of TAKE have one %d each, or are the same without one */
            const char *at = strstr(TAKE[p->type], "%d");
            one = text_format("%.*s%d%s", (int)(at - TAKE[p->type]), TAKE[p->type], i, at + 2);
        }
        text = text_format("%s%s%s", text, i ? ", " : "", one);
    }
    return text;
}

static const char *with(const char *list, const char *last)
{
    return text_format("%s%s%s", list, *list && *last ? ", " : "", last);
}

static void shim(struct out *o, const struct op *op, const char *what, const char *function,
                 const char *result)
{
    const bool title = strcmp(what, "title") == 0, order = strcmp(what, "order") == 0;
    const bool asks = title || order || strcmp(what, "check") == 0;
    emit(o, "static %scall_%s_%s(const fl_value *args%s%s)\n{\n",
         title   ? "const char *"
         : order ? "const struct node_order *"
                 : "int ",
         what, op->id, *result ? ", " : "", result);
    if (!op->params)
        emit_text(o, "    (void)args;\n");
    const char *list = arguments(o, op, asks ? KIND_COMPOSE : op->kind), *outs = "";
    if (strcmp(what, "kernel") == 0) {
        if (op->writes || !op->results)
            emit_text(o, "    (void)y;\n");
        for (int i = 0; i < op->results && !op->writes; i++)
            outs = with(outs, text_format("y[%d]", i));
    } else if (*result) {
        outs = "y";
    }
    emit(o, "    return %s(%s);\n}\n", function, with(list, outs));
}

static void compose_shim(struct out *o, const struct op *op)
{
    emit(o, "static int call_compose_%s(const fl_value *args, fl_value *y)\n{\n", op->id);
    if (!op->params)
        emit_text(o, "    (void)args;\n");
    const char *list = arguments(o, op, KIND_COMPOSE), *outs = "";
    for (int i = 0; i < op->results; i++) {
        static const char *const LOCALS[] = {
            [TYPE_TENSOR] = "fl_tensor *y%d = NULL", [TYPE_TENSORS] = "fl_value y%d = none()",
            [TYPE_INT] = "int64_t y%d = 0",          [TYPE_FLOAT] = "double y%d = 0",
            [TYPE_BOOL] = "bool y%d = false",        [TYPE_SCALAR] = "fl_value y%d = none()"};
        const char *local = LOCALS[op->result[i].type], *at = strstr(local, "%d");
        emit(o, "    %.*s%d%s;\n", (int)(at - local), local, i, at + 2);
        outs = with(outs, text_format("&y%d", i));
    }
    /* what is there after a failure too: the door drops it */
    emit(o, "    int status = %s_compose(%s);\n", op->compose_name, with(list, outs));
    for (int i = 0; i < op->results; i++) {
        static const char *const WRAP[] = {
            [TYPE_TENSOR] = "(tensor_value", [TYPE_TENSORS] = "(", [TYPE_INT] = "(int_value",
            [TYPE_FLOAT] = "(float_value",   [TYPE_SCALAR] = "(",  [TYPE_BOOL] = "(bool_value"};
        emit(o, "    y[%d] = %s(y%d));\n", i, WRAP[op->result[i].type], i);
    }
    if (!op->results)
        emit_text(o, "    (void)y;\n");
    emit_text(o, "    return status;\n}\n");
}

static void shims(struct out *o, const struct op *op)
{
    if (op->view)
        shim(o, op, "view", text_format("%s_view", op->view), "struct op_view *y");
    if (op->shape)
        shim(o, op, "shape", text_format("%s_shape", op->shape), "struct op_shape *y");
    else if (op->shape_like >= 0)
        emit(o,
             "static int call_shape_%s(const fl_value *args, struct op_shape *y)\n{\n"
             "    op_shape_like(y, args[%d].as.tensor);\n    return 0;\n}\n",
             op->id, op->shape_like);
    if (op->kernel)
        shim(o, op, "kernel", text_format("%s_cpu", op->kernel), "fl_tensor *const *y");
    if (op->check)
        shim(o, op, "check", text_format("%s_check", op->check), "");
    if (op->titles)
        shim(o, op, "title", text_format("%s_title", op->titles), "");
    if (op->order_name)
        shim(o, op, "order", text_format("%s_order", op->order_name), "");
    if (op->compose_name)
        compose_shim(o, op);
}

/* ---- pointwise, reduce, grad ---- */

static const char *numbers(int count, const int *list)
{
    const char *text = "";
    for (int i = 0; i < count; i++)
        text = text_format("%s%s%d", text, i ? ", " : "", list[i]);
    return count ? text : "0";
}

static uint32_t in_loop_order(uint32_t params, int count, const int *list)
{
    uint32_t bits = 0;
    for (int i = 0; i < count; i++)
        bits |= (params >> list[i] & 1) << i;
    return bits;
}

/* The compute types whose own dtype gives a result of that dtype, or a bool (shorts, in op.h). */
static unsigned short_types(const struct op *op)
{
    static const unsigned CLASS[] = {ACCEPT_FLOATING, ACCEPT_FLOATING, ACCEPT_INTEGRAL,
                                     ACCEPT_INTEGRAL, ACCEPT_COMPLEX,  ACCEPT_COMPLEX,
                                     ACCEPT_BOOL,     ACCEPT_INTEGRAL, ACCEPT_INTEGRAL,
                                     ACCEPT_INTEGRAL, ACCEPT_FLOATING};
    unsigned classes = op->accepts, types = 0;
    if (op->result_dtype == RESULT_FLOAT)
        classes &= ACCEPT_FLOATING | ACCEPT_COMPLEX;
    else if (op->result_dtype == RESULT_REAL)
        classes &= ~(unsigned)ACCEPT_COMPLEX;
    else if (op->result_dtype != RESULT_PROMOTED && op->result_dtype != RESULT_BOOL)
        return 0;
    for (int type = 0; type < LOOP_TYPES; type++)
        types |= (unsigned)(op->loop[type] && classes & CLASS[type]) << type;
    return op->truths ? 0 : types;
}

static void parts(struct out *o, const struct op *op)
{
    if (op->kind == KIND_POINTWISE)
        emit(o,
             "static const struct op_pointwise pointwise_%s = {%d, {%s}, %d, {%s}, %u, %u, %u, "
             "%u, %#x, {%s}, %d};\n",
             op->id, op->operands, numbers(op->operands, op->operand), op->scalars,
             numbers(op->scalars, op->scalar), in_loop_order(op->truths, op->operands, op->operand),
             in_loop_order(op->promoted, op->scalars, op->scalar),
             in_loop_order(op->promoted | op->rounded, op->scalars, op->scalar),
             in_loop_order(op->exact, op->operands, op->operand), short_types(op),
             numbers(LOOP_TYPES, op->loop), op->result_dtype == RESULT_BOOL);
    if (op->kind == KIND_REDUCE)
        emit(o, "static const struct op_reduce reduce_%s = {0, %d, %d, %d, %d, {%s}, {%s}, %d};\n",
             op->id, op_param(op, "dim"), op_param(op, "keepdim"), op_param(op, "dtype"),
             op->scalars, numbers(op->scalars, op->scalar), numbers(COMPUTE_TYPES, op->loop),
             op->start == NULL);
}

/* The results (bits) whose incoming gradient an expression must have: those that it names, but as
 * they are in the place of a parameter that may be None. */
static uint32_t needed_gradients(const struct table *t, const struct node *n, bool may_be_none)
{
    uint32_t needed = 0;
    if (n->kind == NODE_NAME && n->text[0] == 'g' &&
        strspn(n->text + 1, "0123456789") == strlen(n->text + 1))
        return may_be_none ? 0 : 1u << atoi(n->text + 1);
    const struct op *callee = n->kind == NODE_CALL ? table_find(t, n->text) : NULL;
    int position = 0;
    for (const struct node *a = n->child; a; a = a->next, position++) {
        int i = callee && a->keyword ? op_param(callee, a->keyword) : position;
        bool optional = callee && !callee->next_overload && i >= 0 && i < callee->params &&
                        callee->param[i].type == TYPE_TENSOR && callee->param[i].optional;
        needed |= needed_gradients(t, a, optional);
    }
    return needed;
}

static void grad(struct out *o, const struct table *t, struct op *op)
{
    uint32_t needed = 0;
    uint32_t saves = 0, shapes = 0, results = 0, differentiable = 0, grads = 0, refused = 0;
    int count = 0;
    const char *refuser = NULL;
    if (op->kind == KIND_COMPOSE) /* what it says of gradients, its parts do */
        return;
    for (const struct rule *r = op->rules; r; r = r->next) {
        if (r->refused)
            refused |= r->params, refuser = r->refused;
        if (!r->body && !r->missing)
            continue;
        if (!count++)
            emit(o, "static const struct op_grad_rule rules_%s[] = {\n", op->id);
        emit(o, "    {%#x, %#x, %#x, %#x, %d, {%s}, %d, {%s}, {%d, %d}, %u, %s, %s, %s, %s, %s},\n",
             r->params, r->saves, r->saves_shape, r->saves_results, r->operands,
             numbers(r->operands, r->operand), r->scalars, numbers(r->scalars, r->scalar),
             r->loop[0], r->loop[1], r->truths, r->function ? r->function : "NULL",
             r->gpu ? r->gpu_name : "NULL",
             r->missing ? text_format("\"%s\"", text_quote(r->missing)) : "NULL",
             (const char *[]){"0", "1", "2"}[r->depends],
             r->depends_title ? text_format("\"%s\"", text_quote(r->depends_title)) : "NULL");
        saves |= r->saves, shapes |= r->saves_shape, results |= r->saves_results,
            differentiable |= r->params, grads |= r->missing ? ~0u : r->grads;
        needed |= r->body ? needed_gradients(t, r->body, false) : 0;
    }
    if (count)
        emit_text(o, "};\n");
    if (op->recorded || refused)
        emit(o,
             "static const struct op_grad grad_%s = {%#x, %#x, %#x, %#x, %#x, %#x, %d, %s%s, "
             "%#x, %s};\n",
             op->id, differentiable, saves, shapes & ~saves, results, grads, needed, count,
             count ? "rules_" : "NULL", count ? op->id : "", refused,
             refuser ? text_format("\"%s\"", text_quote(refuser)) : "NULL");
    op->recorded |= refused != 0;
}

/* ---- descriptors ---- */

static uint32_t optional_results(const struct op *op)
{
    uint32_t bits = 0;
    for (int i = 0; i < op->results; i++)
        bits |= (uint32_t)op->result[i].optional << i;
    return bits;
}

static void descriptor(struct out *o, const struct op *op, const char *name, const char *id,
                       const char *form)
{
    static const char *const KINDS[] = {"",        "OP_POINTWISE", "OP_REDUCE",
                                        "OP_VIEW", "OP_KERNEL",    "OP_COMPOSE"};
    static const char *const RESULTS[] = {"RESULT_PROMOTED", "RESULT_FLOAT", "RESULT_SUM",
                                          "RESULT_BOOL",     "RESULT_INT64", "RESULT_REAL",
                                          "RESULT_OWN"};
    int first = -1;
    for (int i = 0; i < op->params && first < 0; i++)
        if (op->param[i].type == TYPE_TENSOR || op->param[i].type == TYPE_TENSORS)
            first = i;
    for (int i = 0; i < op->params && first < 0; i++)
        if (op->param[i].type == TYPE_OPERAND)
            first = i;
    bool inplace = strcmp(form, "FORM_INPLACE") == 0;
    const char *base = inplace ? text_format("%s_", op->base) : op->base;
    const char *title = inplace && op->inplace_title ? op->inplace_title : op->title;
    if (op->results > 1 && op->result[0].name && strcmp(form, "FORM_FUNCTION") == 0) {
        emit(o, "static const char *const result_names_%s[] = {", op->id);
        for (int i = 0; i < op->results; i++)
            emit(o, "%s\"%s\"", i ? ", " : "", op->result[i].name ? op->result[i].name : "");
        emit_text(o, "};\n");
    }
    emit(o, "const fl_op op_%s = {\n    .name = \"%s\",\n    .base = \"%s\",\n", id, name, base);
    emit(o, "    .called = \"%s\",\n", op->called ? op->called : op->base);
    if (title)
        emit(o, "    .title = \"%s\",\n", title);
    emit(o, "    .kind = %s,\n    .form = %s,\n    .params = %d,\n    .results = %d,\n",
         KINDS[op->kind], form, op->params, op->results);
    emit_text(o, "    .result_type = {");
    for (int i = 0; i < op->results; i++)
        emit(o, "%sTYPE_%s", i ? ", " : "", TYPE_NAMES[op->result[i].type]);
    emit(o, "%s},\n    .optional_results = %#x,\n", op->results ? "" : "0", optional_results(op));
    emit(o, "    .accepts = %u,\n    .result_dtype = %s,\n    .first = %d,\n", op->accepts,
         RESULTS[op->result_dtype], first);
    if (op->kind == KIND_POINTWISE || op->promotes)
        emit_text(o, "    .promotes = true,\n");
    if (op->random)
        emit_text(o, "    .random = true,\n");
    if (op->forms & FORM_INTERNAL && *op->base == '_')
        emit_text(o, "    .internal = true,\n");
    if (op->autocast)
        emit(o, "    .autocast = %d,\n", op->autocast);
    if (op->device)
        emit(o, "    .place = %d,\n", op->device);
    if (op->pairs)
        emit_text(o, "    .pairs = true,\n");
    if (op->keeps)
        emit(o, "    .keeps = %#x,\n", op->keeps);
    if (op->apart)
        emit(o, "    .apart = %#x,\n", op->apart);
    if (op->batch)
        emit(o,
             "    .batch = %d,\n    .batch_tensors = %u,\n    .batch_dims = %u,\n"
             "    .batch_sizes = %u,\n",
             op->batch, op->batch_tensors, op->batch_dims, op->batch_sizes);
    if (op->params)
        emit(o, "    .param = params_%s,\n", op->id);
    emit(o, "    .function = &op_%s,\n", op->id);
    if (op->inplace_id)
        emit(o, "    .inplace = &op_%s,\n", op->inplace_id);
    if (op->out_id)
        emit(o, "    .out = &op_%s,\n", op->out_id);
    const struct {
        const char *member, *prefix;
        bool there;
    } LINKS[] = {{"pointwise", "&pointwise", op->kind == KIND_POINTWISE},
                 {"reduce", "&reduce", op->kind == KIND_REDUCE},
                 {"view", "call_view", op->view != NULL},
                 {"shape", "call_shape", op->shape || op->shape_like >= 0},
                 {"kernel", "call_kernel", op->kernel != NULL},
                 {"compose", "call_compose", op->kind == KIND_COMPOSE},
                 {"batch_compose", "call_batch", op->batch_compose != NULL},
                 {"grad", "&grad", op->recorded && op->kind != KIND_COMPOSE},
                 {"check", "call_check", op->check || op->checks},
                 {"titles", "call_title", op->titles != NULL},
                 {"order", "call_order", op->order_name != NULL},
                 {"result_names", "result_names", op->results > 1 && op->result[0].name},
                 {"gpu", "gpu", op->gpu != NULL}};
    for (size_t i = 0; i < sizeof LINKS / sizeof *LINKS; i++)
        if (LINKS[i].there)
            emit(o, "    .%s = %s_%s,\n", LINKS[i].member, LINKS[i].prefix, op->id);
    emit(o, "    .signature = \"%s\",\n", text_quote(signature_text(op, NULL)));
    emit(o, "    .doc = \"%s\",\n};\n", op->doc ? text_quote(op->doc) : "");
}

struct entry {
    const char *name, *id;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void declare_all(struct out *o, const struct entry *entries, int count)
{
    emit_text(o, "/* The descriptors by name (opgen writes this file from the operator table). */\n"
                 "#ifndef OPS_TABLE_H\n#define OPS_TABLE_H\n\n#include \"ops/op.h\"\n\n");
    for (int i = 0; i < count; i++) {
        if (i && strcmp(entries[i].name, entries[i - 1].name) == 0)
            complain((struct place){"the table", 1, 1}, "two forms have the name %s",
                     entries[i].name);
        emit(o, "extern const fl_op op_%s;\n", entries[i].id);
    }
    emit_text(o, "\n#endif\n");
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->id, ((const struct entry *)b)->id);
}

/* Declares the descriptors that a text names, as op_ID, and no others: a part then changes with its
 * own paragraphs alone. The entries are sorted by id. */
static void declare_used(struct out *o, const char *text, const struct entry *sorted, int count)
{
    static const char NAME[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    bool *used = arena_alloc((size_t)count + 1);
    for (size_t n; *text; text += n) {
        n = strspn(text, NAME);
        if (!n) {
            n = strcspn(text, NAME);
        } else if (strncmp(text, "op_", 3) == 0) {
            const struct entry key = {NULL, text_copy(text + 3, n - 3)};
            const struct entry *found = bsearch(&key, sorted, (size_t)count, sizeof *sorted, by_id);
            if (found)
                used[found - sorted] = true;
        }
    }
    for (int i = 0; i < count; i++)
        if (used[i])
            emit(o, "extern const fl_op op_%s;\n", sorted[i].id);
    emit_text(o, "\n");
}

const char *paragraph_line(const struct op *op, struct place place)
{
    return text_format("#line %d \"%s: %s\"", place.line - op->place.line + 1,
                       text_quote(place.file), op->name);
}

/* The part that an operator's paragraph stands in. */
static int part_of(const struct op *op)
{
    return (int)(text_hash(op->base) % TABLE_FILES);
}

static void paragraph(struct out *o, const struct table *t, struct op *op)
{
    emit(o, "/* ---- %s ---- */\n\n", op->name);
    params(o, op);
    shims(o, op);
    if (op->compose)
        compose_emit_function(o, t, op, op->compose, "call_compose");
    if (op->checks)
        compose_emit_check(o, t, op);
    if (op->batch_compose)
        compose_emit_function(o, t, op, op->batch_compose, "call_batch");
    int number = 0;
    for (struct rule *r = op->rules; r; r = r->next)
        if (r->body)
            compose_emit_rule(o, t, op, r, number++);
    emit_gpu(o, op);
    parts(o, op);
    grad(o, t, op);
    descriptor(o, op, op->name, op->id, "FORM_FUNCTION");
    if (op->inplace_id)
        descriptor(o, op, op->inplace_name, op->inplace_id, "FORM_INPLACE");
    if (op->out_id)
        descriptor(o, op, op->out_name, op->out_id, "FORM_OUT");
    emit_text(o, "\n");
}

/* The loops' tables, by instruction set and file. */
static void loops_table(struct out *o)
{
    emit_text(o, "#define ROW(isa) {");
    for (int f = 0; f < LOOP_FILES; f++)
        emit(o, "%s&ops_loops_%d_##isa", f ? ", " : "", f);
    emit_text(o, "}\n"
                 "const struct ops_loops *const ops_loops[ISA_COUNT][OPS_LOOP_FILES] = {\n"
                 "#if defined(FL_ONLY_ISA)\n"
                 "#define ONLY(isa) ROW(isa)\n"
                 "    [0 ... ISA_COUNT - 1] = ONLY(FL_ONLY_ISA),\n"
                 "#else\n"
                 "    [ISA_GENERIC] = ROW(generic),\n"
                 "#if defined(__x86_64__)\n"
                 "    [ISA_AVX2] = ROW(avx2),\n"
                 "    [ISA_AVX512] = ROW(avx512),\n"
                 "#endif\n"
                 "#endif\n"
                 "};\n");
}

void emit_table(struct out *list, struct out *parts, struct out *header, const struct table *t)
{
    struct entry *entries = arena_alloc((size_t)t->count * 3 * sizeof *entries + 1);
    int count = 0;
    for (const struct op *op = t->first; op; op = op->next) {
        entries[count++] = (struct entry){op->name, op->id};
        if (op->inplace_id)
            entries[count++] = (struct entry){op->inplace_name, op->inplace_id};
        if (op->out_id)
            entries[count++] = (struct entry){op->out_name, op->out_id};
    }
    qsort(entries, (size_t)count, sizeof *entries, by_name);
    declare_all(header, entries, count);
    struct entry *by_ids = arena_alloc((size_t)count * sizeof *by_ids + 1);
    memcpy(by_ids, entries, (size_t)count * sizeof *by_ids);
    qsort(by_ids, (size_t)count, sizeof *by_ids, by_id);
    struct out body[TABLE_FILES] = {{0}};
    for (struct op *op = t->first; op; op = op->next)
        paragraph(&body[part_of(op)], t, op);
    for (int i = 0; i < TABLE_FILES; i++) {
        struct declared_list declared = {NULL, true};
        emit_text(&parts[i], HEAD);
        for (const struct op *op = t->first; op; op = op->next)
            if (part_of(op) == i)
                kernels_declare(&parts[i], &declared, op);
        declare_used(&parts[i], body[i].text ? body[i].text : "", by_ids, count);
        emit_text(&parts[i], body[i].text ? body[i].text : "");
        text_release(&body[i]);
    }
    emit_text(list, "/* All operators, and all loops (opgen writes this file from the table). */\n"
                    "#include \"ops_table.h\"\n\n");
    for (int f = 0; f < LOOP_FILES; f++)
        emit(list, "FL_SIMD_TABLE(struct ops_loops, ops_loops_%d);\n", f);
    emit_text(list, "\nconst fl_op *const ops_all[] = {\n");
    for (int i = 0; i < count; i++)
        emit(list, "    &op_%s,\n", entries[i].id);
    emit(list, "    NULL,\n};\nconst int ops_count = %d;\n\n", count);
    loops_table(list);
}
