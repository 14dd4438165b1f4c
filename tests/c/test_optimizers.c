/* Optimizers of C programs: PyTorch's numbers for every rule, groups, options, files, clipping,
 * learning rates, LBFGS. */
#include <unistd.h>

#include "check.h"
#include "core/memory.h"
#include "flambeau.h"

struct option {
    const char *name;
    double value;
};

/* p = (1, -2, 3) with the gradient p * p, after so many steps; PyTorch 2.13. */
static const struct run {
    const char *name;
    struct option option[6];
    int steps;
    float want[3];
} RUNS[] = {
    {"Adagrad",
     {{"lr", 0.1}, {"lr_decay", 0.1}, {"weight_decay", 0.01}, {"initial_accumulator_value", 0.5}},
     3,
     {0.828733981f, -2.21664596f, 2.79276562f}},
    {"Adadelta", {{"lr", 0.5}, {"rho", 0.8}}, 3, {0.996486366f, -2.00351954f, 2.9964838f}},
    {"RMSprop", {{"lr", 0.1}}, 3, {5.96046377e-08f, -4.75723267f, 1.34073007f}},
    {"RMSprop",
     {{"lr", 0.1}, {"momentum", 0.9}, {"centered", 1.0}, {"weight_decay", 0.01}},
     3,
     {-2.36317325f, -7.40963936f, -0.551519632f}},
    {"Adamax", {{"lr", 0.1}, {"maximize", 1.0}}, 3, {1.27801538f, -1.71493804f, 3.29143858f}},
    {"NAdam", {{"lr", 0.1}}, 3, {0.762636423f, -2.26576471f, 2.74900293f}},
    {"NAdam",
     {{"lr", 0.1}, {"weight_decay", 0.1}, {"decoupled_weight_decay", 1.0}},
     3,
     {0.737991631f, -2.20170736f, 2.66481543f}},
    {"RAdam", {{"lr", 0.1}, {"beta2", 0.5}}, 8, {0.430467248f, -11.9518175f, -0.28986156f}},
    {"Rprop", {{"lr", 0.1}}, 3, {0.635999978f, -2.36399984f, 2.63600016f}},
    {"ASGD",
     {{"lr", 0.1}, {"t0", 1.0}, {"lambd", 0.1}},
     3,
     {0.731179595f, -3.72911811f, 1.34825015f}},
    {"SGD",
     {{"lr", 0.1}, {"momentum", 0.9}, {"maximize", 1.0}},
     3,
     {1.67277205f, -0.33277446f, 12.2114372f}},
    {"Adam",
     {{"lr", 0.1}, {"decoupled_weight_decay", 1.0}, {"weight_decay", 0.1}},
     3,
     {0.678091049f, -2.23807001f, 2.61510301f}},
    {"Adafactor", {{"lr", 0.1}}, 3, {0.500506103f, -2.68347669f, 2.40575314f}},
    {"Adafactor",
     {{"lr", 0.1}, {"weight_decay", 0.1}, {"d", 1.5}, {"maximize", 1.0}},
     3,
     {1.72046709f, -1.35625577f, 3.60554409f}},
};

static fl_tensor *start(void)
{
    fl_tensor *p = fl_from_data((float[]){1, -2, 3}, FL_INTS_OF(3), FL_FLOAT32);
    fl_set_requires_grad(p, true);
    return p;
}

static void steps(fl_optimizer *o, fl_tensor *p, int count)
{
    for (int step = 0; step < count; step++) {
        float g[3];
        for (int i = 0; i < 3; i++)
            g[i] = ((float *)fl_data(p))[i] * ((float *)fl_data(p))[i];
        fl_tensor *grad = fl_from_data(g, FL_INTS_OF(3), FL_FLOAT32);
        CHECK(fl_set_grad(p, grad) == 0);
        fl_release(grad);
        CHECK(fl_optimizer_step(o) == 0);
    }
}

static fl_optimizer *make(const struct run *run, fl_tensor *p)
{
    fl_optimizer *o = fl_optimizer_new(run->name, (fl_tensors){&p, 1});
    REQUIRE(o != NULL);
    for (const struct option *option = run->option; option->name; option++)
        CHECK(fl_optimizer_set(o, 0, option->name, option->value) == 0);
    return o;
}

