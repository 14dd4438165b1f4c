/* The operator table's compiler: what its parts share.
 *
 * main.c reads files and calls, in this order: lexer.c (characters to tokens), table.c (paragraphs
 * to struct op), expr.c (expressions to trees), element.c (trees to the C of one element),
 * compose.c (trees to C over operators), and the emit_*.c, one for each file that is written.
 * Everything is allocated from one arena that lives until the end; strings are never changed once
 * made. An error is recorded and the work goes on, so that one run tells several.
 */
#ifndef OPGEN_H
#define OPGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAX_PARAMS = 16,
    MAX_RESULTS = 8,
    MAX_OPERANDS = 6,
    MAX_GRAD_OPERANDS = 8,
    LOOP_FILES = 16,
    TABLE_FILES = 4
};

/* ---- text.c: memory, strings, output ---- */

void *arena_alloc(size_t size); /* zeroed */
void arena_free(void);
char *text_copy(const char *s, size_t n);
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool text_same(const char *a, const char *b); /* NULL is like nothing but NULL */
unsigned text_hash(const char *s);
char *text_replace(const char *s, char from, char to);
char *text_substitute(const char *s, const char *from, const char *to); /* each, left to right */
char *text_quote(const char *s); /* as a C string literal's content */

/* A file to be written: its text grows; `line` is the number of the line that the next character
 * falls on. */
struct out {
    const char *name;
    char *text;
    size_t size, room;
    int line;
};
void emit(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
void emit_text(struct out *o, const char *s);
void text_release(struct out *o); /* drops the text */
/* Writes folder/name unless it has that content already. 0, or -1 with a message printed. */
int out_write(const struct out *o, const char *folder);

/* ---- places and errors (text.c) ---- */

struct place {
    const char *file;
    int line, column;
};
/* Prints "file:line:column: message"; counted. */
void complain(struct place place, const char *format, ...) __attribute__((format(printf, 2, 3)));
int complaints(void);

/* ---- lexer.c ---- */

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_STRING, TOKEN_SIGN };
struct token {
    enum token_kind kind;
    const char *text;
    struct place place;
};
/* Walks text[at..end) of a file. `token` is the one not yet consumed. */
struct lexer {
    const char *file, *text;
    size_t at, end, line_start;
    int line;
    int depth; /* of the expression being parsed */
    struct token token;
};
/* A stretch of a file: one key's text, or a signature. */
struct stretch {
    const char *file, *text;
    size_t at, end, line_start;
    int line;
};
void lexer_open(struct lexer *l, const struct stretch *s);
void lexer_next(struct lexer *l);
void lexer_expect_end(struct lexer *l, const char *what); /* complains */
bool lexer_is(const struct lexer *l, const char *sign);   /* a sign or a name */
bool lexer_accept(struct lexer *l, const char *sign);
bool lexer_expect(struct lexer *l, const char *sign, const char *where); /* complains */
const char *token_text(const struct token *t);                           /* for messages */

/* ---- expr.c ---- */

enum node_kind {
    NODE_NUMBER, /* text; is_float */
    NODE_STRING,
    NODE_NAME,   /* True False None included */
    NODE_LIST,   /* child, next... */
    NODE_UNARY,  /* text: - ! ~ */
    NODE_BINARY, /* text, child, child->next */
    NODE_COND,   /* condition, then, else */
    NODE_CALL,   /* text, arguments; an argument's `keyword` */
    NODE_MEMBER, /* child . text */
    NODE_INDEX,  /* child [child->next] */
    NODE_SLICE,  /* child [child->next : child->next->next], bounds that may be None */
    NODE_EACH,   /* in a list: child->next for `text` in child */
    NODE_THEN,   /* child, a statement, and then child->next; the value is the latter's */
    /* statements */
    NODE_LET,     /* text = child */
    NODE_REQUIRE, /* child, else an error (keyword, or NULL) with the message `text`; parts */
    NODE_LOOP     /* for `text` in child: child->next */
};
struct node {
    enum node_kind kind;
    struct place place;
    const char *text, *keyword;
    bool is_float;
    struct node *child, *next;
    struct node *parts; /* what a message shows in its braces */
};
/* Parses an expression with the statements before it; NULL after a complaint. */
struct node *expr_parse(struct lexer *l);
struct node *expr_parse_checks(struct lexer *l); /* statements alone; the value is None */
struct node *expr_parse_value(struct lexer *l); /* a default: a literal */
bool node_is_name(const struct node *n, const char *name);

/* ---- table.c ---- */

