/* The names that PyTorch's files may hold: dtypes, types of storages, and the functions that make
 * tensors and containers again. Every call checks its arguments; none runs anything of the file's.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "io/pt.h"

enum call {
    TENSOR_V1,
    TENSOR_V2,
    TENSOR_V3,
    SPARSE,
    PARAMETER,
    META,
    FROM_TYPE,
    LAYOUT,
    SIZE,
    DEVICE,
    ENCODE,
    BYTEARRAY,
    COMPLEX,
    DICT,
    SET,
    TENSOR_TYPE,
    CALLS,
    /* Behind them dtypes, and types of storages, from the untyped one on. */
    DTYPES = 100,
    STORAGES = 200
};

static const struct {
    const char *name;
    enum call call;
} NAMES[] = {
    {"torch._utils._rebuild_tensor", TENSOR_V1},
    {"torch._utils._rebuild_tensor_v2", TENSOR_V2},
    {"torch._utils._rebuild_tensor_v3", TENSOR_V3},
    {"torch._utils._rebuild_sparse_tensor", SPARSE},
    {"torch._utils._rebuild_parameter", PARAMETER},
    {"torch._utils._rebuild_parameter_with_state", PARAMETER},
    {"torch.nn.parameter.Parameter", PARAMETER},
    {"torch._utils._rebuild_meta_tensor_no_storage", META},
    {"torch._tensor._rebuild_from_type_v2", FROM_TYPE},
    {"torch.serialization._get_layout", LAYOUT},
    {"torch.Size", SIZE},
    {"torch.device", DEVICE},
    {"_codecs.encode", ENCODE},
    {"builtins.bytearray", BYTEARRAY},
    {"__builtin__.bytearray", BYTEARRAY},
    {"builtins.complex", COMPLEX},
    {"__builtin__.complex", COMPLEX},
    {"collections.OrderedDict", DICT},
    {"collections.Counter", DICT},
    {"builtins.set", SET},
    {"__builtin__.set", SET},
    {"torch.Tensor", TENSOR_TYPE},
};

/* ---- names ---- */

static int refuse(const char *module, const char *name)
{
    error_set(FL_RUNTIME_ERROR,
              "Weights only load failed: the file names %.200s.%.200s, which is neither a tensor "
              "nor a number, text or container",
              module, name);
    return error_hint("save the state_dict() of the module, not the module itself; or read the "
                      "file in Python with weights_only=False, which runs what it says",
                      "请保存模块的 state_dict()，而不是模块本身；或在 Python 中用 "
                      "weights_only=False 读取（会执行文件中的代码）");
}

static int find_name(void *context, const char *module, const char *name, struct pickle_value *v)
{
    char full[128];
    (void)context;
    *v = (struct pickle_value){.kind = PICKLE_NAME};
    if ((size_t)snprintf(full, sizeof full, "%s.%s", module, name) >= sizeof full)
        return refuse(module, name);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(NAMES[i].name, full) == 0)
            return v->as.i = NAMES[i].call, 0;
    if (strcmp(full, "torch.storage.UntypedStorage") == 0 ||
        strcmp(full, "torch.UntypedStorage") == 0)
        return v->as.i = STORAGES, 0;
    size_t length = strlen(name);
    for (int dtype = FL_BOOL; strcmp(module, "torch") == 0 && dtype < FL_DTYPE_COUNT; dtype++) {
        size_t title = strlen(dtypes[dtype].title);
        if (strcmp(name, dtypes[dtype].name) == 0)
            return v->as.i = DTYPES + dtype, 0;
        if (length == title + 7 && memcmp(name, dtypes[dtype].title, title) == 0 &&
            strcmp(name + title, "Storage") == 0)
            return v->as.i = STORAGES + 1 + dtype, 0;
    }
    return refuse(module, name);
}

const char *pt_name_text(int64_t name, char *text)
{
    assert(name >= 0);
    if (name >= STORAGES)
        snprintf(text, 64, "torch.%sStorage",
                 name == STORAGES ? "Untyped" : dtypes[name - STORAGES - 1].title);
    else if (name >= DTYPES)
        snprintf(text, 64, "torch.%s", dtypes[name - DTYPES].name);
    else
        for (size_t i = sizeof NAMES / sizeof *NAMES; i-- > 0;)
            if ((int64_t)NAMES[i].call == name)
                snprintf(text, 64, "%s", NAMES[i].name);
    return text;
}

