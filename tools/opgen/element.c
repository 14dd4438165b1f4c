/* Expressions over one element, as C: what stands inside a loop.
 *
 * Everything is of the loop's compute type, except truth values (comparisons, && || !), which are
 * ints of 0 and 1. A function is a primitive of ops/pointwise/math.h (exp is m_exp_f32 in a float
 * loop), or else a pointwise operator, whose value is put in its place: its arguments become named
 * temporaries, so that nothing is computed twice.
 */
#include "opgen.h"

#include <string.h>

enum {
    MAX_NODES = 4000,
    MAX_DEPTH = 500,
    FLOATS = 1,
    INTS = 2,
    TRUTH = 4,
    COMPLEX = 8,
    CPU = 16
}; /* no GPU's compiler is given it: long, with tables inside functions */

/* What math.h offers: m_NAME_f32 and m_NAME_f64 for FLOATS, m_NAME_c64 and m_NAME_c128 for COMPLEX;
 * for INTS m_NAME_i32 and m_NAME_i64, under another name where `integer` has one. */
static const struct {
    const char *name;
    int arguments, types;
    const char *integer;
} PRIMITIVES[] = {
    {"abs", 1, FLOATS | COMPLEX, 0},
    {"sqrt", 1, FLOATS | COMPLEX, 0},
    {"rsqrt", 1, FLOATS | COMPLEX, 0},
    {"exp", 1, FLOATS | COMPLEX, 0},
    {"exp2", 1, FLOATS | COMPLEX, 0},
    {"expm1", 1, FLOATS | COMPLEX, 0},
    {"log", 1, FLOATS | COMPLEX, 0},
    {"log2", 1, FLOATS | COMPLEX, 0},
    {"log10", 1, FLOATS | COMPLEX, 0},
    {"log1p", 1, FLOATS | COMPLEX, 0},
    {"sin", 1, FLOATS | COMPLEX, 0},
    {"cos", 1, FLOATS | COMPLEX, 0},
    {"tan", 1, FLOATS | COMPLEX, 0},
    {"asin", 1, FLOATS | COMPLEX, 0},
    {"acos", 1, FLOATS | COMPLEX, 0},
    {"atan", 1, FLOATS | COMPLEX, 0},
    {"sinh", 1, FLOATS | COMPLEX, 0},
    {"cosh", 1, FLOATS | COMPLEX, 0},
    {"tanh", 1, FLOATS | COMPLEX, 0},
    {"asinh", 1, FLOATS | COMPLEX, 0},
    {"acosh", 1, FLOATS | COMPLEX, 0},
    {"atanh", 1, FLOATS | COMPLEX, 0},
    {"erf", 1, FLOATS, 0},
    {"erfc", 1, FLOATS, 0},
    {"erfinv", 1, FLOATS, 0},
    {"lgamma", 1, FLOATS, 0},
    {"digamma", 1, FLOATS, 0},
    {"i0", 1, FLOATS, 0},
    {"i1", 1, FLOATS, 0},
    {"i0e", 1, FLOATS, 0},
    {"i1e", 1, FLOATS, 0},
    {"erfcx", 1, FLOATS | CPU, 0},
    {"log_ndtr", 1, FLOATS | CPU, 0},
    {"ndtri", 1, FLOATS | CPU, 0},
    {"bessel_j0", 1, FLOATS | CPU, 0},
    {"bessel_j1", 1, FLOATS | CPU, 0},
    {"bessel_y0", 1, FLOATS | CPU, 0},
    {"bessel_y1", 1, FLOATS | CPU, 0},
    {"modified_bessel_k0", 1, FLOATS | CPU, 0},
    {"modified_bessel_k1", 1, FLOATS | CPU, 0},
    {"scaled_modified_bessel_k0", 1, FLOATS | CPU, 0},
    {"scaled_modified_bessel_k1", 1, FLOATS | CPU, 0},
    {"airy_ai", 1, FLOATS | CPU, 0},
    {"sinc", 1, FLOATS, 0},
    {"floor", 1, FLOATS, 0},
    {"ceil", 1, FLOATS, 0},
    {"round", 1, FLOATS, 0},
    {"trunc", 1, FLOATS, 0},
    {"frac", 1, FLOATS, 0},
    {"sign", 1, FLOATS, 0},
    {"sigmoid", 1, FLOATS | COMPLEX, 0},
    {"log_sigmoid", 1, FLOATS, 0},
    {"gelu", 1, FLOATS, 0},
    {"gelu_slope", 1, FLOATS, 0},
    {"gelu_tanh", 1, FLOATS, 0},
    {"isnan", 1, FLOATS | COMPLEX | TRUTH, 0},
    {"isinf", 1, FLOATS | COMPLEX | TRUTH, 0},
    {"isfinite", 1, FLOATS | COMPLEX | TRUTH, 0},
    {"pow", 2, FLOATS | INTS | COMPLEX, 0},
    {"atan2", 2, FLOATS, 0},
    {"hypot", 2, FLOATS, 0},
    {"copysign", 2, FLOATS, 0},
    {"nextafter", 2, FLOATS, 0},
    {"fmod", 2, FLOATS, 0},
    {"remainder", 2, FLOATS | INTS, "mod"},
    {"floor_divide", 2, FLOATS | INTS, "floordiv"},
    {"minimum", 2, FLOATS, 0},
    {"maximum", 2, FLOATS, 0},
    {"fmin", 2, FLOATS, 0},
    {"fmax", 2, FLOATS, 0},
    {"logaddexp", 2, FLOATS | COMPLEX, 0},
    {"logaddexp2", 2, FLOATS, 0},
    {"xlogy", 2, FLOATS, 0},
    {"heaviside", 2, FLOATS, 0},
    {"ldexp", 2, FLOATS, 0},
    {"igamma", 2, FLOATS, 0},
    {"igammac", 2, FLOATS, 0},
    {"gamma_grad", 2, FLOATS, 0},
    {"chebyshev_polynomial_t", 2, FLOATS | CPU, 0},
    {"chebyshev_polynomial_u", 2, FLOATS | CPU, 0},
    {"chebyshev_polynomial_v", 2, FLOATS | CPU, 0},
    {"chebyshev_polynomial_w", 2, FLOATS | CPU, 0},
    {"hermite_polynomial_h", 2, FLOATS | CPU, 0},
    {"hermite_polynomial_he", 2, FLOATS | CPU, 0},
    {"laguerre_polynomial_l", 2, FLOATS | CPU, 0},
    {"legendre_polynomial_p", 2, FLOATS | CPU, 0},
    {"zeta", 2, FLOATS | CPU, 0},
    {"gcd", 2, INTS, 0},
    {"real", 1, COMPLEX, 0},
    {"imag", 1, COMPLEX, 0},
    {"conj", 1, COMPLEX, 0},
    {"sgn", 1, COMPLEX, 0},
    {"fma", 3, FLOATS, 0},
    {"dirichlet_grad", 3, FLOATS, 0},
};

