/* The texts of loops: of the values of pointwise operators, for every compute type an operator needs, and
 * of the steps of reductions.
 *
 * In a text the operands are x0, x1..., the scalars s0, s1...; the lines "#line ^" and "#line @" stand
 * for the place in the table and in the written file, LOOP_INDEX for the loop's index (emit_loops.c).
 */
#include "opgen.h"

#include <string.h>

/* ---- pointwise ---- */

/* Whether an expression is made of scalars and numbers alone, so that it can be settled before the
 * loop. */
static bool is_uniform(const struct node *n, const struct loop_spec *spec)
{
    if (n->kind == NODE_NAME)
        for (int i = 0; i < spec->operands; i++)
            if (strcmp(spec->operand[i], n->text) == 0)
                return false;
    if (n->kind == NODE_THEN || n->kind == NODE_CALL)
        return false;
    for (const struct node *c = n->child; c; c = c->next)
        if (!is_uniform(c, spec))
            return false;
    return true;
}

static bool bind_names(struct element *e, const struct loop_spec *spec)
{
    for (int i = 0; i < spec->operands + spec->scalars; i++) {
        struct binding *b = arena_alloc(sizeof *b);
        bool operand = i < spec->operands;
        int k = operand ? i : i - spec->operands;
        *b = (struct binding){operand ? spec->operand[k] : spec->scalar[k],
                              text_format(operand ? "x%d" : "s%d", k),
                              operand && (spec->truths >> k & 1), e->bindings};
        e->bindings = b;
    }
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Whether a text has the name x0, or s1... */
static bool mentions(const char *text, char letter, int k)
{
    const char *name = text_format("%c%d", letter, k);
    size_t n = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += n)
        if ((at == text || !is_word(at[-1])) && !is_word(at[n]))
            return true;
    return false;
}

/* Calls of one of `functions` (a list that ends with NULL) with these arguments become calls of
 * what it is near; `test` then asks for that too. */
static const char *replace_far(const char *loop, const char *const *functions, const char *bits,
                               const char *arguments, const char *all_near, const char **test)
{
    const char *near = loop;
    for (; *functions; functions++)
        near = text_substitute(near, text_format("m_%s_%s(%s)", *functions, bits, arguments),
                               text_format("m_%s_near_%s(%s)", *functions, bits, arguments));
    if (strcmp(near, loop) != 0)
        *test = text_format("%s%s%s", *test, **test ? " && " : "", all_near);
    return near;
}

/* What a quotient is made of, by its name in the loop: where it is in a block, and by which step. */
struct side {
    const char *name, *where;
};
static struct side side_of(const struct loop_spec *spec, int k)
{
    if (k < spec->operands)
        return (struct side){text_format("x%d", k), text_format("d%d + from, 1", k)};
    k -= spec->operands;
    return (struct side){text_format("s%d", k), text_format("&s%d, 0", k)};
}

/* erfinv of an operand is made by blocks first, and made again where numbers are near 1 or tiny:
 * adds the blocks to `made` and the question to `test`. *far: the loop for blocks with such numbers. */
static const char *replace_inner(const struct loop_spec *spec, const char *near, const char **far,
                                 const char **made, const char **test)
{
    for (int k = 0; k < spec->operands; k++) {
        const char *call = text_format("m_erfinv_f32(x%d)", k);
        if (!strstr(near, call))
            continue;
        near = text_substitute(near, call, text_format("((void)x%d, inner%d[i - from])", k, k));
        *far = text_substitute(*far, call,
                               text_format("m_erfinv_outer_f32(x%d, inner%d[i - from])", k, k));
        *made = text_format("%s    float inner%d[M_INNER_BLOCK];\n    const bool all_inner%d = "
                            "m_erfinv_inner_block_f32(d%d + from, inner%d, to - from);\n",
                            *made, k, k, k, k);
        *test = text_format("%s%sall_inner%d", *test, **test ? " && " : "", k);
    }
    return near;
}

/* A loop that calls sin, fmod or erfinv of operands themselves, or one of their kin, is written
 * twice, and chooses block by block: where all angles, quotients or numbers are near 0, functions
 * that leave out the far ones give the same bits several times faster. */