static void test_runs(void)
{
    const char *path = "optimizer_test.safetensors";
    for (size_t r = 0; r < sizeof RUNS / sizeof *RUNS; r++) {
        const struct run *run = &RUNS[r];
        fl_tensor *p = start(), *q = start();
        fl_optimizer *o = make(run, p);
        steps(o, p, run->steps);
        const float *have = fl_data(p);
        for (int i = 0; i < 3; i++)
            if (!CHECK_NEAR(have[i], run->want[i], 2e-6))
                fprintf(stderr, "    %s\n", run->name);
        /* Saved after a step, loaded into a fresh one, and gone on: the same. */
        fl_optimizer *first = make(run, q),
                     *second = fl_optimizer_new(run->name, (fl_tensors){&q, 1});
        steps(first, q, 1);
        CHECK(fl_optimizer_save(first, path) == 0 && fl_optimizer_load(second, path) == 0);
        steps(second, q, run->steps - 1);
        CHECK(memcmp(fl_data(p), fl_data(q), 3 * sizeof(float)) == 0);
        fl_optimizer_release(o);
        fl_optimizer_release(first);
        fl_optimizer_release(second);
        fl_release(p);
        fl_release(q);
    }
    unlink(path);
}

/* Rules that look at matrices: p = (1, -2, 3; 0.5, 4, -1), or its transpose, with the gradient p * p,
 * after three steps; saved after two. PyTorch 2.13. */
static const struct matrix_run {
    const char *name;
    struct option option[4];
    bool transposed;
    double tolerance;
    float want[6];
} MATRIX_RUNS[] = {
    {"Adafactor",
     {{"lr", 0.1}, {"weight_decay", 0.1}},
     false,
     2e-6,
     {0.295192629f, -2.26540613f, 1.92307937f, 0.31599167f, 3.25744247f, -1.06195128f}},
    {"Muon",
     {{"lr", 0.1}},
     false,
     1e-3,
     {0.934953213f, -1.93469632f, 2.59223008f, 0.491122097f, 3.66540384f, -0.898547649f}},
    {"Muon",
     {{"lr", 0.1}, {"nesterov", 0.0}, {"adjust_lr_fn", 1.0}},
     true,
     1e-3,
     {0.958424568f, 0.487129688f, -1.93833303f, 3.80630946f, 2.80049944f, -0.945750475f}},
};

static fl_optimizer *make_matrix(const struct matrix_run *run, fl_tensor **p)
{
    float rows[] = {1, -2, 3, 0.5f, 4, -1}, columns[] = {1, 0.5f, -2, 4, 3, -1};
    *p = run->transposed ? fl_from_data(columns, FL_INTS_OF(3, 2), FL_FLOAT32)
                         : fl_from_data(rows, FL_INTS_OF(2, 3), FL_FLOAT32);
    fl_set_requires_grad(*p, true);
    fl_optimizer *o = fl_optimizer_new(run->name, (fl_tensors){p, 1});
    REQUIRE(o != NULL);
    for (const struct option *option = run->option; option->name; option++)
        CHECK(fl_optimizer_set(o, 0, option->name, option->value) == 0);
    return o;
}

static void step_matrix(fl_optimizer *o, fl_tensor *p, int count)
{
    for (int step = 0; step < count; step++) {
        float g[6];
        for (int i = 0; i < 6; i++)
            g[i] = ((float *)fl_data(p))[i] * ((float *)fl_data(p))[i];
        fl_tensor *grad = fl_from_data(g, fl_sizes(p), FL_FLOAT32);
        CHECK(fl_set_grad(p, grad) == 0);
        fl_release(grad);
        CHECK(fl_optimizer_step(o) == 0);
    }
}

