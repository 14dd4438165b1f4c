/* Keys: what the indented lines of a paragraph say. Each has a row in KEYS and a function that
 * reads its text. */
#include "opgen.h"

#include <string.h>

static void key_dtypes(struct op *op, const struct stretch *s, int unused)
{
    static const struct {
        const char *name;
        int accepts, rule; /* rule -1: none */
    } WORDS[] = {{"bool", ACCEPT_BOOL, -1},
                 {"int", ACCEPT_INTEGRAL, -1},
                 {"float", ACCEPT_FLOATING, -1},
                 {"any", ACCEPT_REAL, -1},
                 {"numeric", ACCEPT_INTEGRAL | ACCEPT_FLOATING, -1},
                 {"floating", ACCEPT_FLOATING, -1},
                 {"integral", ACCEPT_INTEGRAL, -1},
                 {"intbool", ACCEPT_INTEGRAL | ACCEPT_BOOL, -1},
                 {"complex", ACCEPT_COMPLEX, -1},
                 {"unsigned", ACCEPT_UNSIGNED, -1},
                 {"float8", ACCEPT_FLOAT8, -1},
                 {"every", ACCEPT_EVERY, -1},
                 {"promoted", 0, RESULT_PROMOTED},
                 {"tofloat", 0, RESULT_FLOAT},
                 {"tosum", 0, RESULT_SUM},
                 {"toreal", 0, RESULT_REAL},
                 {"own", 0, RESULT_OWN}};
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    unsigned accepts = 0;
    while (l.token.kind != TOKEN_END) {
        if (lexer_accept(&l, "->")) {
            if (lexer_is(&l, "bool"))
                op->result_dtype = RESULT_BOOL;
            else if (lexer_is(&l, "int64"))
                op->result_dtype = RESULT_INT64;
            else
                complain(l.token.place, "found %s, expected bool or int64 after '->'",
                         token_text(&l.token));
            lexer_next(&l);
            continue;
        }
        size_t k = 0, count = sizeof WORDS / sizeof *WORDS;
        while (k < count && !lexer_is(&l, WORDS[k].name))
            k++;
        if (k == count) {
            complain(l.token.place,
                     "found %s, expected bool int float any numeric floating integral intbool "
                     "complex unsigned float8 every, or promoted tofloat tosum toreal '-> bool' "
                     "'-> int64' own",
                     token_text(&l.token));
            return;
        }
        accepts |= (unsigned)WORDS[k].accepts;
        if (WORDS[k].rule >= 0) {
            op->result_dtype = (enum rule_dtype)WORDS[k].rule;
            op->promotes |= WORDS[k].rule == RESULT_PROMOTED;
        }
        lexer_next(&l);
    }
    op->has_dtypes = true;
    op->accepts = accepts ? accepts : ACCEPT_REAL;
}

static void key_forms(struct op *op, const struct stretch *s, int unused)
{
    static const struct {
        const char *name;
        enum form form;
    } FORMS[] = {{"function", FORM_FUNCTION},
                 {"method", FORM_METHOD},
                 {"inplace", FORM_INPLACE},
                 {"out", FORM_OUT},
                 {"nn", FORM_NN},
                 {"special", FORM_SPECIAL},
                 {"linalg", FORM_LINALG},
                 {"internal", FORM_INTERNAL},
                 {"varargs", FORM_VARARGS},
                 {"varargs_or_list", FORM_VARARGS_OR_LIST},
                 {"each", FORM_EACH},
                 {"copy", FORM_COPY},
                 {"fft", FORM_FFT},
                 {"masked", FORM_MASKED}};
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    op->forms = 0;
    while (l.token.kind != TOKEN_END) {
        size_t k = 0, count = sizeof FORMS / sizeof *FORMS;
        while (k < count && !lexer_is(&l, FORMS[k].name))
            k++;
        if (k == count) {
            complain(l.token.place,
                     "found %s, expected function method inplace out nn special linalg fft masked "
                     "internal varargs varargs_or_list each copy nn(inplace)",
                     token_text(&l.token));
            return;
        }
        op->forms |= FORMS[k].form;
        lexer_next(&l);
        if (FORMS[k].form == FORM_NN && lexer_accept(&l, "(")) {
            if (!lexer_expect(&l, "inplace", "after 'nn('") ||
                !lexer_expect(&l, ")", "after 'nn(inplace'"))
                return;
            op->forms |= FORM_INPLACE | FORM_NN_INPLACE;
        }
    }
}

