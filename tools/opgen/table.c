/* Files to paragraphs to struct op.
 *
 * A file is cut into lines, lines into paragraphs (a line at the left margin begins one) and keys
 * (the first indented line settles how far keys are indented; what is indented deeper continues the
 * key above). A signature goes on over lines while a parenthesis is open.
 */
#include "opgen.h"

#include <string.h>

bool type_is_number(enum type type)
{
    return type == TYPE_SCALAR || type == TYPE_INT || type == TYPE_FLOAT || type == TYPE_BOOL;
}

bool type_is_tensor(enum type type)
{
    return type == TYPE_TENSOR || type == TYPE_OPERAND;
}

int op_param(const struct op *op, const char *name)
{
    for (int i = 0; i < op->params; i++)
        if (strcmp(op->param[i].name, name) == 0)
            return i;
    return -1;
}

static struct op *find(struct op *first, const char *base)
{
    for (struct op *op = first; op; op = op->next)
        if (strcmp(op->base, base) == 0)
            return op;
    return NULL;
}

struct op *table_find(const struct table *t, const char *base)
{
    struct op *op = find(t->first, base);
    return op ? op : find(t->words, base);
}

bool op_is_inlined(const struct op *op)
{
    return op->compose && op->forms & FORM_INTERNAL && op->results == 1 && !op->has_dtypes &&
           !op->title && !op->autocast && !op->batch && !op->checks && !op->check;
}

static bool is_word(const struct op *op)
{
    return op->results == 1 && op->result[0].type == TYPE_STRING;
}

/* ---- checks of one paragraph ---- */

static int bits(uint32_t mask)
{
    return __builtin_popcount(mask);
}

/* Which parameters a pointwise operator's loop reads. */
static void find_operands(struct op *op)
{
    for (int i = 0; i < op->params; i++) {
        struct param *p = &op->param[i];
        if (type_is_tensor(p->type) && op->kind == KIND_POINTWISE) {
            if (p->optional)
                complain(p->place, "a pointwise operator's tensor cannot be optional: compose it");
            if (op->operands == MAX_OPERANDS)
                complain(p->place, "more than %d tensors in a pointwise operator", MAX_OPERANDS);
            else
                op->operand[op->operands++] = i;
        } else if (type_is_number(p->type) && !p->optional && strcmp(p->name, "keepdim") != 0) {
            if (op->scalars == MAX_OPERANDS)
                complain(p->place, "more than %d numbers", MAX_OPERANDS);
            else
                op->scalar[op->scalars++] = i;
        } else if (op->kind == KIND_POINTWISE) {
            complain(p->place, "a pointwise operator's parameters are Tensor, Tensor|Scalar, "
                               "Scalar, float, int or "
                               "bool: compose it");
        }
    }
    if (op->kind == KIND_POINTWISE && !op->operands)
        complain(op->place, "a pointwise operator needs a tensor");
}

static void check_results(struct op *op)
{
    for (int i = 0; i < op->results; i++) {
        enum type type = op->result[i].type;
        if (type == TYPE_STRING && !(is_word(op) && op_is_inlined(op)))
            complain(op->place, "a str is the one result of an internal expression alone");
        if (type == TYPE_TENSOR || op->kind == KIND_COMPOSE || op->kind == KIND_NONE)
            continue;
        complain(op->place, "only a compose operator has a result that is not a Tensor");
    }
    bool single = op->kind == KIND_POINTWISE || op->kind == KIND_REDUCE || op->kind == KIND_VIEW;
    if (single && op->results != 1)
        complain(op->place, "a pointwise, reduce or view operator has one result");
    if (op->kind == KIND_COMPOSE && op->compose && op->results == 0)
        complain(op->place, "an expression has a result: name a function");
}

/* A namespace's functions have its prefix in their schemas; torch.special has others too, and some
 * that begin with masked_ are not in torch.masked. */