static const char *choose_near(const struct loop_spec *spec, const char *loop)
{
    static const char *const angles[] = {"sin", "cos", "tan", NULL},
                             *const quotients[] = {"fmod",     "remainder", "floor_divide",
                                                   "floordiv", "mod",       NULL};
    const char *bits = compute_name(spec->type), *near = loop, *far = loop, *made = "", *test = "";
    if (spec->type == I32 || spec->type >= C64) /* have no far ones */
        return loop;
    for (int k = 0; k < spec->operands; k++) {
        const char *x = text_format("x%d", k), *numbers = text_format("(d%d + from, to - from)", k);
        near = replace_far(near, angles, bits, x, text_format("m_all_near_%s%s", bits, numbers),
                           &test);
    }
    for (int k = 0; k < spec->operands + spec->scalars; k++)
        for (int l = 0; l < spec->operands + spec->scalars; l++) {
            const struct side a = side_of(spec, k), b = side_of(spec, l);
            near = replace_far(
                near, quotients, bits, text_format("%s, %s", a.name, b.name),
                text_format("m_all_quotients_near_%s(%s, %s, to - from)", bits, a.where, b.where),
                &test);
        }
    if (spec->type == F32)
        near = replace_inner(spec, near, &far, &made, &test);
    if (!*test)
        return loop;
    const char *whole = "i = 0; i < n;", *block = "i = from; i < to;";
    const char *size = *made ? "M_INNER_BLOCK" : "M_NEAR_BLOCK";
    return text_format("    for (int64_t from = 0, to; from < n; from = to) {\n"
                       "    to = n - from > %s ? from + %s : n;\n%s"
                       "    if (%s) {\n%s    } else {\n%s    }\n    }\n",
                       size, size, made, test, text_substitute(near, whole, block),
                       text_substitute(far, whole, block));
}

/* Whether a value of bfloat16 operands is one itself: it chooses among them, their integer parts, 0 and 1,
 * and changes signs, so that nothing is to be rounded. */
static bool is_bfloat_exact(const struct loop_spec *spec, const char *value)
{
    static const char *const ROUND[] = {" + ", " - ", " * ", " / ", "sqrt", "fma"};
    for (size_t i = 0; i < sizeof ROUND / sizeof *ROUND; i++)
        if (strstr(value, ROUND[i]))
            return false;
    for (int i = 0; i < spec->scalars; i++)
        if (mentions(value, 's', i))
            return false;
    for (const char *point = value; (point = strchr(point, '.')); point++)
        if (point == value || (point[-1] != '0' && point[-1] != '1') ||
            strncmp(point, ".0f", 3) != 0 || (point - value > 1 && is_word(point[-2])))
            return false;
    return true;
}

/* The loop for one expression; conditions that do not depend on elements become ifs around loops.
 */
static const char *loop_text(const struct loop_spec *spec, const struct node *n, int depth)
{
    struct element e = {
        .table = spec->table, .type = spec->type, .quiet = spec->quiet, .gpu = spec->gpu};
    bool truth = false;
    e.hoists = !spec->gpu;
    if (spec->op)
        e.inlined[e.depth++] = spec->op;
    bind_names(&e, spec);
    if (n->kind == NODE_COND && depth < 10 && is_uniform(n->child, spec)) {
        const char *condition = element_lower(&e, n->child, &truth);
        const char *yes = condition ? loop_text(spec, n->child->next, depth + 1) : NULL;
        const char *no = yes ? loop_text(spec, n->child->next->next, depth + 1) : NULL;
        return no ? text_format("    if (%s) {\n%s    } else {\n%s    }\n", condition, yes, no)
                  : NULL;
    }
    const char *value = element_lower(&e, n, &truth);
    if (!value)
        return NULL;
    if (spec->truth_result && !truth)
        value = text_format("%s != 0", value);
    const char *loads = "", *type = compute_ctype(spec->type);
    const char *widen = spec->stored == BF16 ? "bf16_to_float" : "";
    const char *both = text_format("%s%s", e.statements ? e.statements : "", value);
    const bool exact = spec->stored == BF16 && !spec->truth_result && !truth && !e.statements &&
                       is_bfloat_exact(spec, value);
    if (exact)
        value = text_format("m_bits_f32(%s) >> 16", value);
    if (spec->gpu) {
        for (int i = 0; i < spec->operands; i++)
            if (mentions(both, 'x', i))
                loads = text_format("%s        const %s x%d = FL_LOAD%s(%d, i);\n", loads,
                                    spec->truths >> i & 1 ? "int" : "T", i,
                                    spec->truths >> i & 1 ? "_BOOL" : "", i);
        return text_format("    FL_EACH(i) {\n%s        %sFL_STORE%s(i, %s);\n    }\n", loads,
                           e.statements ? e.statements : "", spec->truth_result ? "_BOOL" : "",
                           value);
    }
    for (int i = 0; i < spec->operands; i++)
        if (mentions(both, 'x', i))
            loads = spec->truths >> i & 1
                        ? text_format("%s        const int8_t x%d = d%d[i] != 0;\n", loads, i, i)
                        : text_format("%s        const %s x%d = %s(d%d[i]);\n", loads, type, i,
                                      widen, i);
    const char *loop =
        text_format("%s%s%sINDEPENDENT\n    for (int64_t i = 0; i < n; i++) {\n%s#line ^\n      "
                    "  %sy[i] = %s%s;\n"
                    "#line @\n    }\n",
                    e.before ? "#line ^\n    " : "", e.before ? e.before : "",
                    e.before ? "\n#line @\n" : "", loads, e.statements ? e.statements : "",
                    spec->truth_result     ? "(uint8_t)"
                    : exact                ? "(uint16_t)"
                    : spec->stored == BF16 ? "float_to_bf16"
                    : spec->stored         ? text_format("(%s)", compute_ctype(spec->stored))
                                           : "",
                    truth && spec->truth_result ? value : text_format("(%s)", value));
    return choose_near(spec, loop);
}