enum type {
    TYPE_TENSOR,
    TYPE_OPERAND,
    TYPE_TENSORS,
    TYPE_INT,
    TYPE_INTS,
    TYPE_FLOAT,
    TYPE_FLOATS,
    TYPE_BOOL,
    TYPE_SCALAR,
    TYPE_DTYPE,
    TYPE_DEVICE,
    TYPE_LAYOUT,
    TYPE_MEMORY_FORMAT,
    TYPE_STRING,
    TYPE_GENERATOR,
    TYPE_NONE /* in expressions: None; a result list that is empty */
};
struct param {
    const char *name, *cname; /* cname is no keyword of C or C++ */
    enum type type;
    bool optional, elements_optional, keyword_only, written;
    int list_size;
    struct node *value; /* the default, or NULL */
    struct place place;
};
struct result {
    enum type type;
    const char *name; /* NULL: not named */
    bool optional;    /* "Tensor?": there only where an argument asks for it */
};

enum kind { KIND_NONE, KIND_POINTWISE, KIND_REDUCE, KIND_VIEW, KIND_KERNEL, KIND_COMPOSE };
enum form {
    FORM_FUNCTION = 1,
    FORM_METHOD = 2,
    FORM_INPLACE = 4,
    FORM_OUT = 8,
    FORM_NN = 16,
    FORM_SPECIAL = 32,
    FORM_LINALG = 64,
    FORM_INTERNAL = 128,
    FORM_VARARGS = 256,         /* how Python's function takes its tensors: one by one, */
    FORM_VARARGS_OR_LIST = 512, /* one by one or in one list, */
    FORM_EACH = 1024,           /* one, or several, of which each gives a result */
    FORM_COPY = 2048,           /* NAME_copy is derived (derive.c) */
    FORM_FFT = 4096,
    FORM_MASKED = 8192,
    FORM_NN_INPLACE = 16384 /* nn's function takes `inplace`, which chooses the in-place form */
};
enum accept {
    ACCEPT_BOOL = 1,
    ACCEPT_INTEGRAL = 2,
    ACCEPT_FLOATING = 4,
    ACCEPT_REAL = 7, /* "any": complex is said beside it */
    ACCEPT_COMPLEX = 8,
    ACCEPT_UNSIGNED = 32,
    ACCEPT_FLOAT8 = 64,
    ACCEPT_EVERY = ACCEPT_REAL | ACCEPT_COMPLEX | ACCEPT_UNSIGNED | ACCEPT_FLOAT8,
    ACCEPT_UNSAID = 16 /* a composite without the key: its parts decide of tensors */
};
enum rule_dtype {
    RESULT_PROMOTED,
    RESULT_FLOAT,
    RESULT_SUM,
    RESULT_BOOL,
    RESULT_INT64,
    RESULT_REAL,
    RESULT_OWN
};
/* Behind the types in which values are computed, those that pointwise loops read and write besides:
 * truth values, the narrow integers, between which a loop computes in I32, and bfloat16, between
 * which it computes in F32. */
enum compute {
    F32,
    F64,
    I32,
    I64,
    C64,
    C128,
    COMPUTE_TYPES,
    TRUTHS = COMPUTE_TYPES,
    U8,
    I8,
    I16,
    BF16,
    LOOP_TYPES
};
enum value_class { VALUE_ANY, VALUE_INT, VALUE_BOOL, VALUE_FLOAT, VALUE_COMPLEX, VALUE_CLASSES };
enum { FROM_PARAM = 0, FROM_RESULT = 64, FROM_GRAD = 128 };

struct rule {
    struct place place;
    uint32_t params;               /* bits, empty for "none" */
    int order[MAX_RESULTS], count; /* the parameters as they were written */
    struct node *body;             /* NULL: none, missing or refused */
    const char *missing;           /* what PyTorch's message names; "": the operator */
    const char *refused;           /* the function that PyTorch's message names */
    enum {
        DEPENDS_NOT,
        DEPENDS_BY_ZEROS,
        DEPENDS_BY_NOTHING
    } depends; /* the gradient has a graph by the parameter, along which zeros flow, or nothing */
    const char
        *depends_title; /* of the node that says so, without Backward0; NULL: the operator's */
    /* filled by emit_grad.c */
    int operands, operand[MAX_GRAD_OPERANDS];
    int scalars, scalar[MAX_GRAD_OPERANDS];
    uint32_t truths;
    int loop[2];
    uint32_t saves, saves_shape, saves_results;
    uint32_t grads; /* the results (bits) whose gradients it uses */
    const char *function;
    const char *gpu, *gpu_name;
    struct rule *next;
};

/* What a `try` key gives its parameters: expressions, as they were written. */
struct sample {
    const char *value[MAX_PARAMS]; /* NULL: not given */
    struct sample *next;
};