static void check_namespace(struct op *op, const struct space *s)
{
    bool prefixed = strncmp(op->base, s->prefix, strlen(s->prefix)) == 0;
    if (prefixed && !(op->forms & (s->form | FORM_INTERNAL)) && s->form != FORM_MASKED)
        complain(op->place, "%s has the prefix %s, but not the form %s", op->name, s->prefix,
                 s->word);
    if (!prefixed && op->forms & s->form && s->form != FORM_SPECIAL)
        complain(op->place, "%s has the form %s: name it %s%s", op->name, s->word, s->prefix,
                 op->base);
    if (op->forms & FORM_INPLACE && op->forms & s->form &&
        !(op->forms & (FORM_METHOD | FORM_FUNCTION)))
        complain(op->place, "%s has an inplace form, a method, but is only in %s", op->name,
                 s->word);
}

static void check_paragraph(struct op *op)
{
    if (op->kind == KIND_NONE) {
        complain(op->place, "%s has no value, step, view, kernel or compose", op->name);
        return;
    }
    check_results(op);
    if (op->kind == KIND_COMPOSE && !op->has_dtypes)
        op->accepts |= ACCEPT_UNSAID;
    /* These do not look at elements: views, and expressions without the key, whose operators decide. */
    if (op->kind == KIND_VIEW || (op->kind == KIND_COMPOSE && op->compose && !op->has_dtypes))
        op->accepts |= ACCEPT_COMPLEX;
    bool valued = false;
    for (int c = 0; c < VALUE_CLASSES; c++)
        valued |= op->value[c] != NULL;
    if (op->kind == KIND_POINTWISE && valued)
        find_operands(op);
    if (op->kind == KIND_REDUCE) {
        if (!op->step || !op->join)
            complain(op->place, "a reduction needs step and join");
        if (!op->params || op->param[0].type != TYPE_TENSOR)
            complain(op->place, "a reduction's first parameter is the Tensor");
        find_operands(op);
    }
    if (op->kind == KIND_KERNEL && !op->writes && op->results && !op->shape && op->shape_like < 0)
        complain(op->place, "a kernel needs a shape");
    if (op->writes && (op->forms & (FORM_INPLACE | FORM_OUT)))
        complain(op->place, "%s is in place by nature: it has no inplace or out form", op->name);
    if ((op->forms & FORM_INPLACE) && (!op->params || op->param[0].type != TYPE_TENSOR ||
                                       op->results != 1 || op->result[0].type != TYPE_TENSOR))
        complain(op->place, "an inplace form needs a Tensor as first parameter and as result");
    bool tensors = true;
    for (int i = 0; i < op->results; i++)
        tensors &= op->result[i].type == TYPE_TENSOR;
    if ((op->forms & FORM_OUT) && !tensors)
        complain(op->place, "an out form needs results that are Tensors");
    if (op->forms & (FORM_VARARGS | FORM_VARARGS_OR_LIST) &&
        (!op->params || op->param[0].type != TYPE_TENSORS))
        complain(op->place, "the forms varargs and varargs_or_list need Tensor[] as the first "
                            "parameter");
    if (op->forms & FORM_EACH && (op->params != 1 || op->param[0].type != TYPE_TENSOR))
        complain(op->place, "the form each needs one parameter, a Tensor");
    if (op->forms & FORM_METHOD && op_param(op, "self") < 0)
        complain(op->place, "a method needs a parameter 'self'");
    for (int i = SPACES_OWN; i < SPACES_COUNT; i++)
        check_namespace(op, &SPACES[i]);
    if (bits(op->truths) && op->kind != KIND_POINTWISE)
        complain(op->place, "truths is for pointwise operators");
}

/* ---- files ---- */

struct reader {
    struct table *table;
    struct op *op;      /* the paragraph being read; NULL after a bad signature */
    struct stretch key; /* its key being read; no text: none */
    bool has_key, has_paragraph;
    int key_indent;
};

static void end_key(struct reader *r)
{
    if (r->has_key && r->op)
        key_parse(r->op, &r->key);
    r->has_key = false;
}

static void end_paragraph(struct reader *r)
{
    end_key(r);
    if (r->op)
        check_paragraph(r->op);
    r->op = NULL;
}

static void begin_paragraph(struct reader *r, const struct stretch *s)
{
    end_paragraph(r);
    r->has_paragraph = true;
    r->key_indent = 0;
    struct op *op = arena_alloc(sizeof *op);
    op->forms = FORM_FUNCTION;
    op->accepts = ACCEPT_REAL;
    op->shape_like = -1;
    if (!signature_parse(op, s))
        return;
    op->family = "others";
    const char *slash = strrchr(s->file, '/');
    if (slash) {
        const char *folder = slash;
        while (folder > s->file && folder[-1] != '/')
            folder--;
        op->family = text_copy(folder, (size_t)(slash - folder));
    }
    r->op = op;
    struct table *t = r->table;
    *(t->last ? &t->last->next : &t->first) = op;
    t->last = op;
    t->count++;
}