int pt_storage_dtype(const struct pickle *p, struct pickle_value named, int *dtype)
{
    if (named.kind != PICKLE_NAME || named.as.i < STORAGES)
        return pickle_bad(p, "a persistent id that stands for no storage");
    *dtype = named.as.i == STORAGES ? FL_NO_DTYPE : (int)named.as.i - STORAGES - 1;
    return 0;
}

/* ---- tensors ---- */

/* A new tensor of ndim dims, its handle as a value. */
static struct pt_tensor *new_tensor(struct pickle *p, int ndim, struct pickle_value *made)
{
    assert(ndim >= 0 && ndim <= TENSOR_MAX_DIMS);
    struct pickle_object *o =
        pickle_new(p, sizeof(struct pt_tensor) + 2 * (size_t)ndim * sizeof(int64_t));
    if (!o)
        return NULL;
    struct pt_tensor *t = o->data;
    o->count = PT_TENSOR;
    *made = (struct pickle_value){.kind = PICKLE_OTHER, .as.object = o};
    t->ndim = ndim;
    t->sizes = (int64_t *)(t + 1);
    t->strides = t->sizes + ndim;
    return t;
}

/* Reads a tuple of numbers from 0 up. */
static int take_sizes(struct pickle *p, struct pickle_value from, int64_t *to)
{
    for (int64_t d = 0; d < from.as.object->count; d++) {
        struct pickle_value v = pickle_items(from)[d];
        if (v.kind != PICKLE_INT || v.as.i < 0)
            return pickle_bad(p, "sizes and strides are numbers from 0 up");
        to[d] = v.as.i;
    }
    return 0;
}

/* How far it reaches; -1 with the error set where the numbers overflow. */
static int measure(struct pickle *p, struct pt_tensor *t)
{
    int64_t numel = shape_numel(t->ndim, t->sizes), bytes;
    if (numel < 0)
        return -1;
    t->extent = numel > 0;
    for (int d = 0; numel > 0 && d < t->ndim; d++) {
        int64_t step;
        if (__builtin_mul_overflow(t->sizes[d] - 1, t->strides[d], &step) ||
            __builtin_add_overflow(t->extent, step, &t->extent))
            return pickle_bad(p, "a tensor that is too large");
    }
    if (__builtin_mul_overflow(t->extent, (int64_t)dtype_size(t->dtype), &bytes))
        return pickle_bad(p, "a tensor that is too large");
    return 0;
}

/* A tensor of these sizes and strides, without its storage. */
static struct pt_tensor *shaped(struct pickle *p, struct pickle_value sizes,
                                struct pickle_value strides, int dtype, struct pickle_value *made)
{
    assert(dtype >= FL_BOOL && dtype < FL_DTYPE_COUNT);
    if (sizes.kind != PICKLE_TUPLE || strides.kind != PICKLE_TUPLE ||
        sizes.as.object->count != strides.as.object->count)
        return pickle_bad(p, "sizes and strides are tuples of one length"), NULL;
    if (sizes.as.object->count > TENSOR_MAX_DIMS)
        return pickle_bad(p, "a tensor of more than 64 dims"), NULL;
    struct pt_tensor *t = new_tensor(p, (int)sizes.as.object->count, made);
    if (!t || take_sizes(p, sizes, t->sizes) != 0 || take_sizes(p, strides, t->strides) != 0)
        return NULL;
    t->dtype = dtype;
    return measure(p, t) == 0 ? t : NULL;
}

/* What stands beside a tensor whose values are not those stored: {"conj": True}. */
static int take_metadata(struct pickle *p, struct pickle_value metadata, struct pt_tensor *t)
{
    if (metadata.kind == PICKLE_NONE)
        return 0;
    for (int64_t i = 0; metadata.kind == PICKLE_DICT && i < metadata.as.object->count; i += 2) {
        const struct pickle_value *pair = pickle_items(metadata) + i;
        bool *flag = pair[0].kind != PICKLE_TEXT             ? NULL
                     : !strcmp(pickle_text(pair[0]), "conj") ? &t->conj
                     : !strcmp(pickle_text(pair[0]), "neg")  ? &t->neg
                                                             : NULL;
        if (!flag || pair[1].kind != PICKLE_BOOL)
            return pickle_bad(p, "a tensor says of itself what is not known");
        *flag = pair[1].as.i;
    }
    if (metadata.kind != PICKLE_DICT || (t->conj && !dtype_is_complex(t->dtype)) ||
        (t->neg && !dtype_is_inexact(t->dtype)))
        return pickle_bad(p, "a tensor says of itself what cannot be");
    return 0;
}

