/* Tensors: making, views, resizing, shapes, promotion, scopes, the public functions. */
#include "check.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/scope.h"
#include "core/tensor.h"

static int64_t allocated(void)
{
    struct memory_stats s;
    memory_stats(&s);
    return s.allocated;
}

static int starts(const char *want)
{
    int same = strncmp(fl_error_message(), want, strlen(want)) == 0;
    if (!same)
        fprintf(stderr, "    message: %s\n", fl_error_message());
    return same;
}

static void test_making(void)
{
    fl_tensor *t = tensor_new(2, (int64_t[]){3, 4}, FL_FLOAT32);
    REQUIRE(t != NULL);
    CHECK(t->numel == 12 && t->strides[0] == 4 && t->strides[1] == 1 && t->storage->bytes == 48);
    CHECK((t->flags & TENSOR_CONTIGUOUS) && t->dtype == FL_FLOAT32 && t->storage->version == 0);
    fl_tensor *view = tensor_alias(t, 2, (int64_t[]){4, 3}, (int64_t[]){1, 4}, 0);
    CHECK(tensor_data(view) == tensor_data(t) && !(view->flags & TENSOR_CONTIGUOUS) &&
          tensor_is_dense(view));
    tensor_release(t);
    fl_tensor *like = tensor_new_like(view, FL_INT64);
    CHECK(like->strides[0] == 1 && like->strides[1] == 4 && like->storage->bytes == 96);
    tensor_release(like);
    tensor_release(view);

    int64_t many[64];
    for (int i = 0; i < 64; i++)
        many[i] = 1 + (i % 30 == 0);
    t = tensor_new(64, many, FL_INT16);
    CHECK(t->numel == 8 && t->strides[0] == 4 && t->strides[63] == 1);
    CHECK(tensor_set_shape(t, 1, (int64_t[]){8}, (int64_t[]){1}, 0) == 0);
    CHECK(t->ndim == 1 && t->sizes == t->inline_dims);
    CHECK(tensor_set_shape(t, 64, many, many, 0) == 0);
    CHECK(t->ndim == 64 && t->numel == 8);
    tensor_release(t);

    t = tensor_new(2, (int64_t[]){0, 5}, FL_FLOAT64);
    CHECK(t->numel == 0 && tensor_data(t) == NULL && (t->flags & TENSOR_CONTIGUOUS));
    CHECK(tensor_resize(t, 2, (int64_t[]){700, 5}) == 0 && tensor_data(t) != NULL);
    tensor_fill(t, fl_float(1.5));
    CHECK(tensor_resize(t, 1, (int64_t[]){9000}) == 0);
    CHECK(tensor_element(t, 3499).as.f == 1.5);

    /* A storage that grows moves: its views read and write the new memory. */
    fl_tensor *part = tensor_alias(t, 1, (int64_t[]){10}, (int64_t[]){1}, 3490);
    const void *old = tensor_data(t);
    CHECK(tensor_resize(t, 1, (int64_t[]){1 << 20}) == 0 && tensor_data(t) != old);
    CHECK((char *)tensor_data(part) == (char *)tensor_data(t) + 3490 * 8);
    CHECK(tensor_element(part, 9).as.f == 1.5 && tensor_fill(part, fl_float(2)) == 0);
    CHECK(tensor_element(t, 3499).as.f == 2 && tensor_element(t, 3489).as.f == 1.5);
    tensor_release(t), tensor_release(part);
}