static const struct {
    const char *name, *f32, *f64, *gpu;
} CONSTANTS[] = {
    {"inf", "(__builtin_inff())", "(__builtin_inf())", "FL_INF"},
    {"nan", "(__builtin_nanf(\"\"))", "(__builtin_nan(\"\"))", "FL_NAN"},
    {"pi", "3.14159265358979323846f", "3.14159265358979323846", "FL_N(3.14159265358979323846)"},
    {"eps", "1.1920928955078125e-7f", "2.220446049250313e-16", "FL_EPS"},
    {"largest", "3.4028234663852886e38f", "1.7976931348623157e308", "FL_LARGEST"}};

const char *compute_name(enum compute type)
{
    static const char *const NAMES[] = {"f32", "f64", "i32", "i64", "c64", "c128"};
    return NAMES[type];
}

const char *compute_ctype(enum compute type)
{
    static const char *const NAMES[] = {
        [F32] = "float",   [F64] = "double",   [I32] = "int32_t", [I64] = "int64_t",
        [C64] = "c64",     [C128] = "c128",    [U8] = "uint8_t",  [I8] = "int8_t",
        [I16] = "int16_t", [BF16] = "uint16_t"};
    return NAMES[type];
}

static const char *ctype(const struct element *e)
{
    return e->gpu ? "T" : compute_ctype(e->type);
}