/* Scalar number i of a loop, in its compute type. */
static const char *scalar_text(enum compute type, int i)
{
    if (type == C64 || type == C128)
        return text_format("m_pair_%s(scalars[%d].c)", compute_name(type), i);
    return text_format("(%s)scalars[%d].%s", compute_ctype(type), i, type <= F64 ? "f" : "i");
}

const char *loop_body(const struct loop_spec *spec, const struct node *n)
{
    const char *type = compute_ctype(spec->type);
    const char *stored = spec->stored ? compute_ctype(spec->stored) : type;
    const char *text = loop_text(spec, n, 0);
    if (!text || spec->gpu)
        return text;
    const char *head =
        text_format("    %s *y = (%s *)data[0];\n", spec->truth_result ? "uint8_t" : stored,
                    spec->truth_result ? "uint8_t" : stored);
    for (int i = 0; i < spec->operands; i++) {
        const char *own = spec->truths >> i & 1 ? "uint8_t" : stored;
        if (mentions(text, 'x', i))
            head = text_format("%s    const %s *d%d = (const %s *)data[%d];\n", head, own, i, own,
                               i + 1);
    }
    bool scalars = false;
    for (int i = 0; i < spec->scalars; i++) {
        if (!mentions(text, 's', i))
            continue;
        scalars = true;
        const enum compute held = spec->stored && spec->type == I32 ? spec->stored : spec->type;
        head = text_format("%s    const %s s%d = %s;\n", head, compute_ctype(held), i,
                           scalar_text(held, i));
    }
    return text_format("static void loop_" LOOP_INDEX
                       "(int64_t n, char *const *data, const union loop_scalar *scalars)\n"
                       "{\n%s%s%s}\n",
                       head, scalars ? "" : "    (void)scalars;\n", text);
}

/* Whether an operator needs loops of that compute type, and which of its values they are made from.
 */
static struct node *value_for(const struct op *op, enum compute type, bool *needed)
{
    bool is_float = type == F32 || type == F64, is_complex = type == C64 || type == C128;
    if (is_complex)
        *needed = op->accepts & ACCEPT_COMPLEX;
    else if (op->result_dtype == RESULT_FLOAT)
        *needed = is_float;
    else
        *needed = op->accepts & (is_float ? ACCEPT_FLOATING : ACCEPT_INTEGRAL);
    if (is_complex && op->value[VALUE_COMPLEX])
        return op->value[VALUE_COMPLEX];
    struct node *n = op->value[is_float || is_complex ? VALUE_FLOAT : VALUE_INT];
    return n ? n : op->value[VALUE_ANY];
}