static void test_refusals(void)
{
    CHECK(tensor_new(65, NULL, FL_FLOAT32) == NULL);
    CHECK(tensor_new(1, (int64_t[]){-1}, FL_FLOAT32) == NULL);
    CHECK(starts("Trying to create tensor with negative dimension -1: [-1]"));
    int64_t large[] = {INT64_MAX / 2, 3};
    CHECK(tensor_new(2, large, FL_FLOAT32) == NULL && fl_error() == FL_RUNTIME_ERROR);
    CHECK(tensor_new(1, large, FL_FLOAT32) == NULL);
    CHECK(starts("Storage size calculation overflowed"));
    CHECK(tensor_new(1, (int64_t[]){(int64_t)1 << 60}, FL_UINT8) == NULL);
    CHECK(fl_error() == FL_OUT_OF_MEMORY);
    CHECK(tensor_new_strided(1, (int64_t[]){10}, (int64_t[]){INT64_MAX / 4}, FL_UINT8) == NULL);
    CHECK(shape_wrap_dim(2, 2) == -1 && fl_error() == FL_INDEX_ERROR);
    CHECK(starts("Dimension out of range (expected to be in range of [-2, 1], but got 2)"));
    CHECK(shape_wrap_dim(-1, 0) == 0 && shape_wrap_dim(-2, 2) == 0);

    static char memory[40];
    fl_tensor *t = fl_from_memory(memory, FL_INTS_OF(10), FL_FLOAT32, NULL, NULL);
    t->storage->resizable = false;
    CHECK(tensor_resize(t, 1, (int64_t[]){11}) == -1);
    CHECK(starts("Trying to resize storage that is not resizable"));
    CHECK(tensor_resize(t, 1, (int64_t[]){9}) == 0);
    fl_release(t);
}

static void test_broadcast(void)
{
    int64_t out[TENSOR_MAX_DIMS] = {4, 1};
    int ndim = 2;
    CHECK(shape_broadcast(&ndim, out, 3, (int64_t[]){2, 1, 5}) == 0);
    CHECK(ndim == 3 && out[0] == 2 && out[1] == 4 && out[2] == 5);
    CHECK(shape_broadcast(&ndim, out, 1, (int64_t[]){3}) == -1);
    CHECK(starts("The size of tensor a (5) must match the size of tensor b (3) at non-singleton "
                 "dimension 2"));
    char text[64];
    CHECK_TEXT(shape_text(text, sizeof text, 3, out), "[2, 4, 5]");
    CHECK_TEXT(shape_text(text, sizeof text, 0, out), "[]");
    CHECK(strlen(shape_text(text, 6, 3, out)) == 5);
}

static void test_dtypes(void)
{
    CHECK(dtype_promote(FL_UINT8, FL_INT8) == FL_INT16);
    CHECK(dtype_promote(FL_BOOL, FL_UINT8) == FL_UINT8);
    CHECK(dtype_promote(FL_INT64, FL_FLOAT16) == FL_FLOAT16);
    CHECK(dtype_promote(FL_FLOAT16, FL_BFLOAT16) == FL_FLOAT32);
    CHECK(dtype_promote(FL_COMPLEX64, FL_FLOAT64) == FL_COMPLEX128);
    CHECK(dtype_promote(FL_COMPLEX64, FL_BFLOAT16) == FL_COMPLEX64);
    CHECK(!dtype_can_cast(FL_FLOAT32, FL_INT64) && dtype_can_cast(FL_INT64, FL_FLOAT16));
    CHECK(!dtype_can_cast(FL_INT64, FL_BOOL) && dtype_can_cast(FL_BOOL, FL_UINT8));
    CHECK(!dtype_can_cast(FL_COMPLEX64, FL_FLOAT32) && dtype_can_cast(FL_FLOAT64, FL_FLOAT16));
    CHECK_TEXT(dtype_title(FL_INT64), "Long");
    CHECK_TEXT(fl_dtype_name(FL_BFLOAT16), "bfloat16");
}

static void test_overlap(void)
{
    fl_tensor *t = tensor_new(1, (int64_t[]){10}, FL_FLOAT32);
    fl_tensor *a = tensor_alias(t, 1, (int64_t[]){6}, (int64_t[]){1}, 0);
    fl_tensor *b = tensor_alias(t, 1, (int64_t[]){6}, (int64_t[]){1}, 4);
    fl_tensor *c = tensor_alias(t, 1, (int64_t[]){4}, (int64_t[]){1}, 6);
    CHECK(tensor_overlap(a, a) == 1 && tensor_overlap(a, b) == 2 && tensor_overlap(a, c) == 0);
    tensor_release(t);
    tensor_release(a);
    tensor_release(b);
    tensor_release(c);
}

