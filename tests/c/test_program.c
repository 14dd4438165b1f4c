/* What a C program does beside calling operators: conversion, backward with options, hooks, its own
 * operators, generators, text, files, memory; and who owns what. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "core/memory.h"
#include "flambeau.h"

static const fl_tensors NONE = {NULL, 0};

static fl_tensor *numbers(int count, const float *values)
{
    return fl_from_data(values, FL_INTS_OF(count), FL_FLOAT32);
}

static bool near(double a, double b)
{
    return a - b < 1e-6 && b - a < 1e-6;
}

static int64_t held(void)
{
    fl_memory m;
    fl_memory_stats(&m);
    return m.allocated;
}

static void test_ownership(void)
{
    fl_tensor *x = numbers(2, (float[]){1, 2});
    int64_t before = held();
    fl_scope_begin();
    fl_scope_begin();
    fl_tensor *kept = fl_keep(fl_mul(x, x));
    fl_scope_end();
    fl_scope_end();
    CHECK(near(((float *)fl_data(kept))[1], 4));
    fl_release(kept); /* the caller's alone, though a scope stood around */

    fl_scope_begin();
    fl_scope_begin();
    fl_tensor *y = fl_scope_return(fl_add(x, x, fl_int(1)));
    CHECK(y && fl_numel(y) == 2);
    fl_scope_end(); /* has released y */

    fl_scope_begin();
    fl_scope_return(NULL);
    CHECK(fl_scope_return(x) == x); /* without a scope it stays the caller's */
    fl_scope_begin();
    fl_tensor *same = fl_scope_return(x); /* what the scope does not own is shared */
    CHECK(same == x);
    fl_release(same);

    CHECK(fl_add_(x, x, fl_int(1)) == x); /* in place: nothing to release */
    fl_module *m = fl_sequential_new();
    fl_scope_begin();
    CHECK(fl_module_add_parameter(
              m, "w", fl_zeros(FL_INTS_OF(3), FL_NO_DTYPE, (fl_device){-1, 0}, false)) == 0);
    fl_scope_end();
    fl_tensors first = fl_module_parameters(m), second = fl_module_parameters(m);
    CHECK(first.count == 1 && first.data == second.data);
    CHECK(fl_numel(first.data[0]) == 3);
    fl_module_release(m);
    CHECK(held() <= before + 512);
    fl_release(x);
}

static void test_conversion(void)
{
    fl_tensor *x = numbers(2, (float[]){1.5f, -2.5f});
    fl_set_requires_grad(x, true);
    fl_tensor *d = fl_to(x, FL_FLOAT64, (fl_device){-1, 0});
    CHECK(fl_dtype_of(d) == FL_FLOAT64 && fl_requires_grad(d));
    fl_tensor *same = fl_to(x, FL_NO_DTYPE, (fl_device){FL_CPU, 0});
    CHECK(same == x);
    fl_release(same);
    fl_tensor *loss = fl_sum(d, FL_NO_DTYPE);
    CHECK(fl_backward(loss) == 0 && fl_dtype_of(fl_grad(x)) == FL_FLOAT32);
    fl_tensor *free = fl_detach(x);
    CHECK(!fl_requires_grad(free) && fl_data(free) == fl_data(x));
    CHECK(fl_to(x, FL_FLOAT32, (fl_device){FL_CUDA, 0}) == NULL &&
          fl_error() == FL_ASSERTION_ERROR);
    fl_error_clear();
    CHECK(fl_to(NULL, FL_FLOAT32, (fl_device){-1, 0}) == NULL && fl_error() == FL_VALUE_ERROR);
    CHECK(strstr(fl_error_message(), "fl_to"));
    fl_error_clear();
    fl_release(free), fl_release(loss), fl_release(d), fl_release(x);
}

