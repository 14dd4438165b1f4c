/* Tensors on other devices, from C: what meta refuses, mixes, views and writes, training, files. The
 * device is one whose memory the host cannot read (guarded.h), so a direct read is a fault. */
#include "check.h"

#include <unistd.h>

#include "../guarded.h"
#include "flambeau.h"
#include "flambeau/io.h"

#define SIZES FL_INTS_OF
static const fl_device CPU = {FL_CPU, 0}, META = {FL_META, 0}, THERE = {FL_CUDA, 0};

static bool alike(fl_tensor *a, fl_tensor *b)
{
    a = fl_to(a, FL_NO_DTYPE, CPU), b = fl_to(b, FL_NO_DTYPE, CPU);
    return a && b && fl_item(fl_all(fl_eq(a, b))) != 0;
}

static void meta(void)
{
    fl_scope_begin();
    fl_tensor *t = fl_ones(SIZES(2, 3), FL_FLOAT32, META, true);
    fl_tensor *y = fl_matmul(t, fl_transpose(t, 0, 1));
    CHECK(fl_device_of(y).kind == FL_META && fl_size(y, 1) == 2 && fl_requires_grad(y));
    CHECK(fl_backward(fl_sum(y, FL_NO_DTYPE)) == 0 && fl_size(fl_grad(t), 1) == 3);
    CHECK(isnan(fl_item(fl_sum(y, FL_NO_DTYPE))));
    CHECK_TEXT(fl_error_message(), "Tensor.item() cannot be called on meta tensors");
    fl_error_clear();
    CHECK(!fl_to(t, FL_NO_DTYPE, CPU) && fl_error() == FL_NOT_IMPLEMENTED);
    fl_error_clear();
    CHECK(!fl_add(t, fl_ones(SIZES(2, 3), FL_FLOAT32, CPU, false), fl_int(1)));
    CHECK(strstr(fl_error_message(), "Tensor on device cpu is not on the expected device meta!"));
    fl_error_clear();
    fl_scope_end();
}

static void mixes(void)
{
    fl_scope_begin();
    fl_tensor *a = fl_ones(SIZES(2, 3), FL_FLOAT32, CPU, false);
    fl_tensor *b = fl_to(a, FL_NO_DTYPE, THERE), *one = fl_scalar(1, FL_FLOAT32);
    CHECK(b && fl_device_of(b).kind == FL_CUDA && fl_device_of(fl_add(b, one, fl_int(1))).kind);
    CHECK(!fl_add(a, b, fl_int(1)));
    CHECK(strstr(fl_error_message(), "Expected all tensors to be on the same device, but found at "
                                     "least two devices, cpu and cuda:0!"));
    fl_error_clear();
    CHECK(!fl_mm(b, fl_transpose(a, 0, 1)) && fl_error() == FL_RUNTIME_ERROR);
    fl_error_clear();
    fl_scope_end();
}

/* Views, writes through them, integers, halves, masks: as on the CPU. */
static fl_tensor *work(fl_device where)
{
    fl_tensor *x = fl_arange(fl_int(24), FL_FLOAT32, where, false);
    x = fl_view(x, SIZES(4, 6));
    fl_tensor *column = fl_select(x, 1, 2);
    fl_add_(column, fl_narrow(fl_select(x, 0, 1), 0, 0, 4), fl_int(2));
    fl_fill_(fl_slice(fl_select(x, 0, 3), 0, &(int64_t){1}, NULL, 2), fl_float(0.5));
    fl_copy_(fl_transpose(fl_narrow(x, 1, 4, 2), 0, 1), fl_ones(SIZES(4), FL_FLOAT64, where, false),
             false);
    fl_masked_fill_scalar_(x, fl_gt_scalar(x, fl_int(20)), fl_int(-1));
    fl_tensor *half = fl_to(x, FL_BFLOAT16, (fl_device){-1, 0});
    fl_tensor *whole = fl_to(x, FL_INT32, (fl_device){-1, 0});
    x = fl_add(fl_mul(half, x), fl_floor_divide_scalar(whole, fl_int(3)), fl_int(1));
    fl_tensor *turned = fl_softmax(fl_transpose(x, 0, 1), 0, FL_NO_DTYPE);
    return fl_cat((fl_tensors){(fl_tensor *[]){x, fl_transpose(turned, 0, 1)}, 2}, 0);
}