static void spec_names(struct loop_spec *spec, const struct op *op)
{
    spec->operands = op->operands, spec->scalars = op->scalars;
    for (int i = 0; i < op->operands; i++) {
        spec->operand[i] = op->param[op->operand[i]].name;
        if (op->truths >> op->operand[i] & 1)
            spec->truths |= 1u << i;
    }
    for (int i = 0; i < op->scalars; i++)
        spec->scalar[i] = op->param[op->scalar[i]].name;
}

/* The loop over bools: bytes in, bytes out, and what is between computed as C does with ints. */
static void bool_loop(struct loop_spec *spec, struct op *op)
{
    bool needed;
    struct node *n = value_for(op, I32, &needed);
    if (op->value[VALUE_BOOL])
        n = op->value[VALUE_BOOL];
    if (!(op->accepts & ACCEPT_BOOL) || op->result_dtype == RESULT_FLOAT)
        return;
    if (!n) {
        complain(op->place, "%s has no value for bools", op->name);
        return;
    }
    spec->type = I32, spec->truth_result = true;
    spec->truths = (1u << spec->operands) - 1;
    const char *body = loop_body(spec, n);
    if (body)
        op->loop[TRUTHS] = loop_add(op, body, n->place);
}

/* Whether a loop only compares and chooses, so that no value is outside the elements' own type. */
static bool only_chooses(const char *body)
{
    for (const char *at = strstr(body, "#line ^"); at; at = strstr(at + 1, "#line ^"))
        for (const char *c = at + 7; *c && *c != '#'; c++) {
            const bool twice = c[1] == *c;
            if (strchr("+-*/%~^", *c) || (strchr("<>", *c) && twice) ||
                (strchr("&|", *c) && !twice))
                return false;
            c += twice;
        }
    return true;
}

/* Quotients and remainders of the operands themselves are exact in float where both have 16 bits at most,
 * and vectors hold twice as many floats as doubles. */
static const char *divide_narrow(const struct loop_spec *spec, const char *body)
{
    static const char *const quotients[] = {"floordiv", "mod"};
    for (int q = 0; q < 2; q++)
        for (int k = 0; k < spec->operands + spec->scalars; k++)
            for (int l = 0; l < spec->operands + spec->scalars; l++) {
                const char *call =
                    text_format("(%s, %s)", side_of(spec, k).name, side_of(spec, l).name);
                body = text_substitute(body, text_format("m_%s_i32%s", quotients[q], call),
                                       text_format("m_%s_i16%s", quotients[q], call));
            }
    return body;
}

/* Whether a loop calls a function that is not for narrow integers. */
static bool calls_wide(const char *body)
{
    const char *at = body;
    while ((at = strstr(at, "m_")) &&
           (strncmp(at, "m_floordiv_i16", 14) == 0 || strncmp(at, "m_mod_i16", 9) == 0))
        at += 2;
    return at != NULL;
}

/* The loops over narrow integers, of values without a call: those vectorise in the width of their
 * elements, as far as compilers can prove that no wider bit counts. Others gain little. */
static void narrow_loops(struct loop_spec *spec, struct op *op)
{
    bool needed;
    struct node *n = value_for(op, I32, &needed);
    spec->type = I32;
    for (int stored = U8; needed && stored <= I16; stored++) {
        spec->stored = (enum compute)stored;
        const char *body = loop_body(spec, n), *own = compute_ctype(spec->stored);
        if (!body || calls_wide(body = divide_narrow(spec, body)))
            continue;
        if (only_chooses(body))
            body = text_substitute(body, "const int32_t ", text_format("const %s ", own));
        op->loop[stored] = loop_add(op, body, n->place);
    }
    spec->stored = F32;
}

bool loop_calls_little(const char *body)
{
    static const char *const LITTLE[] = {"abs",   "copysign", "fma",   "floor",   "ceil",
                                         "trunc", "bits",     "round", "maximum", "minimum",
                                         "sqrt",  "isnan",    "isinf"};
    for (const char *at = body; (at = strstr(at, "m_")); at += 2) {
        bool found = false;
        for (size_t i = 0; i < sizeof LITTLE / sizeof *LITTLE && !found; i++) {
            const size_t length = strlen(LITTLE[i]);
            found =
                strncmp(at + 2, LITTLE[i], length) == 0 && strncmp(at + 2 + length, "_f32", 4) == 0;
        }
        if (!found)
            return false;
    }
    return true;
}