/* d/dx of sum(x^3) twice: 3 x^2, then 6 x. */
static void test_gradients_of_gradients(void)
{
    fl_scope_begin();
    fl_tensor *x = numbers(2, (float[]){2, 3}), *g, *gg, *other = numbers(1, (float[]){1});
    fl_set_requires_grad(x, true);
    fl_set_requires_grad(other, true);
    fl_tensor *y = fl_sum(fl_mul(fl_mul(x, x), x), FL_NO_DTYPE);
    fl_backward_options record = {.create_graph = true};
    CHECK(fl_autograd_grad((fl_tensors){&y, 1}, (fl_tensors){&x, 1}, NONE, &record, &g) == 0);
    CHECK(near(((float *)fl_data(g))[1], 27) && fl_grad(x) == NULL);
    fl_tensor *s = fl_sum(g, FL_NO_DTYPE);
    CHECK(fl_autograd_grad((fl_tensors){&s, 1}, (fl_tensors){&x, 1}, NONE, NULL, &gg) == 0);
    CHECK(near(((float *)fl_data(gg))[0], 12));
    fl_tensor *both[] = {x, other}, *two[2];
    y = fl_sum(fl_mul(x, x), FL_NO_DTYPE);
    CHECK(fl_autograd_grad((fl_tensors){&y, 1}, (fl_tensors){both, 2}, NONE, NULL, two) == -1);
    CHECK(fl_error() == FL_RUNTIME_ERROR && !two[0] && !two[1]);
    fl_error_clear();
    y = fl_sum(fl_mul(x, x), FL_NO_DTYPE);
    fl_backward_options some = {.allow_unused = true, .retain_graph = true};
    CHECK(fl_autograd_grad((fl_tensors){&y, 1}, (fl_tensors){both, 2}, NONE, &some, two) == 0);
    CHECK(two[0] && !two[1]);
    /* A gradient of one's own, and a graph that is walked twice. */
    fl_tensor *z = fl_mul(x, x), *weights = numbers(2, (float[]){1, 10});
    CHECK(fl_autograd_backward((fl_tensors){&z, 1}, (fl_tensors){&weights, 1}, &some) == 0);
    CHECK(near(((float *)fl_data(fl_grad(x)))[1], 60));
    CHECK(fl_autograd_backward((fl_tensors){&z, 1}, (fl_tensors){&weights, 1}, NULL) == 0);
    CHECK(near(((float *)fl_data(fl_grad(x)))[1], 120));
    CHECK(fl_autograd_backward((fl_tensors){&z, 1}, (fl_tensors){&weights, 1}, NULL) == -1);
    fl_error_clear();
    CHECK(fl_autograd_backward((fl_tensors){&z, 1}, NONE, NULL) == -1);
    fl_error_clear();
    fl_scope_end();
}

static fl_tensor *double_it(fl_tensor *gradient, void *context)
{
    ++*(int *)context;
    return fl_mul_scalar(gradient, fl_int(2));
}
static fl_tensor *watch(fl_tensor *gradient, void *context)
{
    (void)gradient;
    ++*(int *)context;
    return NULL;
}
static fl_tensor *refuse(fl_tensor *gradient, void *context)
{
    (void)context;
    return fl_reshape(gradient, FL_INTS_OF(77)); /* fails with an error */
}
static void count_down(void *context)
{
    --*(int *)context;
}

static void test_hooks(void)
{
    fl_scope_begin();
    int calls = 0, seen = 0, alive = 1;
    fl_tensor *x = numbers(2, (float[]){2, 3});
    fl_set_requires_grad(x, true);
    fl_tensor *y = fl_mul_scalar(x, fl_int(1));
    int64_t id = fl_add_hook(y, double_it, &calls, NULL);
    CHECK(id >= 0 && fl_add_hook(y, watch, &seen, NULL) >= 0);
    fl_backward(fl_sum(fl_mul(y, y), FL_NO_DTYPE));
    CHECK(calls == 1 && seen == 1 && near(((float *)fl_data(fl_grad(x)))[0], 8));
    y = fl_mul_scalar(x, fl_int(1));
    id = fl_add_hook(y, double_it, &calls, NULL);
    fl_remove_hook(y, id);
    fl_backward(fl_sum(y, FL_NO_DTYPE));
    CHECK(calls == 1);
    fl_add_hook(x, watch, &alive, count_down);
    CHECK(fl_add_hook(NULL, watch, &alive, count_down) == -1 && alive == 0);
    fl_error_clear();
    alive = 1;
    fl_add_hook(y, refuse, NULL, NULL);
    fl_tensor *w = fl_mul_scalar(x, fl_int(1));
    fl_add_hook(w, refuse, NULL, NULL);
    CHECK(fl_backward(fl_sum(w, FL_NO_DTYPE)) == -1 && fl_error() == FL_RUNTIME_ERROR);
    fl_error_clear();
    fl_scope_end();
    CHECK(alive == 0); /* the tensor is gone, and its hook with it */
}