static void test_matrices(void)
{
    const char *path = "matrix_optimizer_test.safetensors";
    for (size_t r = 0; r < sizeof MATRIX_RUNS / sizeof *MATRIX_RUNS; r++) {
        const struct matrix_run *run = &MATRIX_RUNS[r];
        fl_tensor *p, *q, *unused;
        fl_optimizer *o = make_matrix(run, &p), *first = make_matrix(run, &q);
        step_matrix(o, p, 3);
        for (int i = 0; i < 6; i++)
            if (!CHECK_NEAR(((float *)fl_data(p))[i], run -> want[i], run -> tolerance))
                fprintf(stderr, "    %s\n", run->name);
        step_matrix(first, q, 2);
        fl_optimizer *second = fl_optimizer_new(run->name, (fl_tensors){&q, 1});
        CHECK(fl_optimizer_save(first, path) == 0 && fl_optimizer_load(second, path) == 0);
        step_matrix(second, q, 1);
        CHECK(memcmp(fl_data(p), fl_data(q), 6 * sizeof(float)) == 0);
        struct matrix_run other = *run;
        other.transposed = !run->transposed;
        fl_optimizer *wrong = make_matrix(&other, &unused);
        CHECK(fl_optimizer_load(wrong, path) == -1 && fl_error() == FL_VALUE_ERROR);
        fl_error_clear();
        fl_optimizer_release(o);
        fl_optimizer_release(first);
        fl_optimizer_release(second);
        fl_optimizer_release(wrong);
        fl_release(p);
        fl_release(q);
        fl_release(unused);
    }
    unlink(path);
    fl_tensor *vector = start();
    CHECK(fl_optimizer_new("Muon", (fl_tensors){&vector, 1}) == NULL);
    CHECK_TEXT(fl_error_message(),
               "Muon only supports 2D parameters whereas we found a parameter of 1 dims");
    fl_error_clear();
    fl_release(vector);
}

/* ---- LBFGS ----------------------------------------------------------------------------------- */

struct valley {
    fl_tensor *x, *y;
    fl_lbfgs *o;
    int calls, fail_at;
};

static fl_tensor *entry(fl_tensor *t, int64_t i)
{
    return fl_select(t, 0, i);
}

static fl_tensor *plus(fl_tensor *t, double number)
{
    return fl_add_scalar(t, fl_float(number), fl_int(1));
}

/* 100 (x1 - x0^2)^2 + (1 - x0)^2 + (y - 3)^2, with gradients. */
static double valley_loss(void *context)
{
    struct valley *v = context;
    if (++v->calls == v->fail_at) {
        fl_select(v->x, 7, 0);
        return NAN;
    }
    fl_set_grad(v->x, NULL);
    fl_set_grad(v->y, NULL);
    fl_tensor *x0 = entry(v->x, 0), *x1 = entry(v->x, 1), *y = entry(v->y, 0);
    fl_tensor *bend = fl_square(fl_sub(x1, fl_square(x0), fl_int(1)));
    fl_tensor *loss =
        fl_add(fl_mul_scalar(bend, fl_float(100)), fl_square(plus(x0, -1)), fl_int(1));
    loss = fl_add(loss, fl_square(plus(y, -3)), fl_int(1));
    return fl_backward(loss) == 0 ? fl_item(loss) : NAN;
}

static struct valley make_valley(double lr, bool wolfe)
{
    struct valley v = {.x = fl_from_data((float[]){-1.2f, 1}, FL_INTS_OF(2), FL_FLOAT32),
                       .y = fl_from_data((float[]){0.5f}, FL_INTS_OF(1), FL_FLOAT32)};
    fl_set_requires_grad(v.x, true);
    fl_set_requires_grad(v.y, true);
    v.o = fl_lbfgs_new((fl_tensors){(fl_tensor *[]){v.x, v.y}, 2}, lr, 8, 3, wolfe);
    REQUIRE(v.o != NULL);
    return v;
}

static void drop_valley(struct valley *v)
{
    fl_lbfgs_release(v->o);
    fl_release(v->x);
    fl_release(v->y);
}