enum slot {
    SLOT_VALUE,
    SLOT_INT,
    SLOT_BOOL,
    SLOT_FLOAT,
    SLOT_COMPLEX,
    SLOT_START,
    SLOT_STEP,
    SLOT_JOIN,
    SLOT_FINISH
};

static void set_kind(struct op *op, enum kind kind, struct place place)
{
    static const char *const NAMES[] = {"", "pointwise", "reduce", "view", "kernel", "compose"};
    if (op->kind != KIND_NONE && op->kind != kind)
        complain(place, "this key makes %s a %s operator, but one above made it a %s one", op->name,
                 NAMES[kind], NAMES[op->kind]);
    op->kind = kind;
}

static struct node *whole_expression(const struct stretch *s)
{
    struct lexer l;
    lexer_open(&l, s);
    struct node *n = expr_parse(&l);
    if (n)
        lexer_expect_end(&l, "the expression");
    return n;
}

static void key_expression(struct op *op, const struct stretch *s, int slot)
{
    struct node **slots[] = {&op->value[0], &op->value[1], &op->value[2],
                             &op->value[3], &op->value[4], &op->start,
                             &op->step,     &op->join,     &op->finish};
    struct lexer l;
    lexer_open(&l, s);
    set_kind(op, slot <= SLOT_COMPLEX ? KIND_POINTWISE : KIND_REDUCE, l.token.place);
    *slots[slot] = whole_expression(s);
}

/* "key NAME": the stem of C functions. */
static const char *one_name(const struct stretch *s, const char *what)
{
    struct lexer l;
    lexer_open(&l, s);
    const char *name = l.token.text;
    if (l.token.kind != TOKEN_NAME) {
        complain(l.token.place, "found %s, expected the name of %s", token_text(&l.token), what);
        return NULL;
    }
    lexer_next(&l);
    lexer_expect_end(&l, "the name");
    return name;
}

static void key_view(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->view = one_name(s, "a view function");
    set_kind(op, KIND_VIEW, op->place);
}

static void key_kernel(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->kernel = one_name(s, "a kernel");
    set_kind(op, KIND_KERNEL, op->place);
}

static void key_check(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    if (!lexer_is(&l, "require") && !lexer_is(&l, "for")) {
        op->check = one_name(s, "a check function");
        return;
    }
    op->checks = expr_parse_checks(&l);
    if (op->checks)
        lexer_expect_end(&l, "the requirements");
}

static void key_shape(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    if (!lexer_accept(&l, "like")) {
        op->shape = one_name(s, "a shape function");
        return;
    }
    if (l.token.kind == TOKEN_END) { /* a function of that name */
        op->shape = "like";
        return;
    }
    op->shape_like = l.token.kind == TOKEN_NAME ? op_param(op, l.token.text) : -1;
    if (op->shape_like < 0 || op->param[op->shape_like].type != TYPE_TENSOR) {
        complain(l.token.place, "found %s, expected a Tensor parameter after 'like'",
                 token_text(&l.token));
        op->shape_like = -1;
        return;
    }
    lexer_next(&l);
    lexer_expect_end(&l, "the parameter");
}

static void key_compose(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    set_kind(op, KIND_COMPOSE, op->place);
    struct node *n = whole_expression(s);
    if (n && n->kind == NODE_NAME && op_param(op, n->text) < 0)
        op->compose_name = n->text;
    else
        op->compose = n;
}

static bool grad_param(struct lexer *l, struct op *op, struct rule *rule)
{
    int p = l->token.kind == TOKEN_NAME ? op_param(op, l->token.text) : -1;
    if (p < 0) {
        complain(l->token.place, "found %s, expected a parameter of %s", token_text(&l->token),
                 op->name);
        return false;
    }
    enum type type = op->param[p].type;
    if (!type_is_tensor(type) && type != TYPE_TENSORS) {
        complain(l->token.place, "the parameter '%s' is not a tensor: it has no gradient",
                 l->token.text);
        return false;
    }
    for (struct rule *r = op->rules; r; r = r->next)
        for (int i = 0; i < r->count; i++)
            if (r->order[i] == p)
                complain(l->token.place, "'%s' has a rule already", l->token.text);
    if (rule->count == MAX_RESULTS) {
        complain(l->token.place, "more than %d parameters in one rule", MAX_RESULTS);
        return false;
    }
    rule->order[rule->count++] = p;
    rule->params |= 1u << p;
    lexer_next(l);
    return true;
}