static void training(bool adam)
{
    fl_tensor *weights[2][4];
    for (int k = 0; k < 2; k++) {
        const fl_device where = k ? THERE : CPU;
        fl_manual_seed(5);
        fl_module *net = fl_sequential_new();
        fl_module_append(net, fl_conv2d_new(2, 3, 3, 1, 1, 1, 1, true));
        fl_module_append(net, fl_batch_norm2d_new(3, 1e-5, 0.1));
        fl_module_append(net, fl_relu_new());
        fl_module_append(net, fl_flatten_new());
        fl_module_append(net, fl_linear_new(3 * 16, 5, true));
        CHECK(fl_module_to(net, where) == 0);
        fl_tensors all = fl_module_parameters(net);
        fl_optimizer *o = adam ? fl_adam_new(all, 0.01, 0.9, 0.999, 1e-8, 0, true)
                               : fl_sgd_new(all, 0.05, 0.9, 0, 0.01, true);
        for (int step = 0; step < 3; step++) {
            fl_scope_begin();
            fl_tensor *x = fl_to(fl_randn(SIZES(4, 2, 4, 4), NULL, FL_FLOAT32, CPU, false),
                                 FL_NO_DTYPE, where);
            fl_tensor *labels =
                fl_to(fl_arange(fl_int(4), FL_INT64, CPU, false), FL_NO_DTYPE, where);
            fl_tensor *loss =
                fl_cross_entropy(fl_module_forward(net, x), labels, NULL, -100, "mean", 0);
            fl_optimizer_zero_grad(o);
            CHECK(fl_backward(loss) == 0 && fl_optimizer_step(o) == 0);
            fl_scope_end();
        }
        for (int i = 0; i < 4; i++) {
            CHECK(fl_device_of(all.data[i]).kind == where.kind);
            weights[k][i] = fl_clone(fl_to(all.data[i], FL_NO_DTYPE, CPU), -1);
        }
        fl_optimizer_release(o);
        fl_module_release(net);
    }
    for (int i = 0; i < 4; i++)
        CHECK(alike(weights[0][i], weights[1][i]));
}

/* The CPU's kernel runs on copies: what it writes of its arguments comes back. */
static void running_statistics(void)
{
    fl_tensor *mean[2], *variance[2], *y, *saved, *scale;
    for (int k = 0; k < 2; k++) {
        const fl_device where = k ? THERE : CPU;
        fl_tensor *x = fl_view(fl_arange(fl_int(12), FL_FLOAT32, where, false), SIZES(4, 3));
        mean[k] = fl_zeros(SIZES(3), FL_FLOAT32, where, false);
        variance[k] = fl_ones(SIZES(3), FL_FLOAT32, where, false);
        CHECK(fl_native_batch_norm(x, NULL, NULL, mean[k], variance[k], true, 0.5, 1e-5, &y, &saved,
                                   &scale) == 0);
    }
    CHECK(fl_item(fl_sum(mean[1], FL_NO_DTYPE)) == 8.25);
    CHECK(alike(mean[0], mean[1]) && alike(variance[0], variance[1]));
}

static void files(void)
{
    char path[] = "/tmp/test_devices.XXXXXX";
    int file = mkstemp(path);
    REQUIRE(file >= 0);
    close(file);
    fl_tensor *t = fl_arange(fl_int(12), FL_FLOAT32, THERE, false);
    t = fl_transpose(fl_view(t, SIZES(3, 4)), 0, 1);
    CHECK(fl_file_save(path, 1, (const char *const[]){"t"}, &t) == 0);
    fl_file *f = fl_file_open(path);
    REQUIRE(f != NULL);
    CHECK(alike(fl_file_load(f, "t"), t));
    fl_file_close(f);
    CHECK(fl_npy_save(path, t) == 0 && alike(fl_npy_load(path), t));
    unlink(path);
}

int main(void)
{
    CHECK(fl_device_count(FL_CPU) == 1 && fl_device_count(FL_META) == 1);
    CHECK(!fl_ones(SIZES(2), FL_FLOAT32, THERE, false));
    CHECK(strncmp(fl_error_message(), "Torch not compiled with CUDA enabled\n", 37) == 0);
    fl_error_clear();
    device_add(&guarded);
    meta();
    fl_scope_begin();
    mixes();
    fl_tensor *here = work(CPU), *there = work(THERE);
    REQUIRE(here && there);
    CHECK(fl_device_of(there).kind == FL_CUDA && alike(here, there));
    training(false);
    training(true);
    running_statistics();
    files();
    CHECK(fl_synchronize(THERE) == 0);
    char *text = fl_text(fl_full(SIZES(2), fl_float(1.5), FL_FLOAT32, THERE, false));
    CHECK_TEXT(text, "tensor([1.5000, 1.5000], device='cuda:0')");
    fl_text_free(text);
    fl_scope_end();
    return check_result();
}