/* y = x^2, with x saved. */
static int square_backward(const fl_backward_call *call)
{
    if (call->gradients.data[0] && call->inputs.data[0])
        call->results[0] =
            fl_mul(fl_mul_scalar(call->saved.data[0], fl_int(2)), call->gradients.data[0]);
    return 0;
}
static int failing_backward(const fl_backward_call *call)
{
    (void)call;
    return -1;
}

static fl_tensor *square(fl_tensor *x, int (*backward)(const fl_backward_call *), int *alive)
{
    bool was = fl_grad_enabled(false);
    fl_tensor *y = fl_mul(x, x);
    fl_grad_enabled(was);
    ++*alive;
    return fl_record("Square", (fl_tensors){&x, 1}, (fl_tensors){&y, 1}, (fl_tensors){&x, 1},
                     backward, alive, count_down) == 0
               ? y
               : NULL;
}

static void test_own_operator(void)
{
    int alive = 0;
    fl_scope_begin();
    fl_tensor *x = numbers(2, (float[]){2, 3}), *g, *gg;
    fl_set_requires_grad(x, true);
    fl_tensor *y = square(x, square_backward, &alive);
    char *text = fl_text(y);
    CHECK(strcmp(text, "tensor([4., 9.], grad_fn=<SquareBackward>)") == 0);
    fl_text_free(text);
    fl_tensor *s = fl_sum(y, FL_NO_DTYPE);
    fl_backward_options record = {.create_graph = true};
    CHECK(fl_autograd_grad((fl_tensors){&s, 1}, (fl_tensors){&x, 1}, NONE, &record, &g) == 0);
    CHECK(near(((float *)fl_data(g))[1], 6));
    s = fl_sum(g, FL_NO_DTYPE);
    CHECK(fl_autograd_grad((fl_tensors){&s, 1}, (fl_tensors){&x, 1}, NONE, NULL, &gg) == 0);
    CHECK(near(((float *)fl_data(gg))[1], 2));
    CHECK(alive == 1);
    CHECK(fl_backward(fl_sum(square(x, failing_backward, &alive), FL_NO_DTYPE)) == -1);
    CHECK(strstr(fl_error_message(), "SquareBackward"));
    fl_error_clear();
    CHECK(square(y, NULL, &alive) == NULL && fl_error() == FL_VALUE_ERROR);
    fl_error_clear();
    fl_tensor *plain = numbers(1, (float[]){3});
    CHECK(square(plain, square_backward, &alive)); /* nothing to record: the context is dropped */
    fl_tensor *p = fl_mul_scalar(x, fl_int(1));
    y = square(p, square_backward, &alive);
    fl_add_(p, p, fl_int(1));
    CHECK(fl_backward(fl_sum(y, FL_NO_DTYPE)) == -1);
    CHECK(strstr(fl_error_message(), "modified by an inplace operation"));
    fl_error_clear();
    fl_scope_end();
    CHECK(alive == 0);
}

/* y = exp(x), with y saved: its gradient y g can be differentiated too. */
static int exp_backward(const fl_backward_call *call)
{
    call->results[0] = fl_mul(call->saved.data[0], call->gradients.data[0]);
    return call->results[0] ? 0 : -1;
}

