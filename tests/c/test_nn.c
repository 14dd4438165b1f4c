/* Modules and optimizers of C programs: first values as PyTorch's, names, files, steps, clean
 * failure. The figures are PyTorch 2.13's for torch.manual_seed(0). */
#include "check.h"

#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "flambeau.h"

static int64_t allocated(void)
{
    struct memory_stats s;
    memory_stats(&s);
    return s.allocated;
}

static float first(const fl_module *m, const char *name, int64_t i)
{
    fl_tensor *t = fl_module_get(m, name);
    return t && i < fl_numel(t) ? ((float *)fl_data(t))[i] : NAN;
}

static fl_module *network(void)
{
    fl_module *m = fl_sequential_new(), *inner = fl_sequential_new();
    fl_module_append(m, fl_conv2d_new(2, 4, 3, 1, 1, 1, 1, true));
    fl_module_append(m, fl_batch_norm2d_new(4, 1e-5, 0.1));
    fl_module_append(m, fl_relu_new());
    fl_module_append(m, fl_flatten_new());
    fl_module_append(m, fl_linear_new(64, 5, true));
    fl_module_append(inner, fl_layer_norm_new(FL_INTS_OF(5), 1e-5));
    fl_module_append(m, inner);
    return m;
}

static void test_values(void)
{
    fl_manual_seed(0);
    fl_module *m = network();
    REQUIRE(m != NULL);
    CHECK(first(m, "0.weight", 0) == -0.0017646604683250189f &&
          first(m, "0.weight", 71) == -0.08637774735689163f);
    CHECK(first(m, "0.bias", 3) == 0.20797348022460938f);
    CHECK(first(m, "4.weight", 319) == 0.08391629159450531f &&
          first(m, "4.bias", 4) == 0.07993611693382263f);
    CHECK(first(m, "1.running_var", 3) == 1 && first(m, "5.0.weight", 4) == 1);
    CHECK(*(int64_t *)fl_data(fl_module_get(m, "1.num_batches_tracked")) == 0);
    fl_tensors parameters = fl_module_parameters(m);
    CHECK(parameters.count == 8 && parameters.data[0] == fl_module_get(m, "0.weight") &&
          parameters.data[7] == fl_module_get(m, "5.0.bias"));
    for (int i = 0; i < 8; i++)
        CHECK(fl_requires_grad(parameters.data[i]));
    CHECK(fl_module_get(m, "0.nothing") == NULL && fl_error() == FL_VALUE_ERROR);
    CHECK(fl_module_get(m, "9.weight") == NULL && fl_module_get(m, "2") == NULL);
    CHECK(fl_module_child(m, "5.0") != NULL && fl_module_child(m, "0.weight") == NULL);
    CHECK(fl_module_is_training(fl_module_child(m, "1")));
    fl_module_train(m, false);
    CHECK(!fl_module_is_training(fl_module_child(m, "5.0")));
    fl_module_release(m);
}

static void test_forward(void)
{
    fl_module *m = network();
    float values[96];
    for (int i = 0; i < 96; i++)
        values[i] = (float)(i * 37 % 96) / 96;
    fl_tensor *x = fl_from_data(values, FL_INTS_OF(3, 2, 4, 4), FL_FLOAT32);
    fl_release(fl_module_forward(m, x)); /* what is made once (accumulate nodes) is made here */
    int64_t before = allocated();
    fl_tensor *y = fl_module_forward(m, x);
    CHECK(y && fl_ndim(y) == 2 && fl_size(y, 0) == 3 && fl_size(y, 1) == 5);
    CHECK(*(int64_t *)fl_data(fl_module_get(m, "1.num_batches_tracked")) == 2);
    fl_release(y);
    CHECK(allocated() == before);

    fl_scope_begin();
    fl_module_forward(m, x);
    fl_scope_end();
    CHECK(allocated() == before);
    CHECK(fl_module_forward(m, NULL) == NULL && fl_module_forward(NULL, x) == NULL);

    fl_module *nothing = fl_sequential_new();
    CHECK((y = fl_module_forward(nothing, x)) == x);
    fl_release(y);
    CHECK(fl_numel(x) == 96);
    fl_module_release(nothing);
    fl_release(x);
    fl_module_release(m);
}