/* The words that stand for a formula; false where there is one. */
static bool grad_word(struct lexer *l, struct rule *rule)
{
    if (lexer_accept(l, "none"))
        return true;
    bool missing = lexer_accept(l, "missing");
    if (!missing && !lexer_accept(l, "refused"))
        return false;
    const char *named = "";
    if (l->token.kind == TOKEN_STRING) {
        named = l->token.text;
        lexer_next(l);
    } else if (!missing) {
        complain(l->token.place, "found %s, expected the name that PyTorch gives the function",
                 token_text(&l->token));
    }
    *(missing ? &rule->missing : &rule->refused) = named;
    return true;
}

static void key_grad(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    op->has_grad = true;
    while (l.token.kind != TOKEN_END) {
        struct rule *rule = arena_alloc(sizeof *rule);
        rule->place = l.token.place;
        do {
            if (!grad_param(&l, op, rule))
                return;
        } while (lexer_accept(&l, ","));
        if (!lexer_expect(&l, ":", "between the parameter and its gradient"))
            return;
        rule->place = l.token.place;
        rule->depends = lexer_accept(&l, "depends")  ? DEPENDS_BY_ZEROS
                        : lexer_accept(&l, "linked") ? DEPENDS_BY_NOTHING
                                                     : DEPENDS_NOT;
        if (rule->depends && l.token.kind == TOKEN_STRING) {
            rule->depends_title = l.token.text;
            lexer_next(&l);
        }
        if (rule->depends || !grad_word(&l, rule)) {
            rule->body = expr_parse(&l);
            if (!rule->body)
                return;
        }
        op->recorded |= rule->body || rule->missing;
        struct rule **last = &op->rules;
        while (*last)
            last = &(*last)->next;
        *last = rule;
    }
}

static void key_random(struct op *op, const struct stretch *s, int unused)
{
    (void)unused, (void)s;
    op->random = true;
}

/* Under autocast: which dtype the tensors are brought to. */
static void key_autocast(struct op *op, const struct stretch *s, int unused)
{
    static const char *const NAMES[] = {"", "lower", "float32", "promote"};
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    for (int k = 1; k < 4; k++)
        if (l.token.kind == TOKEN_NAME && strcmp(l.token.text, NAMES[k]) == 0)
            op->autocast = k;
    if (!op->autocast)
        complain(l.token.place, "found %s, expected lower, float32 or promote",
                 token_text(&l.token));
}

/* Where it runs with tensors of another device. */
static void key_device(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    const char *word = l.token.kind == TOKEN_NAME ? l.token.text : "";
    op->device = strcmp(word, "any") == 0 ? 1 : strcmp(word, "host") == 0 ? 2 : 0;
    if (!op->device)
        complain(l.token.place, "found %s, expected any or host", token_text(&l.token));
}

/* How a batch is run: a word, for `lead`, `fold` and `channels` with the parameters that may have
 * lanes (none: all), number dims or list sizes; or an expression over operators. */
static void key_batch(struct op *op, const struct stretch *s, int unused)
{
    static const char *const WORDS[] = {"", "each", "lead", "align", "fold", "channels"};
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    for (int k = 1; k < 6; k++)
        if (l.token.kind == TOKEN_NAME && strcmp(l.token.text, WORDS[k]) == 0)
            op->batch = k;
    if (!op->batch) {
        op->batch_compose = whole_expression(s);
        return;
    }
    for (lexer_next(&l); l.token.kind != TOKEN_END; lexer_next(&l)) {
        int p = l.token.kind == TOKEN_NAME ? op_param(op, l.token.text) : -1;
        enum type type = p >= 0 ? op->param[p].type : TYPE_STRING;
        if (type_is_tensor(type) || type == TYPE_TENSORS)
            op->batch_tensors |= 1u << p;
        else if (type == TYPE_INT || (type == TYPE_INTS && strncmp(l.token.text, "dim", 3) == 0))
            op->batch_dims |= 1u << p;
        else if (type == TYPE_INTS)
            op->batch_sizes |= 1u << p;
        else
            complain(l.token.place, "found %s, expected a tensor, int or int[] parameter of %s",
                     token_text(&l.token), op->name);
    }
}

/* Parameters' names, as bits. */
enum {
    BITS_TRUTHS,
    BITS_PROMOTED,
    BITS_ROUNDED,
    BITS_EXACT,
    BITS_UNBOUNDED,
    BITS_KEEPS,
    BITS_NUMBERS,
    BITS_APART
};

