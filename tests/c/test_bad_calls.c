/* Calls that a C program may get wrong: each fails with an error, and the next works. */
#include "check.h"
#include "core/memory.h"
#include "flambeau.h"

static void refused(const void *result, fl_error_kind kind)
{
    CHECK(result == NULL);
    CHECK(fl_error() == kind);
    CHECK(fl_error_message()[0] != '\0');
    fl_error_clear();
}

static void test_arguments(fl_tensor *x)
{
    static const int64_t many[100];
    fl_tensor *few[] = {x, NULL};
    refused(fl_sum(x, (fl_dtype)41), FL_TYPE_ERROR);
    refused(fl_sum(x, (fl_dtype)-7), FL_TYPE_ERROR);
    refused(fl_from_data("", FL_INTS_OF(1), (fl_dtype)99), FL_TYPE_ERROR);
    refused(fl_tile(x, (fl_ints){many, 100}), FL_RUNTIME_ERROR);
    refused(fl_reshape(x, (fl_ints){many, -1}), FL_VALUE_ERROR);
    refused(fl_reshape(x, (fl_ints){NULL, 3}), FL_VALUE_ERROR);
    refused(fl_scalar(300, FL_INT8), FL_RUNTIME_ERROR);
    refused(fl_op_find(NULL), FL_VALUE_ERROR);
    refused(fl_op_find("no such operator"), FL_RUNTIME_ERROR);
    refused(fl_op_find("_conv2d"), FL_RUNTIME_ERROR);
    fl_tensor *none = fl_zeros((fl_ints){NULL, 0}, FL_FLOAT32, (fl_device){-1, 0}, false);
    CHECK(fl_ndim(none) == 0); /* an empty list where a list is needed */
    fl_release(none);
    refused(fl_cat((fl_tensors){few, 2}, 0), FL_VALUE_ERROR);
    CHECK(fl_add(NULL, x, fl_int(1)) == NULL);
    CHECK(fl_error() == FL_OK);
}

static void test_tags(fl_tensor *x)
{
    const fl_op *sum = fl_op_find("sum.dim_IntList");
    fl_value y, args[] = {fl_tensor_value(x), fl_float(1), fl_boolean(false), fl_none()};
    CHECK(fl_call(sum, 4, args, 1, &y) == -1 && fl_error() == FL_TYPE_ERROR);
    args[1] = fl_none(), args[0] = fl_int(3);
    CHECK(fl_call(sum, 4, args, 1, &y) == -1 && fl_error() == FL_TYPE_ERROR);
    args[0] = (fl_value){.tag = 77};
    CHECK(fl_call(sum, 4, args, 1, &y) == -1 && fl_error() == FL_TYPE_ERROR);
    args[0] = fl_none();
    CHECK(fl_call(sum, 4, args, 1, &y) == -1 && fl_error() == FL_TYPE_ERROR);
    fl_error_clear();
}

/* Lists are released in the same way inside a scope and outside. */
static void test_lists(fl_tensor *x)
{
    fl_value parts;
    CHECK(fl_unbind(x, 0, &parts) == 0 && parts.tag == FL_TENSORS && parts.count == 2);
    fl_value_release(&parts);
    fl_scope_begin();
    CHECK(fl_unbind(x, 0, &parts) == 0);
    fl_tensor *first = parts.as.tensors[0];
    fl_value_release(&parts);
    CHECK(fl_numel(first) == 3); /* the scope's */
    fl_scope_end();
    CHECK(fl_tensor_split(x, INT64_MAX, 0, &parts) == -1 && fl_error() == FL_OUT_OF_MEMORY);
    fl_error_clear();
}

/* Operators for gradients that programs may call check what they are given. */
static void test_gradients_of_another_shape(fl_tensor *x)
{
    fl_ints sizes = FL_INTS_OF(4, 5);
    CHECK(fl_select_backward(x, sizes, 0, 1) == NULL);
    CHECK(strncmp(fl_error_message(), "expected a gradient of shape [5], got [2, 3]", 44) == 0);
    CHECK(fl_slice_backward(x, sizes, 0, NULL, NULL, 1) == NULL);
    CHECK(fl_diagonal_backward(x, sizes, 0, 0, 1) == NULL);
    CHECK(fl_unfold_backward(x, sizes, 0, 2, 1) == NULL);
    fl_error_clear();
}

/* Whichever allocation fails, a division finds its zero or says that memory is out. */
static void test_division_without_memory(void)
{
    const int32_t numbers[] = {1, 0, 3};
    fl_tensor *x = fl_from_data(numbers, FL_INTS_OF(3), FL_INT32);
    for (int n = 0; n < 8; n++) {
        memory_fail_nth(n);
        fl_tensor *y = fl_remainder(x, x);
        memory_fail_nth(-1);
        CHECK(y == NULL);
        fl_error_clear();
    }
    fl_release(x);
}

int main(void)
{
    const float data[] = {1, 2, 3, 4, 5, 6};
    fl_tensor *x = fl_from_data(data, FL_INTS_OF(2, 3), FL_FLOAT32);
    test_arguments(x);
    test_tags(x);
    test_lists(x);
    test_gradients_of_another_shape(x);
    test_division_without_memory();
    fl_release(x);
    return check_result();
}