struct op {
    struct place place;
    const char *base, *overload, *name;                        /* "add", "Tensor", "add.Tensor" */
    const char *id;                                            /* "add_Tensor" */
    const char *inplace_name, *inplace_id, *out_name, *out_id; /* NULL: no such form */
    const char *cname; /* what follows fl_ in C, or NULL for the usual */
    const char *called; /* where it refuses a dtype; NULL: by its base name */
    const char *title; /* "AddBackward0"; of composites only where the paragraph says so */
    const char *inplace_title; /* of a view's in-place form, which PyTorch counts last */
    int order;         /* among the overloads of its base */
    enum kind kind;
    int params;
    struct param param[MAX_PARAMS];
    int results;
    struct result result[MAX_RESULTS];
    bool writes; /* the first parameter is written; the result is it */
    unsigned accepts;
    bool has_dtypes; /* the key stands there */
    enum rule_dtype result_dtype;
    bool promotes, random;
    int autocast; /* 0 none, 1 lower, 2 float32, 3 promote */
    int device;   /* 0 where its tensors are, 1 anywhere, 2 on the CPU */
    int batch;    /* 0 none, 1 each, 2 lead, 3 align, 4 fold, 5 channels */
    uint32_t batch_tensors, batch_dims, batch_sizes; /* parameters (bits) */
    struct node *batch_compose;                      /* in the place of a word */
    unsigned forms;
    uint64_t keys; /* those that were given (keys.c) */
    struct node *value[VALUE_CLASSES];
    struct node *start, *step, *join, *finish;
    const char *view, *shape, *kernel, *check, *titles, *order_name, *compose_name;
    int shape_like; /* a parameter, or -1 */
    struct node *compose, *checks; /* checks: statements, in the place of the check's name */
    uint32_t truths, promoted, rounded, exact, unbounded, keeps, numbers,
        apart; /* parameters (bits) */
    struct rule *rules;
    bool has_grad;
    const char *doc;
    struct sample *samples;
    const char *lines;   /* its keys as they were written, but doc, cname, alias and scatter */
    const char *alias;   /* "arcsin asin2": paragraphs of these names are derived (derive.c) */
    const char *scatter; /* a sample call of NAME_scatter, which is derived */
    bool pairs;          /* of its own name */
    const char *pairs_text; /* what the key says; NULL: it is not there */
    /* pointwise and reduce: parameters in the loop's order; loops (loops.c) */
    int operands, operand[MAX_OPERANDS];
    int scalars, scalar[MAX_OPERANDS];
    int loop[LOOP_TYPES];
    const char *gpu;
    const char *compose_function; /* emit_grad.c: the C function of a compose expression */
    const char *family;           /* the folder: "pointwise" */
    bool recorded;                /* some parameter has a formula or misses one */
    struct op *next, *next_overload;
};
struct table {
    struct op *first, *last;
    int count;
    struct op *words; /* paragraphs that give a str, of which nothing is emitted */
};
bool signature_parse(struct op *op,
                     const struct stretch *s); /* signature.c; false after a complaint */
void key_parse(struct op *op, const struct stretch *line); /* keys.c */
void table_parse(struct table *t, const char *file, const char *text, size_t size);
bool pairs_of(const struct op *op, const char *name); /* derive.c */
/* After all files (derive.c): the paragraphs that others have by a word. */
void table_derive(struct table *t);
/* Then: names of forms, order of overloads, checks across paragraphs. */
void table_finish(struct table *t);
/* Complains of every tensor parameter whose gradient is not decided. */
void table_check_gradients(const struct table *t);
/* The first paragraph of that base name, or NULL; the others follow by next_overload. */
struct op *table_find(const struct table *t, const char *base);
int op_param(const struct op *op, const char *name); /* its index, or -1 */
/* Whether the value of op, a part of others, is put in the place of its call. */
bool op_is_inlined(const struct op *op);
bool type_is_number(enum type type);                 /* Scalar, int, float, bool */
bool type_is_tensor(enum type type);                 /* Tensor, Tensor|Scalar */

/* ---- element.c: expressions over one element ---- */

/* A name of an element expression and the C it stands for. */
struct binding {
    const char *name, *text;
    bool truth; /* an int of 0 and 1, not of the compute type */
    struct binding *next;
};
struct element {
    const struct table *table;
    enum compute type;
    const struct op *op; /* whose expression it is: for recursion */
    struct binding *bindings;
    char *statements; /* declarations that come before */
    char *before;     /* where hoists is set: those of them that are the same for all elements */
    int temporaries, nodes, depth;
    const struct op *inlined[32];
    bool quiet; /* do not complain: the caller only asks whether it can be done */
    bool failed, hoists;
    bool gpu; /* T and FL_NUMBER instead of C types */
};
/* The C of an expression, or NULL (complained unless quiet). */
const char *element_lower(struct element *e, const struct node *n, bool *truth);
const char *compute_name(enum compute type);  /* "f32" */
const char *compute_ctype(enum compute type); /* "float" */

/* ---- compose.c: expressions over operators ---- */