/* (storage, offset, sizes, strides[, requires_grad, hooks[, dtype][, metadata]]). */
static int make_tensor(struct pickle *p, int64_t call, struct pickle_value args,
                       struct pickle_value *made)
{
    const struct pickle_value *arg = pickle_items(args);
    int64_t count = args.as.object->count, fixed = call == TENSOR_V1   ? 4
                                                   : call == TENSOR_V2 ? 6
                                                                       : 7;
    struct pt_storage *storage = count >= fixed ? pt_other(arg[0], PT_STORAGE) : NULL;
    if (!storage || count > fixed + (call != TENSOR_V1) || arg[1].kind != PICKLE_INT ||
        arg[1].as.i < 0 || (fixed > 4 && arg[4].kind != PICKLE_BOOL))
        return pickle_bad(p, "a tensor's arguments are wrong");
    int dtype = storage->dtype == FL_NO_DTYPE ? FL_UINT8 : storage->dtype;
    if (call == TENSOR_V3) {
        if (arg[6].kind != PICKLE_NAME || arg[6].as.i < DTYPES || arg[6].as.i >= STORAGES)
            return pickle_bad(p, "a tensor without a dtype");
        dtype = (int)arg[6].as.i - DTYPES;
    }
    struct pt_tensor *t = shaped(p, arg[2], arg[3], dtype, made);
    if (!t)
        return -1;
    t->storage = storage;
    t->offset = arg[1].as.i;
    uint64_t held = storage->bytes / dtype_size(dtype);
    if (t->extent > 0 &&
        ((uint64_t)t->offset > held || (uint64_t)t->extent > held - (uint64_t)t->offset))
        return pickle_bad(p, "a tensor reaches beyond its storage");
    return count > fixed ? take_metadata(p, arg[fixed], t) : 0;
}

/* (dtype, sizes, strides, requires_grad) */
static int make_meta(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    const struct pickle_value *arg = pickle_items(args);
    if (args.as.object->count != 4 || arg[0].kind != PICKLE_NAME || arg[0].as.i < DTYPES ||
        arg[0].as.i >= STORAGES)
        return pickle_bad(p, "a tensor's arguments are wrong");
    return shaped(p, arg[1], arg[2], (int)arg[0].as.i - DTYPES, made) ? 0 : -1;
}

/* (function, class, its arguments, attributes): a tensor whose attributes are left out. */
static int make_from_type(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    const struct pickle_value *arg = pickle_items(args);
    if (args.as.object->count != 4 || arg[0].kind != PICKLE_NAME || arg[0].as.i > META ||
        arg[0].as.i == SPARSE || arg[1].kind != PICKLE_NAME || arg[2].kind != PICKLE_TUPLE ||
        (arg[1].as.i != TENSOR_TYPE && arg[1].as.i != PARAMETER))
        return pickle_bad(p, "a tensor is made again from something else than a tensor");
    return pt_runner.call(NULL, p, arg[0].as.i, arg[2], made);
}

/* (layout, (indices, values, size, ...)): a dict of the parts. */
static int make_sparse(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    static const char *const COO[] = {"indices", "values", "size", "is_coalesced"},
                             *const CSR[] = {"crow_indices", "col_indices", "values", "size"};
    const struct pickle_value *arg = pickle_items(args);
    if (args.as.object->count != 2 || arg[0].kind != PICKLE_TEXT || arg[1].kind != PICKLE_TUPLE)
        return pickle_bad(p, "a sparse tensor's arguments are wrong");
    bool coo = strcmp(pickle_text(arg[0]), "torch.sparse_coo") == 0;
    int64_t count = arg[1].as.object->count;
    if (count < 3 || count > 4 || (!coo && count != 4))
        return pickle_bad(p, "a sparse tensor's parts are wrong");
    struct pickle_object *parts = pickle_new(p, 0);
    struct pickle_value pair[2];
    if (!parts || pickle_new_text(p, PICKLE_TEXT, "layout", 6, &pair[0]) != 0)
        return -1;
    pair[1] = arg[0];
    if (pickle_append(parts, pair, 2) != 0)
        return -1;
    for (int64_t i = 0; i < count; i++) {
        const char *name = (coo ? COO : CSR)[i];
        pair[1] = pickle_items(arg[1])[i];
        if (i < (coo ? 2 : 3) && !pt_other(pair[1], PT_TENSOR))
            return pickle_bad(p, "a sparse tensor's parts are wrong");
        if (pickle_new_text(p, PICKLE_TEXT, name, strlen(name), &pair[0]) != 0 ||
            pickle_append(parts, pair, 2) != 0)
            return -1;
    }
    *made = (struct pickle_value){.kind = PICKLE_DICT, .as.object = parts};
    return 0;
}