/* The loop over bfloat16, of values that cost no more than staging would. */
static void bfloat_loop(struct loop_spec *spec, struct op *op)
{
    bool needed;
    struct node *n = value_for(op, F32, &needed);
    spec->type = F32, spec->stored = BF16;
    const char *body = needed && n ? loop_body(spec, n) : NULL;
    if (body && loop_calls_little(body))
        op->loop[BF16] = loop_add(op, body, n->place);
    spec->stored = F32;
}

static void pointwise_loops(const struct table *t, struct op *op)
{
    struct loop_spec spec = {.table = t, .op = op, .truth_result = op->result_dtype == RESULT_BOOL};
    spec_names(&spec, op);
    for (int type = F32; type < COMPUTE_TYPES; type++) {
        bool needed;
        struct node *n = value_for(op, (enum compute)type, &needed);
        if (!needed)
            continue;
        if (!n) {
            complain(op->place, "%s has no value for %s", op->name,
                     type < I32   ? "floats"
                     : type < C64 ? "integers"
                                  : "complex numbers");
            return;
        }
        spec.type = (enum compute)type;
        const char *body = loop_body(&spec, n);
        if (!body)
            return; /* one complaint for one expression */
        op->loop[type] =
            type < C64 ? loop_add(op, body, n->place) : complex_loop_add(op, body, n->place);
    }
    narrow_loops(&spec, op);
    bfloat_loop(&spec, op);
    bool_loop(&spec, op);
}

/* ---- reductions ---- */

const char *reduce_step(const struct table *t, const struct op *op, const struct node *n,
                        enum compute type, const char *const names[2], bool gpu)
{
    struct element e = {.table = t, .type = type, .gpu = gpu, .quiet = gpu};
    bool truth = false;
    for (int i = 0; i < 2 && names[i]; i++) {
        struct binding *b = arena_alloc(sizeof *b);
        *b = (struct binding){names[i], names[i], false, e.bindings};
        e.bindings = b;
    }
    for (int i = 0; i < op->scalars; i++) {
        struct binding *b = arena_alloc(sizeof *b);
        *b = (struct binding){op->param[op->scalar[i]].name, text_format("s%d", i), false,
                              e.bindings};
        e.bindings = b;
    }
    const char *value = element_lower(&e, n, &truth);
    const char *before = e.statements ? e.statements : "";
    if (gpu)
        return value ? text_format("    %sreturn %s;\n", before, value) : NULL;
    return value ? text_format("#line ^\n    %sreturn %s;\n#line @\n", before, value) : NULL;
}

/* Replaces the words of a template: T the type, PARAMS and ARGS the scalars, L the number of lanes,
 * N the index. */
static const char *fill(const char *text, const char *type, const char *params, const char *args,
                        int lanes)
{
    const char *words[][2] = {
        {"$T", type}, {"$P", params}, {"$A", args}, {"$L", text_format("%d", lanes)}};
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        const char *at;
        while ((at = strstr(text, words[k][0])))
            text = text_format("%.*s%s%s", (int)(at - text), text, words[k][1], at + 2);
    }
    return text;
}

static const char *function(const char *name, const char *arguments, const char *body,
                            const char *params)
{
    return text_format("static inline $T %s_" LOOP_INDEX "(%s%s)\n{\n%s}\n", name, arguments,
                       params, body);
}

/* Lanes: enough for four vectors of AVX2 registers, the same everywhere, and in the middle of a
 * block twice as many, so that an addition need not wait for the last; joined in a tree. Longer
 * runs are halved, so that rounding errors grow with the logarithm of the length. */