static bool is_complex(const struct element *e)
{
    return e->type == C64 || e->type == C128;
}

static bool is_float(const struct element *e) /* has fractions */
{
    return e->type == F32 || e->type == F64 || is_complex(e);
}

static bool is_single(const struct element *e)
{
    return e->type == F32 || e->type == C64;
}

/* Complains unless the caller only asks; the value is NULL. */
#define REFUSE(e, place, ...) ((e)->quiet ? (void)0 : complain(place, __VA_ARGS__), refused(e))

static const char *refused(struct element *e)
{
    e->failed = true;
    return NULL;
}

static const char *literal(struct element *e, const struct node *n)
{
    const char *text = n->text, *sign = "";
    if (n->is_float && !is_float(e))
        return REFUSE(e, n->place,
                      "%s is no integer: say what integers do in value.int, or accept floating or "
                      "tofloat alone",
                      text);
    if (*text == '-')
        sign = "-", text++;
    if (is_float(e)) {
        const char *suffix = n->is_float ? "" : ".0";
        text = e->gpu ? text_format("FL_N(%s%s)", text, suffix)
                      : text_format("%s%s%s", text, suffix, is_single(e) ? "f" : "");
    } else {
        while (text[0] == '0' && text[1]) /* C would read an octal number */
            text++;
        if (e->type == I64 && !e->gpu)
            text = text_format("INT64_C(%s)", text);
    }
    return *sign ? text_format("(-%s)", text) : text;
}