static void key_bits(struct op *op, const struct stretch *s, int which)
{
    static const enum type TYPE[] = {TYPE_TENSOR, TYPE_SCALAR, TYPE_SCALAR, TYPE_OPERAND,
                                     TYPE_INTS,   TYPE_TENSOR, TYPE_TENSOR, TYPE_TENSOR};
    static const char *const WANTED[] = {"Tensor", "Scalar",
                                         "Scalar", "Tensor|Scalar",
                                         "int[]",  "Tensor or Tensor[]",
                                         "Tensor", "Tensor or Tensor[]"};
    uint32_t *bits[] = {&op->truths,    &op->promoted, &op->rounded, &op->exact,
                        &op->unbounded, &op->keeps,    &op->numbers, &op->apart};
    struct lexer l;
    lexer_open(&l, s);
    for (; l.token.kind != TOKEN_END; lexer_next(&l)) {
        int p = l.token.kind == TOKEN_NAME ? op_param(op, l.token.text) : -1;
        bool fits =
            p >= 0 &&
            (op->param[p].type == TYPE[which] ||
             ((which == BITS_KEEPS || which == BITS_APART) && op->param[p].type == TYPE_TENSORS));
        if (!fits)
            complain(l.token.place, "found %s, expected a %s parameter of %s", token_text(&l.token),
                     WANTED[which], op->name);
        else
            *bits[which] |= 1u << p;
    }
}

/* Where the token that has just been read begins. */
static size_t token_start(const struct lexer *l)
{
    return l->token.kind == TOKEN_END ? l->end : l->line_start + (size_t)l->token.place.column - 1;
}

/* Arguments of a sample call: their names are parameters', their values expressions. */
static void key_try(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct sample *sample = arena_alloc(sizeof *sample), **last = &op->samples;
    struct lexer l;
    lexer_open(&l, s);
    while (l.token.kind != TOKEN_END) {
        int p = l.token.kind == TOKEN_NAME ? op_param(op, l.token.text) : -1;
        if (p < 0) {
            complain(l.token.place, "found %s, expected a parameter of %s", token_text(&l.token),
                     op->name);
            return;
        }
        lexer_next(&l);
        if (!lexer_expect(&l, "=", "after the parameter"))
            return;
        size_t start = token_start(&l);
        if (!expr_parse(&l))
            return;
        sample->value[p] =
            text_replace(text_copy(s->text + start, token_start(&l) - start), '\n', ' ');
        if (l.token.kind != TOKEN_END && !lexer_expect(&l, ",", "between arguments"))
            return;
    }
    while (*last)
        last = &(*last)->next;
    *last = sample;
}

static void key_title(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->title = one_name(s, "the node in the graph");
}

static void key_titles(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->titles = one_name(s, "a function that names the node");
}

static void key_order(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->order_name = one_name(s, "a function that orders what the node came from");
}

/* "[NAME...]" */
static void key_pairs(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->pairs_text = text_copy(s->text + s->at, s->end - s->at);
    op->pairs = pairs_of(op, op->base);
}

static void key_called(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->called = one_name(s, "PyTorch's name of the kernel");
}

static void key_cname(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->cname = one_name(s, "the C function, without fl_");
}

static void key_alias(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    struct lexer l;
    lexer_open(&l, s);
    op->alias = "";
    do {
        if (l.token.kind != TOKEN_NAME) {
            complain(l.token.place, "found %s, expected another name of %s", token_text(&l.token),
                     op->base);
            return;
        }
        op->alias = text_format("%s %s", op->alias, l.token.text);
        lexer_next(&l);
    } while (l.token.kind != TOKEN_END);
    if (op->kind == KIND_VIEW || op->writes)
        complain(op->place, "what %s is has no alias", op->name);
}

static void key_scatter(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    op->scatter = text_copy(s->text + s->at, s->end - s->at);
    if (op->kind != KIND_VIEW)
        complain((struct place){s->file, s->line, (int)(s->at - s->line_start) + 1},
                 "only a view has a scatter, and %s is none so far", op->name);
}