static void test_lbfgs(void)
{
    static const double losses[2][3] = {{30.4500046, 26.525963, 24.2675972},
                                        {30.4500046, 2.98949027, 1.07215619}};
    static const double x0[2][3] = {{-1.18398833, -1.17503273, -1.16746259},
                                    {-0.67622006, -0.01374632, 0}};
    for (int wolfe = 0; wolfe < 2; wolfe++) {
        struct valley v = make_valley(wolfe ? 1 : 0.01, wolfe);
        for (int i = 0; i < 3; i++) {
            CHECK_NEAR(fl_lbfgs_step(v.o, valley_loss, &v), losses[wolfe][i], 2e-3);
            if (wolfe && i == 2) /* the search magnifies rounding from here on */
                break;
            CHECK_NEAR(((float *)fl_data(v.x))[0], x0[wolfe][i], 2e-3);
            CHECK(v.calls == (wolfe ? 10 : 8) * (i + 1));
        }
        drop_valley(&v);
    }
    for (int fail_at = 1; fail_at < 6; fail_at++) { /* the program's error ends the step */
        struct valley v = make_valley(1, fail_at % 2);
        v.fail_at = fail_at;
        CHECK(isnan(fl_lbfgs_step(v.o, valley_loss, &v)) && v.calls == fail_at);
        CHECK(fl_error() == FL_INDEX_ERROR);
        fl_error_clear();
        drop_valley(&v);
    }
    fl_tensor *p = start();
    CHECK(fl_lbfgs_new((fl_tensors){&p, 1}, -1, 20, 100, false) == NULL);
    CHECK(fl_error() == FL_VALUE_ERROR);
    fl_error_clear();
    fl_release(p);
}

/* Two steps, a file, and two steps of another optimizer from there: those of one that went on. */
static void test_lbfgs_saved(void)
{
    static const char *const paths[] = {"lbfgs_test.safetensors", "lbfgs_test.pt"};
    for (int k = 0; k < 4; k++) {
        const char *path = paths[k % 2];
        struct valley whole = make_valley(k < 2 ? 1 : 0.01, k < 2), v = make_valley(1, k < 2);
        CHECK(fl_lbfgs_save(v.o, path) == 0 && fl_lbfgs_load(v.o, path) == 0); /* no step yet */
        for (int i = 0; i < 2; i++)
            fl_lbfgs_step(whole.o, valley_loss, &whole);
        CHECK(fl_lbfgs_save(whole.o, path) == 0);
        memcpy(fl_data(v.x), fl_data(whole.x), 2 * sizeof(float));
        memcpy(fl_data(v.y), fl_data(whole.y), sizeof(float));
        CHECK(fl_lbfgs_load(v.o, path) == 0);
        for (int i = 0; i < 2; i++) {
            const double loss = fl_lbfgs_step(whole.o, valley_loss, &whole);
            CHECK(fl_lbfgs_step(v.o, valley_loss, &v) == loss);
        }
        CHECK(memcmp(fl_data(v.x), fl_data(whole.x), 2 * sizeof(float)) == 0);
        fl_tensor *p = start(); /* parameters of another length: refused */
        fl_lbfgs *other = fl_lbfgs_new((fl_tensors){&v.y, 1}, 0.5, 8, 3, false);
        CHECK(fl_lbfgs_load(other, path) == -1 && fl_error() == FL_VALUE_ERROR);
        fl_error_clear();
        CHECK(fl_lbfgs_load(other, "no such file") == -1 && fl_error() == FL_FILE_NOT_FOUND);
        fl_error_clear();
        fl_lbfgs_release(other);
        CHECK(fl_file_save(path, 1, &(const char *){"param_groups.0.betas"}, &p) == 0);
        CHECK(fl_lbfgs_load(v.o, path) == -1 && fl_error() == FL_VALUE_ERROR);
        fl_error_clear();
        fl_release(p);
        unlink(path);
        drop_valley(&whole);
        drop_valley(&v);
    }
}