static fl_tensor *twice(fl_module *m, fl_tensor *x, void *context)
{
    ++*(int *)context;
    fl_module *inner = fl_module_child(m, "inner");
    return fl_module_forward(inner, fl_module_forward(inner, x));
}

static void test_own_module(void)
{
    int calls = 0;
    fl_module *m = fl_module_new("Twice", twice, &calls);
    CHECK(fl_module_add(m, "inner", fl_linear_new(3, 3, true)) == 0);
    CHECK(fl_module_add_parameter(m, "scale", fl_scalar(2, FL_FLOAT32)) == 0);
    CHECK(fl_module_add_buffer(m, "count", fl_scalar(2, FL_INT64)) == 0);
    CHECK(fl_module_parameters(m).count == 3);
    float row[] = {1, 2, 3};
    fl_tensor *x = fl_from_data(row, FL_INTS_OF(1, 3), FL_FLOAT32);
    fl_tensor *y = fl_module_forward(m, x);
    CHECK(y && calls == 1);
    fl_release(y);
    fl_module_release(m);

    m = fl_module_new("Holder", NULL, NULL); /* only holds what is in it */
    CHECK(fl_module_add(m, "inner", fl_linear_new(3, 3, true)) == 0);
    CHECK(fl_module_parameters(m).count == 2);
    CHECK(fl_module_forward(m, x) == NULL && fl_error() == FL_NOT_IMPLEMENTED);
    CHECK(strstr(fl_error_message(), "Module [Holder] is missing the required \"forward\""));
    fl_error_clear();
    fl_release(x);
    fl_module_release(m);
}

/* Forwards that return what they do not own: a tensor that the program keeps from the first call on,
 * their input, a parameter. */
static fl_tensor *kept_by_program(fl_module *m, fl_tensor *x, void *context)
{
    (void)m;
    fl_tensor **kept = context;
    if (!*kept)
        *kept = fl_keep(fl_mul(x, x));
    return *kept;
}

static fl_tensor *parameter(fl_module *m, fl_tensor *x, void *context)
{
    (void)x, (void)context;
    return fl_module_get(m, "inner.weight");
}

/* Each holds no reference more than before, called in a scope and outside one. */
static void test_returned_references(void)
{
    fl_tensor *x = fl_scalar(3, FL_FLOAT32), *kept = NULL;
    fl_module *m = fl_module_new("Keeps", kept_by_program, &kept);
    fl_tensor *y = fl_module_forward(m, x);
    CHECK(y && y == kept && kept->refs == 2);
    fl_release(y);
    fl_scope_begin();
    CHECK(fl_module_forward(m, x) == kept && kept->refs == 2);
    fl_scope_end();
    CHECK(kept->refs == 1 && fl_item(kept) == 9);
    fl_release(kept);
    fl_module_release(m);

    m = fl_module_new("Shows", parameter, NULL);
    CHECK(fl_module_add(m, "inner", fl_linear_new(1, 1, true)) == 0);
    y = fl_module_forward(m, x);
    CHECK(y && y->refs == 2);
    fl_release(y);
    fl_scope_begin();
    y = fl_module_forward(m, x);
    fl_scope_end();
    CHECK(y && y->refs == 1 && x->refs == 1);
    fl_module_release(m);
    fl_release(x);
}

static void test_refusals(void)
{
    fl_module *bad = fl_sequential_new();
    CHECK(fl_module_add(bad, "inner", fl_relu_new()) == 0 &&
          fl_module_add(bad, "inner", fl_relu_new()) == -1);
    CHECK(fl_module_add(bad, "a.b", fl_relu_new()) == -1 &&
          fl_module_add(bad, "", fl_relu_new()) == -1);
    CHECK(fl_module_add(bad, "self", fl_module_retain(bad)) == -1);
    CHECK(fl_module_add(bad, "none", NULL) == -1);
    CHECK(fl_module_add_parameter(bad, "count", fl_scalar(2, FL_INT64)) == -1);
    fl_module_release(bad);
    fl_module *m = fl_sequential_new();
    CHECK(fl_module_append(m, fl_relu_new()) == 0 &&
          fl_module_append(m, fl_linear_new(-1, 2, true)) == -1);
    CHECK(fl_error() == FL_VALUE_ERROR);
    fl_tensor *x = fl_scalar(1, FL_FLOAT32);
    CHECK(fl_module_forward(m, x) == NULL && fl_module_parameters(m).count == 0);
    CHECK(fl_adam_new(fl_module_parameters(m), 0.1, 0.9, 0.99, 1e-8, 0, false) == NULL);
    CHECK(fl_error() == FL_VALUE_ERROR);
    fl_release(x);
    fl_module_release(m);
    CHECK(fl_conv2d_new(3, 4, 3, 1, 0, 1, 2, true) == NULL);
    CHECK(fl_linear_new((int64_t)1 << 40, (int64_t)1 << 40, true) == NULL);
    fl_tensors none = {NULL, 0};
    fl_error_clear();
    CHECK(fl_sgd_new(none, 0.1, 0, 0, 0, false) == NULL && fl_error() == FL_VALUE_ERROR);
}