/* Lines trimmed by the indentation of the second one. */
static void key_doc(struct op *op, const struct stretch *s, int unused)
{
    (void)unused;
    char *doc = arena_alloc(s->end - s->at + 1), *to = doc;
    int indent = -1;
    for (size_t at = s->at; at < s->end;) {
        size_t end = at, skip = at;
        while (end < s->end && s->text[end] != '\n')
            end++;
        while (skip < end && (s->text[skip] == ' ' || s->text[skip] == '\r'))
            skip++;
        if (at > s->at) {
            *to++ = '\n';
            if (skip < end && indent < 0)
                indent = (int)(skip - at);
            if (skip < end && (int)(skip - at) > indent)
                skip = at + (size_t)indent;
        }
        size_t last = end;
        while (last > skip && (s->text[last - 1] == ' ' || s->text[last - 1] == '\r'))
            last--;
        for (; skip < last; skip++)
            if (s->text[skip])
                *to++ = s->text[skip];
        at = end + 1;
    }
    while (to > doc && to[-1] == '\n')
        to--;
    *to = 0;
    op->doc = doc;
}

static const struct key {
    const char *name;
    void (*parse)(struct op *op, const struct stretch *s, int argument);
    int argument;
    bool repeats;
} KEYS[] = {
    {"dtypes", key_dtypes, 0, false},
    {"forms", key_forms, 0, false},
    {"value", key_expression, SLOT_VALUE, false},
    {"value.int", key_expression, SLOT_INT, false},
    {"value.bool", key_expression, SLOT_BOOL, false},
    {"value.float", key_expression, SLOT_FLOAT, false},
    {"value.complex", key_expression, SLOT_COMPLEX, false},
    {"start", key_expression, SLOT_START, false},
    {"step", key_expression, SLOT_STEP, false},
    {"join", key_expression, SLOT_JOIN, false},
    {"finish", key_expression, SLOT_FINISH, false},
    {"view", key_view, 0, false},
    {"shape", key_shape, 0, false},
    {"kernel", key_kernel, 0, false},
    {"check", key_check, 0, false},
    {"compose", key_compose, 0, false},
    {"grad", key_grad, 0, true},
    {"random", key_random, 0, false},
    {"autocast", key_autocast, 0, false},
    {"device", key_device, 0, false},
    {"batch", key_batch, 0, false},
    {"truths", key_bits, BITS_TRUTHS, false},
    {"promotes", key_bits, BITS_PROMOTED, false},
    {"rounds", key_bits, BITS_ROUNDED, false},
    {"exact", key_bits, BITS_EXACT, false},
    {"unbounded", key_bits, BITS_UNBOUNDED, false},
    {"keeps", key_bits, BITS_KEEPS, false},
    {"numbers", key_bits, BITS_NUMBERS, false},
    {"apart", key_bits, BITS_APART, false},
    {"try", key_try, 0, true},
    {"title", key_title, 0, false},
    {"titles", key_titles, 0, false},
    {"order", key_order, 0, false},
    {"pairs", key_pairs, 0, false},
    {"cname", key_cname, 0, false},
    {"called", key_called, 0, false},
    {"alias", key_alias, 0, false},
    {"scatter", key_scatter, 0, false},
    {"doc", key_doc, 0, false},
};

void key_parse(struct op *op, const struct stretch *line)
{
    size_t end = line->at;
    while (end < line->end && line->text[end] > ' ')
        end++;
    const char *name = text_copy(line->text + line->at, end - line->at);
    struct place place = {line->file, line->line, (int)(line->at - line->line_start) + 1};
    for (size_t k = 0; k < sizeof KEYS / sizeof *KEYS; k++) {
        if (strcmp(KEYS[k].name, name) != 0)
            continue;
        while (end < line->end && (line->text[end] == ' ' || line->text[end] == '\t'))
            end++;
        struct stretch rest = *line;
        rest.at = end;
        if ((op->keys >> k & 1) && !KEYS[k].repeats)
            complain(place, "the key '%s' is there twice", name);
        op->keys |= UINT64_C(1) << k;
        if (!strstr(" doc cname alias scatter pairs ", text_format(" %s ", name)))
            op->lines = text_format("%s    %s %s\n", op->lines ? op->lines : "", name,
                                    text_copy(line->text + end, line->end - end));
        KEYS[k].parse(op, &rest, KEYS[k].argument);
        return;
    }
    complain(
        place,
        "found the key '%s', expected dtypes forms value start step join finish view shape kernel "
        "check compose grad random autocast device batch truths promotes rounds exact unbounded "
        "keeps numbers apart try title titles order pairs cname called alias scatter or doc",
        name);
}