/* ---- containers and texts ---- */

static int make_layout(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    static const char *const KNOWN[] = {"torch.strided", "torch.sparse_coo", "torch.sparse_csr"};
    *made = args.as.object->count == 1 ? pickle_items(args)[0] : (struct pickle_value){0};
    for (int i = 0; made->kind == PICKLE_TEXT && i < 3; i++)
        if (strcmp(pickle_text(*made), KNOWN[i]) == 0)
            return 0;
    return pickle_bad(p, "Flambeau has no such layout");
}

/* (kind[, index]) */
static int make_device(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    char text[64];
    const struct pickle_value *arg = pickle_items(args);
    int64_t count = args.as.object->count;
    if (count < 1 || count > 2 || arg[0].kind != PICKLE_TEXT || arg[0].as.object->count > 32 ||
        (count == 2 && arg[1].kind != PICKLE_INT && arg[1].kind != PICKLE_NONE))
        return pickle_bad(p, "a device's arguments are wrong");
    if (count == 1 || arg[1].kind == PICKLE_NONE)
        return *made = arg[0], 0;
    int length =
        snprintf(text, sizeof text, "%s:%lld", pickle_text(arg[0]), (long long)arg[1].as.i);
    return pickle_new_text(p, PICKLE_TEXT, text, (size_t)length, made);
}

static double number_of(struct pickle_value v)
{
    return v.kind == PICKLE_FLOAT ? v.as.f : (double)v.as.i;
}

static int make_complex(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    char text[96];
    const struct pickle_value *arg = pickle_items(args);
    if (args.as.object->count != 2 || (arg[0].kind != PICKLE_FLOAT && arg[0].kind != PICKLE_INT) ||
        (arg[1].kind != PICKLE_FLOAT && arg[1].kind != PICKLE_INT))
        return pickle_bad(p, "a complex number's arguments are wrong");
    int length =
        snprintf(text, sizeof text, "(%.17g%+.17gj)", number_of(arg[0]), number_of(arg[1]));
    return pickle_new_text(p, PICKLE_TEXT, text, (size_t)length, made);
}

/* (text[, encoding]): the text's characters as bytes, as protocol 2 writes them. */
static int make_encoded(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    const struct pickle_value *arg = pickle_items(args);
    int64_t count = args.as.object->count;
    if (count < 1 || count > 2 || arg[0].kind != PICKLE_TEXT ||
        (count == 2 && arg[1].kind != PICKLE_TEXT))
        return pickle_bad(p, "a text to encode is expected");
    const char *encoding = count == 2 ? pickle_text(arg[1]) : "latin1", *at = pickle_text(arg[0]);
    int64_t bytes = arg[0].as.object->count, length = 0;
    bool utf8 = !strcmp(encoding, "utf-8") || !strcmp(encoding, "utf8");
    if (!utf8 && strcmp(encoding, "latin1") != 0 && strcmp(encoding, "latin-1") != 0)
        return pickle_bad(p, "bytes in an encoding that is not read");
    if (pickle_spend(p, bytes) != 0 ||
        pickle_new_text(p, PICKLE_BYTES, at, (size_t)bytes, made) != 0)
        return -1;
    if (utf8)
        return 0;
    char *to = made->as.object->data;
    for (int64_t i = 0; i < bytes; i++) { /* two bytes of UTF-8 are one from 0x80 to 0xff */
        unsigned c = (unsigned char)at[i];
        if (c >= 0x80)
            c = c > 0xc3 ? 0x100 : (c & 3) << 6 | ((unsigned char)at[++i] & 0x3f);
        if (c > 0xff)
            return pickle_bad(p, "a character that latin1 has not");
        to[length++] = (char)c;
    }
    made->as.object->count = length;
    return 0;
}

