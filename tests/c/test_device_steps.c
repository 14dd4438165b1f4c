/* SGD's and Adam's steps in a kernel of a device have the bits of the CPU's loop. Where no OpenCL device
 * is, nothing runs, unless FLAMBEAU_OPENCL=required, as in the part of CI that installs one. */
#include "check.h"

#include <string.h>

#include "flambeau.h"

enum { COUNT = 1000, STEPS = 3 };

static const fl_device CPU = {FL_CPU, 0}, THERE = {FL_OPENCL, 0};

/* What the steps make of one parameter. */
static fl_tensor *trained(fl_device where, fl_dtype dtype, const char *rule, int options,
                          const char *const *names, const double *values)
{
    const int64_t count = COUNT;
    const fl_ints size = {&count, 1};
    fl_manual_seed(3);
    fl_tensor *p = fl_to(fl_randn(size, NULL, dtype, CPU, false), FL_NO_DTYPE, where);
    CHECK(fl_set_requires_grad(p, true) == 0);
    fl_optimizer *o = fl_optimizer_new(rule, (fl_tensors){&p, 1});
    REQUIRE(o);
    for (int i = 0; i < options; i++)
        CHECK(fl_optimizer_set(o, -1, names[i], values[i]) == 0);
    for (int i = 0; i < STEPS; i++) {
        fl_set_grad(p, fl_to(fl_randn(size, NULL, dtype, CPU, false), FL_NO_DTYPE, where));
        CHECK(fl_optimizer_step(o) == 0);
    }
    fl_optimizer_release(o);
    CHECK(fl_device_of(p).kind == where.kind);
    return fl_to(fl_detach(p), FL_NO_DTYPE, CPU);
}

static void same(const char *rule, int options, const char *const *names, const double *values)
{
    static const fl_dtype DTYPES[] = {FL_FLOAT32, FL_FLOAT64, FL_BFLOAT16, FL_FLOAT16};
    for (size_t i = 0; i < sizeof DTYPES / sizeof *DTYPES; i++) {
        fl_scope_begin();
        fl_tensor *here = trained(CPU, DTYPES[i], rule, options, names, values);
        fl_tensor *there = trained(THERE, DTYPES[i], rule, options, names, values);
        bool same_bits = false;
        if (!CHECK(fl_equal(here, there, &same_bits) == 0 && same_bits))
            printf("    %s of dtype %d, with %d options\n", rule, DTYPES[i], options);
        fl_scope_end();
    }
}

int main(void)
{
    const char *required = getenv("FLAMBEAU_OPENCL");
    if (fl_device_count(FL_OPENCL) == 0) {
        CHECK(!required || strcmp(required, "required") != 0);
        puts("skipped: no OpenCL device is here");
        return check_result();
    }
    same("SGD", 0, NULL, NULL);
    same("SGD", 4, (const char *[]){"lr", "momentum", "weight_decay", "nesterov"},
         (double[]){0.1, 0.9, 0.01, 1});
    same("SGD", 3, (const char *[]){"momentum", "dampening", "maximize"}, (double[]){0.9, 0.2, 1});
    same("Adam", 0, NULL, NULL);
    same("Adam", 4, (const char *[]){"weight_decay", "amsgrad", "beta1", "eps"},
         (double[]){0.01, 1, 0.4, 1e-4}); /* an eps that is 0 in half precision gives NaN */
    same("AdamW", 1, (const char *[]){"maximize"}, (double[]){1});
    return check_result();
}