static void test_groups(void)
{
    fl_tensor *p = start(), *q = start();
    fl_optimizer *o = fl_optimizer_new("SGD", (fl_tensors){&p, 1});
    CHECK(fl_optimizer_add_group(o, (fl_tensors){&q, 1}) == 1 && fl_optimizer_groups(o) == 2);
    CHECK(fl_optimizer_set(o, -1, "lr", 0.5) == 0 && fl_optimizer_set(o, 1, "lr", 0.25) == 0);
    CHECK(fl_optimizer_get(o, 0, "lr") == 0.5 && fl_optimizer_get(o, 1, "lr") == 0.25);
    steps(o, p, 1);
    CHECK(((float *)fl_data(q))[0] == 1); /* no gradient: left alone */
    fl_optimizer_zero_grad(o);
    steps(o, q, 1);
    CHECK(((float *)fl_data(p))[0] == 0.5f && ((float *)fl_data(q))[0] == 0.75f);
    fl_error_clear();
    CHECK(fl_optimizer_add_group(o, (fl_tensors){&q, 1}) == -1 && fl_error() == FL_VALUE_ERROR);
    CHECK(fl_optimizer_set(o, 2, "lr", 0.5) == -1 && fl_error() == FL_INDEX_ERROR);
    CHECK(fl_optimizer_set(o, 0, "eps", 0.5) == -1 && fl_error() == FL_VALUE_ERROR);
    CHECK(fl_optimizer_set(o, 0, "lr", -1) == -1);
    CHECK_TEXT(fl_error_message(), "Invalid learning rate: -1");
    CHECK(isnan(fl_optimizer_get(o, 0, "frob")));
    CHECK(fl_optimizer_new("Frob", (fl_tensors){&p, 1}) == NULL && fl_error() == FL_VALUE_ERROR);
    const char *path = "optimizer_options_test.pt";
    static const struct {
        const char *name;
        double value;
        const char *error;
    } WRONG[] = {{"param_groups.1.lr", NAN, "Invalid learning rate: nan"},
                 {"param_groups.0.lr", -1, "Invalid learning rate: -1"},
                 {"param_groups.0.nesterov", 3, "Invalid nesterov: 3"},
                 {"state.0.step", 1e300, "the file's state.0.step is no count: 1e+300"},
                 {"state.0.step", -1, "the file's state.0.step is no count: -1"}};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        fl_tensor *value = fl_scalar(WRONG[i].value, FL_FLOAT64);
        CHECK(fl_file_save(path, 1, &WRONG[i].name, &value) == 0);
        CHECK(fl_optimizer_load(o, path) == -1 && fl_optimizer_get(o, 0, "lr") == 0.5);
        CHECK_TEXT(fl_error_message(), WRONG[i].error);
        fl_release(value);
    }
    unlink(path);
    CHECK(fl_optimizer_load(o, "no such file") == -1 && fl_error() == FL_FILE_NOT_FOUND);
    fl_error_clear();
    fl_optimizer_release(o);
    fl_release(p);
    fl_release(q);
}

static void test_clipping(void)
{
    fl_tensor *p = start(), *q = fl_from_data((float[]){1}, FL_INTS_OF(1), FL_FLOAT32);
    fl_tensor *g = fl_from_data((float[]){3, 4, 0}, FL_INTS_OF(3), FL_FLOAT32);
    fl_tensor *h = fl_from_data((float[]){12}, FL_INTS_OF(1), FL_FLOAT32);
    fl_tensor *both[] = {p, q};
    fl_set_requires_grad(q, true);
    fl_set_grad(p, g);
    fl_set_grad(q, h);
    CHECK_NEAR(fl_clip_grad_norm((fl_tensors){both, 2}, 6.5), 13, 1e-6);
    CHECK_NEAR(((float *)fl_data(fl_grad(p)))[1], 2, 1e-6);
    CHECK_NEAR(((float *)fl_data(fl_grad(q)))[0], 6, 1e-6);
    CHECK_NEAR(fl_clip_grad_norm((fl_tensors){both, 2}, 100), 6.5, 1e-6);
    CHECK(fl_clip_grad_value((fl_tensors){both, 2}, 1.75) == 0);
    CHECK(((float *)fl_data(fl_grad(q)))[0] == 1.75f);
    fl_release(g);
    fl_release(h);
    fl_release(p);
    fl_release(q);
}