static const char INNER[] =
    "static $T block_" LOOP_INDEX "(int64_t n, const $T *x$P)\n"
    "{\n"
    "    int64_t i = 0;\n"
    "    if (n < $L) {\n"
    "        $T acc = $F;\n"
    "        for (; i < n; i++)\n"
    "            acc = step_" LOOP_INDEX "(acc, x[i]$A);\n"
    "        return acc;\n"
    "    }\n"
    "    $T lane[$L], more[$L];\n"
    "    for (int l = 0; l < $L; l++)\n"
    "        lane[l] = $G;\n"
    "    i += $I;\n"
    "    if (n - i >= 2 * $L) {\n"
    "        for (int l = 0; l < $L; l++)\n"
    "            more[l] = $G;\n"
    "        i += $I;\n"
    "        for (; i + 2 * $L <= n; i += 2 * $L) {\n"
    "$U            for (int l = 0; l < $L; l++)\n"
    "                lane[l] = step_" LOOP_INDEX "(lane[l], x[i + l]$A);\n"
    "$U            for (int l = 0; l < $L; l++)\n"
    "                more[l] = step_" LOOP_INDEX "(more[l], x[i + $L + l]$A);\n"
    "        }\n"
    "        for (int l = 0; l < $L; l++)\n"
    "            lane[l] = join_" LOOP_INDEX "(lane[l], more[l]$A);\n"
    "    }\n"
    "    for (; i + $L <= n; i += $L)\n"
    "        for (int l = 0; l < $L; l++)\n"
    "            lane[l] = step_" LOOP_INDEX "(lane[l], x[i + l]$A);\n"
    "    const int left = (int)(n - i);\n"
    "    for (int l = 0; l < $L; l++) /* where loads can be masked, by vectors */\n"
    "        lane[l] = l < left ? step_" LOOP_INDEX "(lane[l], x[i + l]$A) : lane[l];\n"
    "#pragma GCC unroll 5\n"
    "    for (int w = $L / 2; w; w /= 2)\n"
    "        for (int l = 0; l < w; l++)\n"
    "            lane[l] = join_" LOOP_INDEX "(lane[l], lane[l + w]$A);\n"
    "    return lane[0];\n"
    "}\n"
    "static $T tree_" LOOP_INDEX "(int64_t n, const $T *x$P)\n"
    "{\n"
    "    if (n <= 4096)\n"
    "        return block_" LOOP_INDEX "(n, x$A);\n"
    "    int64_t half = (n / 2 + 4095) / 4096 * 4096;\n"
    "    const $T a = tree_" LOOP_INDEX "(half, x$A), b = tree_" LOOP_INDEX
    "(n - half, x + half$A);\n"
    "    return join_" LOOP_INDEX "(a, b$A);\n"
    "}\n"
    "static void inner_" LOOP_INDEX
    "(int64_t n, const void *x, void *acc, const union loop_scalar *scalars)\n"
    "{\n"
    "$S    *($T *)acc = tree_" LOOP_INDEX "(n, x$A);\n"
    "}\n";

/* Rows are stepped four at a time, so that what was reached is read and written once for them all. */
static const char ROWS[] =
    "static void step_over_" LOOP_INDEX
    "(int64_t n, void *acc, const void *x, int64_t rows, int64_t apart, const union loop_scalar "
    "*scalars)\n"
    "{\n"
    "$S    $T *a = acc;\n"
    "    const $T *b = x;\n"
    "    for (; rows >= 4; rows -= 4, b += 4 * apart) {\n"
    "        const $T *c = b + apart, *d = c + apart, *e = d + apart;\n"
    "INDEPENDENT\n"
    "        for (int64_t i = 0; i < n; i++) {\n"
    "            const $T two = step_" LOOP_INDEX "(step_" LOOP_INDEX "(a[i], b[i]$A), c[i]$A);\n"
    "            a[i] = step_" LOOP_INDEX "(step_" LOOP_INDEX "(two, d[i]$A), e[i]$A);\n"
    "        }\n"
    "    }\n"
    "    for (; rows; rows--, b += apart) {\n"
    "INDEPENDENT\n"
    "        for (int64_t i = 0; i < n; i++)\n"
    "            a[i] = step_" LOOP_INDEX "(a[i], b[i]$A);\n"
    "    }\n"
    "}\n";

static const char OVER[] =
    "static void $W_over_" LOOP_INDEX
    "(int64_t n, void *acc, const void *x, const union loop_scalar *scalars)\n"
    "{\n"
    "$S    $T *a = acc;\n"
    "    const $T *b = x;\n"
    "    (void)b;\n"
    "INDEPENDENT\n"
    "    for (int64_t i = 0; i < n; i++)\n"
    "        a[i] = $E;\n"
    "}\n";

static const char FINISH[] =
    "static void finish_over_" LOOP_INDEX
    "(int64_t n, void *acc, int64_t count, const union loop_scalar *scalars)\n"
    "{\n"
    "$S    $T *a = acc;\n"
    "    for (int64_t i = 0; i < n; i++)\n"
    "        a[i] = finish_" LOOP_INDEX "(a[i], ($T)count$A);\n"
    "}\n";