static void test_saved_output(void)
{
    fl_scope_begin();
    fl_tensor *x = numbers(2, (float[]){0, 1}), *g, *gg;
    fl_set_requires_grad(x, true);
    bool was = fl_grad_enabled(false);
    fl_tensor *y = fl_exp(x);
    fl_grad_enabled(was);
    CHECK(fl_record("Exp", (fl_tensors){&x, 1}, (fl_tensors){&y, 1}, (fl_tensors){&y, 1},
                    exp_backward, NULL, NULL) == 0);
    fl_tensor *s = fl_sum(y, FL_NO_DTYPE);
    fl_backward_options record = {.create_graph = true};
    CHECK(fl_autograd_grad((fl_tensors){&s, 1}, (fl_tensors){&x, 1}, NONE, &record, &g) == 0);
    CHECK(near(((float *)fl_data(g))[0], 1));
    for (int i = 0; i < 2; i++) {
        s = fl_sum(g, FL_NO_DTYPE);
        CHECK(fl_autograd_grad((fl_tensors){&s, 1}, (fl_tensors){&x, 1}, NONE, &record, &gg) == 0);
        CHECK(near(((float *)fl_data(gg))[1], 2.71828182846));
        g = gg;
    }
    fl_scope_end();
}

static void test_generators(void)
{
    fl_scope_begin();
    fl_generator *g = fl_generator_new();
    fl_generator_seed(g, 7);
    CHECK(fl_generator_initial_seed(g) == 7);
    fl_tensor *state = fl_generator_state(g),
              *a = fl_empty(FL_INTS_OF(4), FL_NO_DTYPE, (fl_device){-1, 0}, false, -1);
    fl_tensor *b = fl_clone(a, -1);
    fl_uniform_(a, 0, 1, g);
    CHECK(fl_generator_set_state(g, state) == 0);
    fl_uniform_(b, 0, 1, g);
    bool equal = false;
    CHECK(fl_equal(a, b, &equal) == 0 && equal);
    fl_tensor *wrong = numbers(2, (float[]){1, 2});
    CHECK(fl_generator_set_state(g, wrong) == -1 && fl_error() == FL_TYPE_ERROR);
    fl_error_clear();
    fl_generator_release(g);
    fl_scope_end();
}

static void shows(fl_tensor *t, const char *expected)
{
    char *text = fl_text(t);
    CHECK(text && strcmp(text, expected) == 0);
    fl_text_free(text);
    fl_release(t);
}

static void test_text(void)
{
    shows(numbers(3, (float[]){1, 2.5f, -3}), "tensor([ 1.0000,  2.5000, -3.0000])");
    shows(fl_scalar(3, FL_INT64), "tensor(3)");
    shows(fl_from_data(NULL, FL_INTS_OF(0, 3), FL_FLOAT64),
          "tensor([], size=(0, 3), dtype=torch.float64)");
    shows(fl_from_data((bool[]){true, false}, FL_INTS_OF(1, 2), FL_BOOL),
          "tensor([[ True, False]])");
    CHECK(fl_default_dtype() == FL_FLOAT32 && fl_set_default_dtype(FL_INT8) == -1);
    fl_error_clear();
}

static void test_files(void)
{
    char path[] = "/tmp/flambeau_program_XXXXXX";
    int descriptor = mkstemp(path);
    CHECK(descriptor >= 0);
    close(descriptor);
    fl_scope_begin();
    fl_tensor *a = numbers(4, (float[]){1, 2, 3, 4}), *m = fl_view(a, FL_INTS_OF(2, 2));
    fl_tensor *kept[] = {a, fl_transpose(m, 0, 1)};
    CHECK(fl_file_save(path, 2, (const char *[]){"a", "turned"}, kept) == 0);
    CHECK(fl_file_save(path, 2, (const char *[]){"a", NULL}, kept) == -1);
    fl_error_clear();
    fl_file *f = fl_file_open(path);
    CHECK(f && fl_file_count(f) == 2 && fl_file_name(f, 2) == NULL);
    CHECK(strcmp(fl_file_metadata(f, "format"), "pt") == 0);
    fl_tensor *t = fl_file_load(f, "turned");
    CHECK(t && ((float *)fl_data(t))[1] == 3 && fl_size(t, 0) == 2);
    CHECK(fl_file_load(f, "b") == NULL && fl_error() == FL_VALUE_ERROR);
    fl_error_clear();
    fl_file_close(f);
    CHECK(fl_file_open("/nowhere/at/all") == NULL && fl_error() == FL_FILE_NOT_FOUND);
    fl_error_clear();
    fl_scope_end();
    unlink(path);
}