/* Emits a C function PREFIX_ID for a compose expression, or for a gradient rule; fills what the rule
 * saves. */
void compose_emit_function(struct out *o, const struct table *t, struct op *op, struct node *n,
                           const char *prefix);
void compose_emit_check(struct out *o, const struct table *t, struct op *op); /* call_check_ID */
void compose_emit_rule(struct out *o, const struct table *t, struct op *op, struct rule *rule,
                       int number);

/* ---- loops.c: their texts; emit_loops.c: the registry of loops, each kept once ---- */

/* Stands in a text for the index that the loop will have. */
#define LOOP_INDEX "\x02"

/* One loop to be made: its names in the loop's order. */
struct loop_spec {
    const struct table *table;
    const struct op *op; /* whose value it is, or NULL for a gradient */
    enum compute type;
    enum compute stored; /* what operands and result are in memory, where it is not type: U8... */
    bool truth_result, quiet, gpu;
    int operands, scalars;
    const char *operand[MAX_GRAD_OPERANDS], *scalar[MAX_GRAD_OPERANDS];
    uint32_t truths; /* operands (bits) that are bytes of 0 and 1 */
};
/* The C function's text for an expression (the kernel's inside for a GPU), or NULL. */
const char *loop_body(const struct loop_spec *spec, const struct node *n);
/* Whether all that a loop calls costs no more than a load. */
bool loop_calls_little(const char *body);
/* An index of a loop that op has; 0 is none. */
int loop_add(const struct op *op, const char *body, struct place place);
int complex_loop_add(const struct op *op, const char *body, struct place place);
int reduce_loops_add(const struct op *op, const char *body, const char *row, struct place place);
int complex_reduce_loops_add(const struct op *op, const char *body, const char *row,
                             struct place place);

/* ---- emit_*.c ---- */

const char *ctype_internal(const struct param *p, enum kind kind); /* emit_kernels.c */
/* emit_docs.c: the schema, "add.Tensor(Tensor self, ...) -> Tensor"; with a Python name, "add(self,
 * other) -> Tensor". */
const char *signature_text(const struct op *op, const char *python);
/* A namespace of Python's that has operators: linalg_norm is linalg.norm. */
struct space {
    enum form form;
    const char *word, *prefix, *module; /* "linalg", "linalg_", "flambeau.linalg" */
};
enum { SPACES_COUNT = 5, SPACES_OWN = 1 }; /* nn comes first; the others have stubs of their own */
extern const struct space SPACES[SPACES_COUNT];
/* The name in the namespace of that form. */
const char *python_name(const struct op *op, unsigned form);
const char *results_text(const struct op *op);

void emit_loops(const struct table *t,
                struct out *files); /* LOOP_FILES and the complex one; before emit_table */
void emit_pointwise_bodies(const struct table *t);
void emit_grad_loops(const struct table *t);
/* flambeau/ops.h, which includes the headers of the families; those, in the order of the table */
struct header {
    const char *family;
    struct out out;
    struct header *next;
};
struct header *emit_header(struct out *o, const struct table *t);
void emit_kernels(struct out *o, const struct table *t);
/* The declarations of what op names, without those that are in the list. A part of the table leaves it
 * to emit_kernels to complain of types that differ. */
struct declared_list {
    struct declared *first;
    bool part;
};
void kernels_declare(struct out *o, struct declared_list *list, const struct op *op);
/* ops_table.c, which lists all; its parts, TABLE_FILES of them; ops_table.h */
void emit_table(struct out *list, struct out *parts, struct out *header, const struct table *t);
/* "#line" for a place of the table: the line of its paragraph, op's. */
const char *paragraph_line(const struct op *op, struct place place);
const char *dtype_constant(const char *name); /* emit_table.c: "int64" to FL_INT64, or NULL */
void emit_python(struct out *o, const struct table *t);
/* spaces: a stub for each namespace from SPACES_OWN on. */
void emit_pyi(struct out *o, struct out *spaces, const struct table *t);
void emit_docs(struct out *o, const struct table *t);
void emit_samples(struct out *o, const struct table *t);
/* What follows fl_ in C (emit_header.c). */
const char *c_function_name(const struct table *t, const struct op *op);
void gpu_make(const struct table *t); /* before the table, which says which texts there are */
void emit_gpu(struct out *o, const struct op *op);
/* A file of kernel text, to be embedded as gpu_text_NAME. */
struct gpu_text {
    const char *name, *text;
    struct gpu_text *next;
};
void emit_gpu_texts(struct out *o, const struct gpu_text *first);
/* Lines that define m_NAME, for each function of math.h, for the type that is computed in. */
const char *element_primitives(bool integral);
/* The body of one step of a reduction, over values of these names. */
const char *reduce_step(const struct table *t, const struct op *op, const struct node *n,
                        enum compute type, const char *const names[2], bool gpu);

#endif