static void test_files(void)
{
    char path[] = "/tmp/flambeau_nn_XXXXXX";
    int file = mkstemp(path);
    REQUIRE(file >= 0);
    close(file);
    fl_module *a = network(), *b = network();
    CHECK(first(a, "4.weight", 7) != first(b, "4.weight", 7));
    CHECK(fl_module_save(a, path) == 0 && fl_module_load(b, path) == 0);
    CHECK(first(a, "4.weight", 7) == first(b, "4.weight", 7) &&
          first(a, "0.bias", 0) == first(b, "0.bias", 0));

    fl_module *other = fl_sequential_new();
    fl_module_append(other, fl_conv2d_new(2, 3, 3, 1, 1, 1, 1, true));
    fl_module_append(other, fl_linear_new(2, 2, true));
    float before = first(other, "0.weight", 0);
    CHECK(fl_module_load(other, path) == -1);
    CHECK(strstr(fl_error_message(), "Error(s) in loading state_dict for Sequential:") ==
          fl_error_message());
    CHECK(strstr(fl_error_message(), "Missing key(s) in state_dict: \"1.weight\", \"1.bias\"") ==
          NULL);
    CHECK(strstr(fl_error_message(), "Unexpected key(s) in state_dict: \"") != NULL);
    CHECK(strstr(fl_error_message(),
                 "size mismatch for 0.weight: copying a param with shape torch.Size([4, 2, 3, 3]) "
                 "from checkpoint, the shape in current model is torch.Size([3, 2, 3, 3]).") !=
          NULL);
    CHECK(first(other, "0.weight", 0) == before);
    CHECK(fl_module_load(a, "/tmp/there is no such file") == -1 && fl_error() == FL_FILE_NOT_FOUND);
    fl_module_release(a);
    fl_module_release(b);
    fl_module_release(other);
    unlink(path);
}

/* Three steps on p = (1, -2, 3) with the gradient p * p. */
static void test_steps(fl_optimizer *(*make)(fl_tensors), const float *want)
{
    float start[] = {1, -2, 3};
    fl_tensor *p = fl_from_data(start, FL_INTS_OF(3), FL_FLOAT32);
    fl_set_requires_grad(p, true);
    fl_optimizer *o = make((fl_tensors){&p, 1});
    REQUIRE(o != NULL);
    CHECK(fl_optimizer_step(o) == 0 && ((float *)fl_data(p))[0] == 1);
    for (int step = 0; step < 3; step++) {
        float g[3];
        for (int i = 0; i < 3; i++)
            g[i] = ((float *)fl_data(p))[i] * ((float *)fl_data(p))[i];
        fl_tensor *grad = fl_from_data(g, FL_INTS_OF(3), FL_FLOAT32);
        CHECK(fl_set_grad(p, grad) == 0);
        fl_release(grad);
        CHECK(fl_optimizer_step(o) == 0);
    }
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(((float *)fl_data(p))[i], want[i], 1e-6);
    fl_optimizer_zero_grad(o);
    CHECK(fl_grad(p) == NULL);
    fl_optimizer_set_lr(o, 0.5);
    CHECK(fl_optimizer_lr(o) == 0.5);
    fl_optimizer_release(o);
    fl_release(p);
}

static fl_optimizer *sgd(fl_tensors p)
{
    return fl_sgd_new(p, 0.1, 0.9, 0, 0.01, true);
}

static fl_optimizer *adam(fl_tensors p)
{
    return fl_adam_new(p, 0.1, 0.9, 0.999, 1e-8, 0.01, true);
}