/* The end of a signature: where its line ends, or further while a parenthesis is open. */
static size_t signature_end(const char *text, size_t at, size_t size, int *lines)
{
    int open = 0;
    bool comment = false;
    for (*lines = 0; at < size; at++) {
        char c = text[at];
        if (c == '\n') {
            if (open <= 0 || (at + 1 < size && text[at + 1] > ' '))
                return at;
            ++*lines;
            comment = false;
        } else if (c == '#') {
            comment = true;
        } else if (!comment) {
            open += (c == '(') - (c == ')');
        }
    }
    return at;
}

static void read_key_line(struct reader *r, const struct stretch *line, int indent)
{
    struct place place = {line->file, line->line, indent + 1};
    if (!r->has_paragraph) {
        complain(place, "an indented line before any operator");
        return;
    }
    if (r->has_key && indent > r->key_indent) {
        r->key.end = line->end;
        return;
    }
    end_key(r);
    if (r->key_indent && indent != r->key_indent)
        complain(place, "indented by %d, expected %d as the keys above", indent, r->key_indent);
    if (!r->key_indent)
        r->key_indent = indent;
    r->key = *line;
    r->has_key = true;
}

void table_parse(struct table *t, const char *file, const char *text, size_t size)
{
    struct reader r = {.table = t};
    int number = 1;
    for (size_t at = 0; at < size; number++) {
        size_t end = at, first = at;
        while (end < size && text[end] != '\n')
            end++;
        while (first < end && (text[first] == ' ' || text[first] == '\r'))
            first++;
        struct stretch line = {file, text, first, end, at, number};
        if (first < end && text[first] == '\t') {
            complain((struct place){file, number, (int)(first - at) + 1},
                     "found a tab, expected spaces");
        } else if (first < end && text[first] != '#') {
            if (first == at) {
                int lines;
                line.end = end = signature_end(text, at, size, &lines);
                begin_paragraph(&r, &line);
                number += lines;
            } else {
                read_key_line(&r, &line, (int)(first - at));
            }
        }
        at = end + 1;
    }
    end_paragraph(&r);
}

/* ---- across paragraphs ---- */

static const char *camel_case(const char *base)
{
    char *s = arena_alloc(strlen(base) + 1), *to = s;
    bool upper = true;
    for (; *base; base++) {
        if (*base == '_') {
            upper = true;
            continue;
        }
        *to++ = upper && *base >= 'a' && *base <= 'z' ? (char)(*base - 32) : *base;
        upper = *base >= '0' && *base <= '9';
    }
    return s;
}

static void name_forms(struct op *op)
{
    if (op->forms & FORM_INPLACE) {
        op->inplace_name = text_format("%s_%s%s", op->base, *op->overload ? "." : "", op->overload);
        op->inplace_id = text_replace(op->inplace_name, '.', '_');
    }
    if (op->forms & FORM_OUT) {
        bool plain = !*op->overload || (strcmp(op->overload, "Tensor") == 0 && op->order == 0);
        op->out_name = plain ? text_format("%s.out", op->base)
                             : text_format("%s.%s_out", op->base, op->overload);
        op->out_id = text_replace(op->out_name, '.', '_');
    }
}

/* Puts op behind the overloads of its base that came before. */
static void link_overload(struct op *first, struct op *op)
{
    struct op *last = first;
    for (struct op *other = first; other; other = other->next_overload) {
        if (strcmp(other->name, op->name) == 0)
            complain(op->place, "%s is there already, at %s:%d", op->name, other->place.file,
                     other->place.line);
        last = other;
    }
    last->next_overload = op;
    op->order = last->order + 1;
}

/* The number that ends a title, or -1. */
static int title_number(const char *title)
{
    size_t n = title ? strlen(title) : 0;
    return n && title[n - 1] >= '0' && title[n - 1] <= '9' ? title[n - 1] - '0' : -1;
}