static void test_rates(void)
{
    static const double step[] = {0.5, 0.5, 0.05, 0.05, 0.005, 0.005};
    static const double exponential[] = {0.5, 0.45, 0.405, 0.3645, 0.32805, 0.295245};
    static const double linear[] = {0.125, 0.21875, 0.3125, 0.40625, 0.5, 0.5};
    static const double cosine[] = {0.5, 0.461803399, 0.361803399, 0.238196601, 0.138196601, 0.1};
    static const double polynomial[] = {0.5, 0.28125, 0.125, 0.03125, 0, 0};
    static const double cycle[] = {0.04,        0.52,        1,           0.950484632, 0.811745654,
                                   0.611262022, 0.388741978, 0.188258346, 0.049519368, 4e-06};
    for (int i = 0; i < 6; i++) {
        CHECK_NEAR(fl_lr_step(0.5, i, 2, 0.1), step[i], 1e-7);
        CHECK_NEAR(fl_lr_exponential(0.5, i, 0.9), exponential[i], 1e-7);
        CHECK_NEAR(fl_lr_linear(0.5, i, 0.25, 1, 4), linear[i], 1e-7);
        CHECK_NEAR(fl_lr_cosine(0.5, i, 5, 0.1), cosine[i], 1e-7);
        CHECK_NEAR(fl_lr_polynomial(0.5, i, 4, 2), polynomial[i], 1e-7);
    }
    for (int i = 0; i < 10; i++)
        CHECK_NEAR(fl_lr_one_cycle(1, i, 10, 0.3, 25, 1e4), cycle[i], 1e-7);
}

static void test_further_rates(void)
{
    static const double several[] = {0.5, 0.5, 0.05, 0.0005, 0.0005, 0.0005, 0.00005, 0.00005};
    static const double restarts[] = {0.5, 0.4, 0.2,         0.5, 0.473205081, 0.4,
                                      0.3, 0.2, 0.126794919, 0.5, 0.493185165, 0.473205081};
    static const double cyclic[] = {0.1, 0.3, 0.5,         0.366666667, 0.233333333, 0.1,
                                    0.2, 0.3, 0.233333333, 0.166666667, 0.1,         0.15};
    static const double shrinking[] = {0.1, 0.28,     0.424,     0.2458,
                                       0.1, 0.218098, 0.3125764, 0.19565938};
    for (int i = 0; i < 12; i++) {
        CHECK_NEAR(fl_lr_cosine_restarts(0.5, i, 3, 2, 0.1), restarts[i], 1e-7);
        CHECK_NEAR(fl_lr_cosine_restarts(0.5, i, 3, 1, 0.1), restarts[i % 3], 1e-7);
        CHECK_NEAR(fl_lr_cyclic(0.1, 0.5, i, 2, 3, 0.5, 1), cyclic[i], 1e-7);
    }
    for (int i = 0; i < 8; i++) {
        CHECK_NEAR(fl_lr_multi_step(0.5, i, FL_INTS_OF(2, 3, 3, 6), 0.1), several[i], 1e-9);
        CHECK_NEAR(fl_lr_constant(0.5, i, 0.25, 3), i < 3 ? 0.125 : 0.5, 1e-9);
        CHECK_NEAR(fl_lr_cyclic(0.1, 0.5, i, 2, 2, 1, 0.9), shrinking[i], 1e-7);
    }
}

static void test_plateau(void)
{
    static const double metrics[] = {1, 0.9, 0.95, 0.96, 0.97, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6};
    static const double lower[] = {0.5,  0.5,   0.25,  0.25,  0.25,   0.25,
                                   0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625};
    static const double higher[] = {0.5, 0.25, 0.125};
    fl_plateau low, high;
    double lr = 0.5, other = 0.5;
    fl_plateau_init(&low);
    CHECK(low.factor == 0.1 && low.patience == 10 && low.threshold == 1e-4);
    low.factor = 0.5, low.patience = 1, low.cooldown = 1, low.threshold = 0.1;
    fl_plateau_init(&high);
    high.higher = high.absolute = true;
    high.factor = 0.5, high.patience = 0, high.threshold = 0.01, high.min_lr = 0.1;
    for (int i = 0; i < 12; i++) {
        CHECK_NEAR(lr = fl_lr_plateau(&low, lr, metrics[i]), lower[i], 1e-9);
        CHECK_NEAR(other = fl_lr_plateau(&high, other, metrics[i]), i < 3 ? higher[i] : 0.1, 1e-9);
    }
}

int main(void)
{
    setenv("FLAMBEAU_LANG", "en", 1);
    test_runs();
    test_groups();
    test_clipping();
    test_rates();
    test_further_rates();
    test_plateau();
    test_matrices();
    test_lbfgs();
    test_lbfgs_saved();
    return check_result();
}