static int list_names(const char *name, fl_tensor *t, bool is_buffer, void *context)
{
    (void)t;
    strcat(strcat(context, name), is_buffer ? "* " : " ");
    return 0;
}

static void test_modules(void)
{
    char names[200] = "";
    fl_module *net = fl_sequential_new();
    fl_module_append(net, fl_linear_new(2, 3, true));
    fl_module_append(net, fl_batch_norm2d_new(3, 1e-5, 0.1));
    CHECK(fl_module_each(net, list_names, names) == 0);
    CHECK(strncmp(names, "0.weight 0.bias 1.weight 1.bias 1.running_mean* ", 48) == 0);
    CHECK(fl_module_get(net, NULL) == NULL && fl_error() == FL_VALUE_ERROR);
    fl_error_clear();
    fl_module_release(net);
}

static void test_operators_by_name(void)
{
    int found = 0;
    for (int i = 0; i < fl_op_count(); i++) {
        const fl_op *op = fl_op_at(i);
        if (op && strcmp(fl_op_name(op), "relu") == 0)
            found += strcmp(fl_op_signature(op), "relu(Tensor self) -> Tensor") == 0;
        CHECK(!op || fl_op_find(fl_op_name(op)) == op);
    }
    CHECK(found == 1 && fl_op_at(-1) == NULL && fl_op_at(fl_op_count()) == NULL);
    /* Parameters at the end may be left out, and results not asked for are dropped. */
    fl_tensor *x = numbers(2, (float[]){1, 2});
    fl_value y, args[] = {fl_tensor_value(x)};
    CHECK(fl_call(fl_op_find("sum"), 1, args, 1, &y) == 0 && near(fl_item(y.as.tensor), 3));
    fl_value_release(&y);
    CHECK(fl_call(fl_op_find("sum"), 1, args, 0, NULL) == 0);
    CHECK(fl_call(fl_op_find("sum"), 3, args, 1, &y) == -1 && fl_error() == FL_TYPE_ERROR);
    fl_error_clear();
    CHECK(fl_call(NULL, 1, args, 1, &y) == -1 && fl_error() == FL_VALUE_ERROR);
    fl_error_clear();
    CHECK(fl_call(fl_op_find("sum"), 1, args, 1, NULL) == -1 && fl_error() == FL_VALUE_ERROR);
    fl_error_clear();
    fl_release(x);
}

static void test_memory(void)
{
    fl_memory m;
    fl_memory_stats(&m);
    fl_memory_limit((size_t)m.reserved + (1u << 20));
    fl_tensor *big = fl_zeros(FL_INTS_OF(64 << 20), FL_NO_DTYPE, (fl_device){-1, 0}, false);
    CHECK(!big && fl_error() == FL_OUT_OF_MEMORY && strstr(fl_error_message(), "fl_release"));
    fl_error_clear();
    fl_memory_limit(0);
    fl_tensor *small = fl_zeros(FL_INTS_OF(1 << 20), FL_NO_DTYPE, (fl_device){-1, 0}, false);
    CHECK(small);
    fl_release(small);
    CHECK(fl_set_allocator(NULL, NULL, NULL) == -1); /* too late */
    fl_error_clear();
}

int main(void)
{
    test_ownership();
    test_conversion();
    test_gradients_of_gradients();
    test_hooks();
    test_own_operator();
    test_saved_output();
    test_generators();
    test_text();
    test_files();
    test_modules();
    test_operators_by_name();
    test_memory();
    return check_result();
}