/* "CopyBackwards" and the like: PyTorch's nodes that are written by hand. */
static bool is_whole_title(const char *title)
{
    return title && (strstr(title, "Backward") || strcmp(title, "NotImplemented") == 0);
}

/* Whether PyTorch does not know any derivative of the operator: its node then says so. */
static bool is_unknown(const struct op *op)
{
    for (const struct rule *r = op->rules; r; r = r->next)
        if (r->missing && !*r->missing)
            return true;
    return false;
}

/* Titles count the overloads that are recorded; "title Max1" takes a number out of turn. A
 * composite has none unless its paragraph gives one. */
static void title_overloads(struct op *first)
{
    unsigned taken = 0;
    int next = 0, overloads = 0;
    for (struct op *op = first; op; op = op->next_overload, overloads++)
        if (title_number(op->title) >= 0)
            taken |= 1u << title_number(op->title);
    for (struct op *op = first; op; op = op->next_overload) {
        if (is_unknown(op))
            op->title = "NotImplemented";
        if (op->kind == KIND_COMPOSE && !op->title)
            continue;
        if (is_whole_title(op->title)) {
            if (strstr(op->title, "Backward"))
                op->title = text_format("torch::autograd::%s", op->title);
            continue;
        }
        int number = title_number(op->title);
        bool counts = number < 0 && op->kind == KIND_VIEW;
        const char *name = op->title ? op->title : camel_case(op->base);
        if (number >= 0) {
            name = text_copy(name, strlen(name) - 1);
        } else {
            while (next < 32 && (taken >> next & 1))
                next++;
            number = next;
            next += op->recorded || op->kind == KIND_POINTWISE;
        }
        op->title = text_format("%sBackward%d", name, number);
        op->inplace_title =
            counts ? text_format("%sBackward%d", name, number + overloads) : op->title;
    }
}

/* Puts what is a word apart: it exists in the place of its calls alone. */
static void part_words(struct table *t)
{
    struct op **link = &t->first;
    t->last = NULL;
    for (struct op *op = t->first, *next; op; op = next) {
        next = op->next;
        if (!is_word(op)) {
            link = &(t->last = op)->next;
            continue;
        }
        *link = next;
        op->next = t->words;
        t->words = op;
        t->count--;
    }
}

void table_finish(struct table *t)
{
    for (struct op *op = t->first; op; op = op->next) {
        struct op *first = table_find(t, op->base);
        if (op != first)
            link_overload(first, op);
    }
    for (struct op *op = t->first; op; op = op->next) {
        if (op->order == 0)
            title_overloads(op);
        name_forms(op);
    }
    part_words(t);
}

/* ---- gradients ---- */

/* Whether the gradient of a tensor parameter must be told: a floating tensor may come in, and a
 * floating result may depend on it. */
static bool needs_decision(const struct op *op, int p)
{
    enum type type = op->param[p].type;
    if ((!type_is_tensor(type) && type != TYPE_TENSORS) || op->truths >> p & 1)
        return false;
    bool discrete = op->result_dtype == RESULT_BOOL || op->result_dtype == RESULT_INT64;
    if (op->kind == KIND_COMPOSE || (discrete && !op->writes))
        return false;
    bool typed = op->kind == KIND_POINTWISE || p == 0; /* `dtypes` speaks of it */
    return !typed || op->accepts & ACCEPT_FLOATING;
}

/* Silence would mean a constant to the door and an oversight to the author. */
static void check_gradients(const struct op *op)
{
    uint32_t decided = 0;
    bool composed = op->kind == KIND_COMPOSE;
    for (const struct rule *r = op->rules; r; r = r->next) {
        decided |= r->params;
        if (composed && r->body)
            complain(r->place, "a composite's gradient is that of its parts: it has no formula");
        if (r->refused && op->kind != KIND_KERNEL && !composed)
            complain(r->place, "refused is for kernels");
    }
    for (int p = 0; p < op->params; p++)
        if (needs_decision(op, p) && !(decided >> p & 1))
            complain(op->param[p].place,
                     "%s says nothing of the gradient of '%s': give it a formula in grad, or none "
                     "(a constant), or missing (PyTorch has none either: asking for it raises)",
                     op->name, op->param[p].name);
}

void table_check_gradients(const struct table *t)
{
    for (const struct op *op = t->first; op; op = op->next)
        check_gradients(op);
}