static fl_optimizer *adamw(fl_tensors p)
{
    return fl_adamw_new(p, 0.1, 0.9, 0.999, 1e-8, 0.01, false);
}

/* Every allocation on the way fails once: an error, and nothing is lost. */
static void test_failing(void)
{
    int64_t before = allocated();
    bool done = false;
    for (int n = 0; !done && n < 500; n++) {
        fl_error_clear();
        memory_fail_nth(n);
        fl_module *m = network();
        fl_optimizer *o = m ? adam(fl_module_parameters(m)) : NULL;
        memory_fail_nth(-1);
        done = fl_error() == FL_OK;
        CHECK(done == (m && o));
        fl_optimizer_release(o);
        fl_module_release(m);
        CHECK(allocated() == before);
    }
    CHECK(done);
}

/* Names, first values and results of recurrent layers, in evaluation; training lowers a loss. */
static void test_recurrent(void)
{
    float line[18];
    for (int i = 0; i < 18; i++)
        line[i] = -1 + 2.0f * (float)i / 17;
    fl_scope_begin();
    fl_tensor *x = fl_from_data(line, FL_INTS_OF(2, 3, 3), FL_FLOAT32);
    fl_manual_seed(0);
    fl_module *m = fl_lstm_new(3, 5, 2, true, false, 0, true, 2);
    REQUIRE(m != NULL);
    CHECK(fl_module_parameters(m).count == 20);
    CHECK(first(m, "weight_hr_l1_reverse", 9) == 0.19382350146770477f);
    fl_tensor *y = fl_module_forward(m, x);
    REQUIRE(y != NULL);
    CHECK(fl_size(y, 2) == 4);
    CHECK(fabsf(((float *)fl_data(y))[0] - -0.04321812465786934f) < 1e-6f);
    CHECK(fabsf(((float *)fl_data(y))[23] - 0.0046509988605976105f) < 1e-6f);
    fl_module_release(m);

    fl_manual_seed(0);
    m = fl_gru_new(3, 5, 1, true, true, 0, false);
    y = fl_module_forward(m, x);
    REQUIRE(y != NULL);
    CHECK(fabsf((float)fl_item(fl_select(fl_reshape(y, FL_INTS_OF(-1)), 0, 29)) -
                -0.3310692310333252f) < 1e-6f);
    fl_optimizer *sgd = fl_sgd_new(fl_module_parameters(m), 0.5, 0, 0, 0, false);
    double before = 0, after = 0;
    for (int i = 0; i < 20; i++) {
        fl_tensor *z = fl_module_forward(m, x), *loss = fl_mean(fl_mul(z, z), FL_NO_DTYPE);
        CHECK(fl_backward(loss) == 0 && fl_optimizer_step(sgd) == 0);
        fl_optimizer_zero_grad(sgd);
        *(i ? &after : &before) = fl_item(loss);
    }
    CHECK(after < 0.8 * before);
    fl_optimizer_release(sgd);
    fl_module_release(m);

    m = fl_rnn_new(3, 5, 2, true, false, false, 0, false);
    REQUIRE(m != NULL);
    CHECK(fl_module_parameters(m).count == 4 && fl_module_forward(m, x) != NULL);
    CHECK(fl_module_forward(m, fl_select(x, 0, 0)) == NULL && fl_error() == FL_VALUE_ERROR);
    fl_module_release(m);
    CHECK(fl_lstm_new(3, 4, 1, true, false, 0, false, 4) == NULL && fl_error() == FL_VALUE_ERROR);
    CHECK(fl_gru_new(3, 0, 1, true, false, 0, false) == NULL);
    CHECK(fl_gru_new(3, 4, 1, true, false, 2, false) == NULL);
    fl_scope_end();
}

int main(void)
{
    setenv("FLAMBEAU_LANG", "en", 1);
    test_values();
    test_forward();
    test_recurrent();
    test_own_module();
    test_returned_references();
    test_refusals();
    test_files();
    test_steps(sgd,
               (const float[]){0.4038047790527344f, -9.287477493286133f, -0.5670179724693298f});
    test_steps(adam,
               (const float[]){0.7041212320327759f, -2.3004939556121826f, 2.700866937637329f});
    test_steps(adamw,
               (const float[]){0.701519787311554f, -2.2941980361938477f, 2.6922104358673096f});
    test_failing();
    return check_result();
}