static const char *name_text(struct element *e, const struct node *n, bool *truth)
{
    for (struct binding *b = e->bindings; b; b = b->next)
        if (strcmp(b->name, n->text) == 0) {
            *truth = b->truth;
            return b->text;
        }
    if (strcmp(n->text, "True") == 0 || strcmp(n->text, "False") == 0) {
        *truth = true;
        return n->text[0] == 'T' ? "1" : "0";
    }
    for (size_t i = 0; i < sizeof CONSTANTS / sizeof *CONSTANTS; i++)
        if (strcmp(CONSTANTS[i].name, n->text) == 0 && is_float(e))
            return e->gpu ? CONSTANTS[i].gpu : is_single(e) ? CONSTANTS[i].f32 : CONSTANTS[i].f64;
    if (strcmp(n->text, "bits") == 0 && !is_float(e)) /* of the type computed in */
        return e->gpu ? "FL_BITS" : e->type == I32 ? "32" : "64";
    return REFUSE(e, n->place, "'%s' is not known here", n->text);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_simple(const char *c)
{
    for (; *c; c++)
        if (!is_word(*c) && *c != '.')
            return false;
    return true;
}

/* Whether a text depends on the element: on an operand x0... or on a temporary t0... made of it. */
static bool varies(const char *c)
{
    for (bool inside = false; *c; c++) {
        bool word = is_word(*c);
        if (word && !inside && (*c == 'x' || *c == 't') && c[1] >= '0' && c[1] <= '9')
            return true;
        inside = word;
    }
    return false;
}

static void bind(struct element *e, const char *name, const char *text, bool truth)
{
    if (!is_simple(text)) {
        bool hoisted = e->hoists && !varies(text);
        const char *temporary = text_format(hoisted ? "u%d" : "t%d", e->temporaries++);
        char **to = hoisted ? &e->before : &e->statements;
        *to = text_format("%sconst %s %s = %s; ", *to ? *to : "", truth ? "int" : ctype(e),
                          temporary, text);
        text = temporary;
    }
    struct binding *b = arena_alloc(sizeof *b);
    *b = (struct binding){name, text, truth, e->bindings};
    e->bindings = b;
}

static const char *call_primitive(struct element *e, const struct node *n, size_t k, bool *truth)
{
    const char *list = "";
    int count = 0;
    if (e->gpu && PRIMITIVES[k].types & CPU)
        return refused(e);
    for (const struct node *a = n->child; a; a = a->next, count++) {
        bool ignored = false;
        const char *text = element_lower(e, a, &ignored);
        if (!text)
            return NULL;
        if (a->keyword)
            return REFUSE(e, a->place, "'%s' takes no names of arguments", n->text);
        list = text_format("%s%s%s", list, count ? ", " : "", text);
    }
    if (count != PRIMITIVES[k].arguments)
        return REFUSE(e, n->place, "%s has %d arguments, expected %d", n->text, count,
                      PRIMITIVES[k].arguments);
    *truth = PRIMITIVES[k].types & TRUTH;
    return e->gpu ? text_format("m_%s(%s)", n->text, list)
                  : text_format("m_%s_%s(%s)",
                                !is_float(e) && PRIMITIVES[k].integer ? PRIMITIVES[k].integer
                                                                      : n->text,
                                compute_name(e->type), list);
}

static struct node *value_of(const struct element *e, const struct op *op)
{
    struct node *n = is_complex(e) ? op->value[VALUE_COMPLEX] : NULL;
    n = n ? n : op->value[is_float(e) ? VALUE_FLOAT : VALUE_INT];
    return n ? n : op->value[VALUE_ANY];
}

static const char *call_operator(struct element *e, const struct node *n, const struct op *op,
                                 bool *truth)
{
    const struct node *value = value_of(e, op), *given[MAX_PARAMS] = {0};
    int count = 0;
    for (const struct node *a = n->child; a; a = a->next) {
        int p = a->keyword ? op_param(op, a->keyword) : count++;
        if (p < 0 || p >= op->params)
            return REFUSE(e, a->place, "%s has no such parameter", op->name);
        given[p] = a;
    }
    if (e->depth > 30 || !value)
        return REFUSE(e, n->place, "%s cannot be put in its place here", op->name);
    for (int i = 0; i < e->depth; i++)
        if (e->inlined[i] == op)
            return REFUSE(e, n->place,
                          "the value of %s needs itself, and it is no function of math.h",
                          op->name);
    struct binding *outer = e->bindings, *inner = NULL;
    for (int i = 0; i < op->params; i++) {
        const struct node *a = given[i] ? given[i] : op->param[i].value;
        if (!a)
            return REFUSE(e, n->place, "%s needs its parameter '%s'", op->name, op->param[i].name);
        bool is_truth = false;
        const char *text = element_lower(e, a, &is_truth);
        if (!text)
            return NULL;
        bind(e, op->param[i].name, text, is_truth); /* seen by later arguments too: put aside */
        struct binding *b = e->bindings;
        e->bindings = outer;
        b->next = inner;
        inner = b;
    }
    e->bindings = inner;
    e->inlined[e->depth++] = op;
    const char *text = element_lower(e, value, truth);
    e->depth--;
    e->bindings = outer;
    return text;
}

/* real(x), imag(x), conj(x): of a real x it is x itself, or 0. */
static bool is_part(const struct node *n)
{
    return n->child && !n->child->next &&
           (strcmp(n->text, "real") == 0 || strcmp(n->text, "imag") == 0 ||
            strcmp(n->text, "conj") == 0);
}

static const char *lower_call(struct element *e, const struct node *n, bool *truth)
{
    const char *also = "";
    if (strcmp(n->text, "zeros_like") == 0) /* in a formula over tensors: a gradient that is 0 */
        return is_float(e) ? (e->gpu ? "FL_N(0.0)" : is_single(e) ? "0.0f" : "0.0") : "0";
    if (!is_complex(e) && is_part(n)) {
        const char *text = element_lower(e, n->child, truth);
        return text && strcmp(n->text, "imag") == 0 ? (is_float(e) ? "0.0f" : "0") : text;
    }
    for (size_t k = 0; k < sizeof PRIMITIVES / sizeof *PRIMITIVES; k++) {
        if (strcmp(PRIMITIVES[k].name, n->text) != 0)
            continue;
        if (PRIMITIVES[k].types & (is_complex(e) ? COMPLEX : is_float(e) ? FLOATS : INTS))
            return call_primitive(e, n, k, truth);
        also = is_complex(e) ? " for complex numbers"
               : is_float(e) ? " for floats"
                             : " for integers";
        if (!is_float(e) && (PRIMITIVES[k].types & TRUTH)) { /* isnan of an integer */
            *truth = true;
            return strcmp(n->text, "isfinite") == 0 ? "1" : "0";
        }
    }
    for (const struct op *op = table_find(e->table, n->text); op; op = op->next_overload)
        if (op->kind == KIND_POINTWISE && !(*also && op == e->op))
            return call_operator(e, n, op, truth);
    return REFUSE(e, n->place, "'%s' is neither a function of math.h nor a pointwise operator%s",
                  n->text, also);
}

static const char *lower_binary(struct element *e, const struct node *n, bool *truth)
{
    bool a_truth = false, b_truth = false;
    const char *a = element_lower(e, n->child, &a_truth),
               *b = element_lower(e, n->child->next, &b_truth);
    if (!a || !b)
        return NULL;
    const char *sign = n->text;
    if (is_complex(e) && (*sign == '*' || *sign == '/'))
        return text_format("m_%s_%s(%s, %s)", *sign == '*' ? "mul" : "div", compute_name(e->type),
                           a, b);
    if (is_complex(e) && !(a_truth && b_truth) && !strchr("+-=!&|", *sign))
        return REFUSE(e, n->place, "'%s' has no value for complex numbers", sign);
    if (strchr("+-*", *sign)) {
        const char *cast = a_truth && b_truth ? text_format("(%s)", ctype(e)) : "";
        return text_format("(%s%s %s %s)", cast, a, sign, b);
    }
    if (*sign == '/') {
        if (!is_float(e))
            return REFUSE(
                e, n->place,
                "'/' has no value for integers: floor_divide or trunc_divide, or tofloat");
        return text_format("(%s%s / %s)", a_truth ? text_format("(%s)", ctype(e)) : "", a, b);
    }
    if (*sign == '%')
        return e->gpu ? text_format("m_remainder(%s, %s)", a, b)
                      : text_format("m_%s_%s(%s, %s)", is_float(e) ? "remainder" : "mod",
                                    compute_name(e->type), a, b);
    if (strcmp(sign, "<<") == 0 || strcmp(sign, ">>") == 0) {
        if (is_float(e))
            return REFUSE(e, n->place, "'%s' has no value for floats", sign);
        return text_format("(%s %s (%s & %s))", a, sign, b,
                           e->gpu           ? "(FL_BITS - 1)"
                           : e->type == I32 ? "31"
                                            : "63");
    }
    bool bitwise = strlen(sign) == 1 && strchr("&|^", *sign);
    if (bitwise && is_float(e) && !(a_truth && b_truth))
        return REFUSE(e, n->place, "'%s' has no value for floats", sign);
    *truth = bitwise ? a_truth && b_truth : true;
    if (strcmp(sign, "&&") == 0 || strcmp(sign, "||") == 0) /* without branches */
        return text_format("(%s %c %s)", a_truth ? a : text_format("(%s != 0)", a), *sign,
                           b_truth ? b : text_format("(%s != 0)", b));
    return text_format("(%s %s %s)", a, sign, b);
}

static const char *lower_unary(struct element *e, const struct node *n, bool *truth)
{
    bool is_truth = false;
    const char *a = element_lower(e, n->child, &is_truth);
    if (!a)
        return NULL;
    if (n->text[0] == '!') {
        *truth = true;
        return text_format(is_truth ? "(!%s)" : "(%s == 0)", a);
    }
    if (n->text[0] == '~' && is_float(e))
        return REFUSE(e, n->place, "'~' has no value for floats");
    return text_format("(%s%s%s)", n->text, is_truth ? text_format("(%s)", ctype(e)) : "", a);
}

static const char *lower_cond(struct element *e, const struct node *n, bool *truth)
{
    bool c_truth = false, a_truth = false, b_truth = false;
    const char *c = element_lower(e, n->child, &c_truth);
    const char *a = c ? element_lower(e, n->child->next, &a_truth) : NULL;
    const char *b = a ? element_lower(e, n->child->next->next, &b_truth) : NULL;
    if (!b)
        return NULL;
    *truth = a_truth && b_truth;
    return text_format(c_truth ? "(%s ? %s%s : %s%s)" : "(%s != 0 ? %s%s : %s%s)", c,
                       a_truth && !b_truth ? text_format("(%s)", ctype(e)) : "", a,
                       b_truth && !a_truth ? text_format("(%s)", ctype(e)) : "", b);
}

static const char *lower(struct element *e, const struct node *n, bool *truth)
{
    switch (n->kind) {
    case NODE_NUMBER:
        return literal(e, n);
    case NODE_NAME:
        return name_text(e, n, truth);
    case NODE_UNARY:
        return lower_unary(e, n, truth);
    case NODE_BINARY:
        return lower_binary(e, n, truth);
    case NODE_COND:
        return lower_cond(e, n, truth);
    case NODE_CALL:
        return lower_call(e, n, truth);
    case NODE_THEN: {
        bool is_truth = false;
        const struct node *let = n->child;
        if (let->kind != NODE_LET)
            return REFUSE(e, let->place, "an element's value has no statements but names");
        const char *value = element_lower(e, let->child, &is_truth);
        if (!value)
            return NULL;
        struct binding *outer = e->bindings;
        bind(e, let->text, value, is_truth);
        value = element_lower(e, n->child->next, truth);
        e->bindings = outer;
        return value;
    }
    case NODE_STRING:
    case NODE_LIST:
    case NODE_MEMBER:
    case NODE_INDEX:
    case NODE_SLICE:
    case NODE_EACH:
    case NODE_LET:
    case NODE_REQUIRE:
    case NODE_LOOP:
        break;
    }
    return REFUSE(e, n->place, "an element's value is made of numbers alone");
}

const char *element_lower(struct element *e, const struct node *n, bool *truth)
{
    static int depth;
    *truth = false;
    if (++e->nodes > MAX_NODES || depth > MAX_DEPTH) {
        if (!e->failed)
            REFUSE(e, n->place, "an expression that becomes too large");
        return NULL;
    }
    depth++;
    const char *text = lower(e, n, truth);
    depth--;
    if (text && strlen(text) > 100000) {
        REFUSE(e, n->place, "an expression that becomes too large");
        return NULL;
    }
    return text;
}

const char *element_primitives(bool integral)
{
    const char *text = "";
    for (size_t k = 0; k < sizeof PRIMITIVES / sizeof *PRIMITIVES; k++) {
        if (!(PRIMITIVES[k].types & (integral ? INTS : FLOATS)))
            continue;
        const char *name = PRIMITIVES[k].name, *own = integral ? PRIMITIVES[k].integer : NULL;
        text =
            text_format("%s#define m_%s FL_JOIN(m_%s, FL_SUFFIX)\n", text, name, own ? own : name);
    }
    return text;
}