static int freed;

static void note_freed(void *context)
{
    CHECK(context == &freed);
    freed++;
}

static void test_public(void)
{
    float values[] = {1, 2, 3, 4, 5, 6};
    fl_tensor *t = fl_from_data(values, FL_INTS_OF(2, 3), FL_FLOAT32);
    CHECK(fl_ndim(t) == 2 && fl_size(t, -1) == 3 && fl_numel(t) == 6 && fl_sizes(t).count == 2);
    CHECK(fl_size(t, 2) == -1 && fl_error() == FL_INDEX_ERROR);
    CHECK(isnan(fl_item(t)) && starts("a Tensor with 6 elements cannot be converted to Scalar"));
    CHECK(((float *)fl_data(t))[5] == 6 && fl_is_contiguous(t) && fl_dtype_of(t) == FL_FLOAT32);
    fl_release(t);
    fl_release(NULL);
    CHECK(fl_retain(NULL) == NULL);

    t = fl_scalar(2.5, FL_BFLOAT16);
    CHECK(fl_item(t) == 2.5 && fl_item_int(t) == 2 && fl_ndim(t) == 0);
    fl_release(t);
    t = fl_from_memory(values, FL_INTS_OF(6), FL_FLOAT32, note_freed, &freed);
    CHECK(fl_data(t) == values);
    fl_release(t);
    CHECK(freed == 1);
    CHECK(fl_from_data(values, FL_INTS_OF(6), (fl_dtype)99) == NULL && fl_error() == FL_TYPE_ERROR);
}

static void test_scopes(void)
{
    int64_t before = allocated();
    fl_scope_begin();
    for (int i = 0; i < 100; i++)
        fl_scalar(i, FL_FLOAT32);
    fl_scope_begin();
    fl_tensor *kept = fl_keep(fl_scalar(7, FL_FLOAT64));
    fl_scope_end();
    CHECK(fl_item(kept) == 7);
    fl_release(kept);
    fl_tensor *mine = fl_keep(fl_scalar(8, FL_FLOAT64));
    struct scope *suspended = scope_suspend();
    fl_tensor *outside = fl_scalar(9, FL_FLOAT64);
    scope_resume(suspended);
    fl_scope_end();
    fl_scope_end();
    CHECK(fl_item(mine) == 8 && fl_item(outside) == 9);
    fl_release(mine);
    fl_release(outside);
    CHECK(allocated() == before);
}

/* Every allocation of a little program fails once: an error each time, and nothing lost. */
static void test_failing(void)
{
    int64_t before = allocated();
    int n = 0;
    for (bool done = false; !done; n++) {
        memory_fail_nth(n);
        int64_t sizes[] = {2, 3, 2, 3, 2, 3, 40};
        fl_error_clear();
        fl_tensor *t = tensor_new(7, sizes, FL_FLOAT32);
        fl_tensor *r = t ? tensor_as(t, FL_FLOAT64) : NULL;
        done = r && tensor_resize(r, 1, (int64_t[]){100000}) == 0;
        CHECK(done == (fl_error() == FL_OK));
        tensor_release(t);
        tensor_release(r);
        CHECK(allocated() == before);
    }
    memory_fail_nth(-1);
    CHECK(n > 6);
}

int main(void)
{
    setenv("FLAMBEAU_LANG", "en", 1);
    test_making();
    test_refusals();
    test_broadcast();
    test_dtypes();
    test_overlap();
    test_public();
    test_scopes();
    test_failing();
    CHECK(allocated() == 0);
    return check_result();
}