static int make_bytearray(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    const struct pickle_value *arg = pickle_items(args);
    int64_t count = args.as.object->count;
    if (count == 0)
        return pickle_new_text(p, PICKLE_BYTES, "", 0, made);
    if (arg[0].kind == PICKLE_TEXT)
        return make_encoded(p, args, made);
    if (count != 1 || arg[0].kind != PICKLE_BYTES)
        return pickle_bad(p, "bytes are expected");
    *made = arg[0];
    return 0;
}

/* () or (dict) or (list of pairs): a dict of its own. */
static int make_dict(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    int64_t count = args.as.object->count;
    struct pickle_object *o = count <= 1 ? pickle_new(p, 0) : NULL;
    *made = (struct pickle_value){.kind = PICKLE_DICT, .as.object = o};
    if (!o)
        return count <= 1 ? -1 : pickle_bad(p, "a dict's arguments are wrong");
    if (count == 0)
        return 0;
    struct pickle_value from = pickle_items(args)[0];
    if (from.kind != PICKLE_DICT && !pickle_is_sequence(from))
        return pickle_bad(p, "a dict's arguments are wrong");
    const struct pickle_value *items = pickle_items(from);
    int64_t length = from.as.object->count;
    if (pickle_spend(p, length) != 0)
        return -1;
    if (from.kind == PICKLE_DICT)
        return pickle_append(o, items, length);
    for (int64_t i = 0; i < length; i++)
        if (!pickle_is_sequence(items[i]) || items[i].as.object->count != 2)
            return pickle_bad(p, "a dict's arguments are wrong");
        else if (pickle_append(o, pickle_items(items[i]), 2) != 0)
            return -1;
    return 0;
}

/* () or (items) */
static int make_set(struct pickle *p, struct pickle_value args, struct pickle_value *made)
{
    int64_t count = args.as.object->count;
    if (count > 1 || (count == 1 && !pickle_is_sequence(pickle_items(args)[0])))
        return pickle_bad(p, "a set's arguments are wrong");
    struct pickle_object *o = pickle_new(p, 0), *from = NULL;
    *made = (struct pickle_value){.kind = PICKLE_LIST, .as.object = o};
    if (!o || count == 0)
        return o ? 0 : -1;
    from = pickle_items(args)[0].as.object;
    return pickle_spend(p, from->count) == 0 ? pickle_append(o, from->data, from->count) : -1;
}

/* What is one of its arguments: a parameter its tensor, sizes their tuple. */
static int make_same(struct pickle *p, int64_t call, struct pickle_value args,
                     struct pickle_value *made)
{
    int64_t count = args.as.object->count;
    if (call == SIZE && count == 0)
        return *made = args, 0;
    if (count < 1 || count > (call == SIZE ? 1 : 4))
        return pickle_bad(p, "a call's arguments are wrong");
    *made = pickle_items(args)[0];
    if (call == SIZE ? made->kind != PICKLE_TUPLE : !pt_other(*made, PT_TENSOR))
        return pickle_bad(p, "a call's arguments are wrong");
    return 0;
}

static int make(void *context, struct pickle *p, int64_t call, struct pickle_value args,
                struct pickle_value *made)
{
    (void)context;
    assert(args.kind == PICKLE_TUPLE);
    switch (call) {
    case TENSOR_V1:
    case TENSOR_V2:
    case TENSOR_V3:
        return make_tensor(p, call, args, made);
    case SPARSE:
        return make_sparse(p, args, made);
    case META:
        return make_meta(p, args, made);
    case FROM_TYPE:
        return make_from_type(p, args, made);
    case PARAMETER:
    case SIZE:
        return make_same(p, call, args, made);
    case LAYOUT:
        return make_layout(p, args, made);
    case DEVICE:
        return make_device(p, args, made);
    case ENCODE:
        return make_encoded(p, args, made);
    case BYTEARRAY:
        return make_bytearray(p, args, made);
    case COMPLEX:
        return make_complex(p, args, made);
    case DICT:
        return make_dict(p, args, made);
    case SET:
        return make_set(p, args, made);
    default:
        return pickle_bad(p, "a call of what is no function");
    }
}

const struct pickle_runner pt_runner = {.name = find_name, .call = make};