static const char *put(const char *text, const char *word, const char *with)
{
    const char *at;
    while ((at = strstr(text, word)))
        text = text_format("%.*s%s%s", (int)(at - text), text, with, at + 2);
    return text;
}

static void reduce_type(const struct table *t, struct op *op, enum compute type)
{
    static const char *const ACC_X[] = {"acc", "x"}, *const A_B[] = {"a", "b"},
                             *const ACC_COUNT[] = {"acc", "count"}, *const NOTHING[] = {NULL, NULL};
    const char *step = reduce_step(t, op, op->step, type, ACC_X, false),
               *join = reduce_step(t, op, op->join, type, A_B, false);
    const char *begin = op->start ? reduce_step(t, op, op->start, type, NOTHING, false) : NULL;
    const char *finish = op->finish ? reduce_step(t, op, op->finish, type, ACC_COUNT, false) : NULL;
    if (!step || !join || (op->start && !begin) || (op->finish && !finish))
        return;
    const char *params = "", *args = "", *scalars = "    (void)scalars;\n";
    for (int i = 0; i < op->scalars; i++) {
        params = text_format("%s, $T s%d", params, i);
        args = text_format("%s, s%d", args, i);
        scalars = text_format("%s    const $T s%d = %s;\n", scalars, i, scalar_text(type, i));
    }
    const char *text = function("step", "$T acc, $T x", step, params);
    text = text_format("%s%s", text, function("join", "$T a, $T b", join, params));
    if (begin)
        text =
            text_format("%s%s", text, function("start", *params ? params + 2 : "void", begin, ""));
    if (finish)
        text = text_format("%s%s%s", text, function("finish", "$T acc, $T count", finish, params),
                           FINISH);
    const char *start_call = text_format("start_" LOOP_INDEX "(%s)", *args ? args + 2 : "");
    const char *inner = put(INNER, "$F", begin ? start_call : "x[i++]");
    inner = put(put(inner, "$G", begin ? start_call : "x[i + l]"), "$I", begin ? "0" : "$L");
    /* GCC unrolls 16 rounds, and of those that call a function makes no vectors after. */
    inner = put(inner, "$U", type == F64 && strstr(step, "m_") ? "#pragma GCC unroll 1\n" : "");
    text = text_format("%s%s", text, inner);
    text = text_format("%s%s", text, ROWS);
    text = text_format("%s%s", text,
                       put(put(OVER, "$W", "join"), "$E", "join_" LOOP_INDEX "(a[i], b[i]$A)"));
    if (begin)
        text = text_format("%s%s", text, put(put(OVER, "$W", "start"), "$E", start_call));
    text = fill(put(text, "$S", scalars), compute_ctype(type),
                fill(params, compute_ctype(type), "", "", 0), args,
                type == F32 || type == I32 ? 32
                : type == C128             ? 8
                                           : 16);
    const char *row = text_format(
        "{inner_" LOOP_INDEX ", step_over_" LOOP_INDEX ", join_over_" LOOP_INDEX ", %s, %s}",
        begin ? "start_over_" LOOP_INDEX : "NULL", finish ? "finish_over_" LOOP_INDEX : "NULL");
    if (type < C64)
        op->loop[type] = reduce_loops_add(op, text, row, op->step->place);
    else
        op->loop[type] = complex_reduce_loops_add(op, text, row, op->step->place);
}

static void reduce_all(const struct table *t, struct op *op)
{
    bool integers = op->accepts & (ACCEPT_INTEGRAL | ACCEPT_BOOL),
         floats = op->accepts & ACCEPT_FLOATING;
    if (op->result_dtype == RESULT_FLOAT || floats) {
        reduce_type(t, op, F32);
        reduce_type(t, op, F64);
    }
    if (op->accepts & ACCEPT_COMPLEX) {
        reduce_type(t, op, C64);
        reduce_type(t, op, C128);
    }
    if (integers && op->result_dtype != RESULT_FLOAT) {
        if (op->result_dtype != RESULT_SUM)
            reduce_type(t, op, I32);
        reduce_type(t, op, I64);
    }
}

void emit_pointwise_bodies(const struct table *t)
{
    for (struct op *op = t->first; op; op = op->next) {
        if (op->kind == KIND_POINTWISE)
            pointwise_loops(t, op);
        else if (op->kind == KIND_REDUCE && op->step && op->join)
            reduce_all(t, op);
    }
}
