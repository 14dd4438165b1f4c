// Fits a line from C++: handles in a std::unique_ptr, errors as exceptions, an own operator's
// context in an object with a destructor, a lambda as its backward.
#include <flambeau.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

namespace {

struct Release {
    void operator()(fl_tensor *t) const { fl_release(t); }
    void operator()(fl_module *m) const { fl_module_release(m); }
    void operator()(fl_optimizer *o) const { fl_optimizer_release(o); }
};
template <class T> using Owned = std::unique_ptr<T, Release>;

struct Scope {
    Scope() { fl_scope_begin(); }
    ~Scope() { fl_scope_end(); }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;
};

template <class T> T *checked(T *result)
{
    if (result)
        return result;
    std::runtime_error error(fl_error_message());
    fl_error_clear();
    throw error;
}

struct Scale {
    double factor;
    static int alive;
    explicit Scale(double f) : factor(f) { ++alive; }
    ~Scale() { --alive; }
};
int Scale::alive = 0;

fl_tensor *scaled(fl_tensor *x, double factor)
{
    bool recorded = fl_grad_enabled(false);
    fl_tensor *y = checked(fl_mul_scalar(x, fl_float(factor)));
    fl_grad_enabled(recorded);
    auto backward = [](const fl_backward_call *call) {
        double f = static_cast<Scale *>(call->context)->factor;
        call->results[0] = fl_mul_scalar(call->gradients.data[0], fl_float(f));
        return call->results[0] ? 0 : -1;
    };
    if (fl_record("Scale", {&x, 1}, {&y, 1}, {nullptr, 0}, backward, new Scale(factor),
                  [](void *context) { delete static_cast<Scale *>(context); }) != 0)
        checked<fl_tensor>(nullptr);
    return y;
}

} // namespace

int main()
try {
    fl_manual_seed(0);
    std::vector<float> at, height;
    for (int i = 0; i < 32; i++) {
        at.push_back(i / 16.f - 1);
        height.push_back(3 * at.back() + 1);
    }
    const int64_t n = static_cast<int64_t>(at.size());
    Owned<fl_tensor> x(checked(fl_from_data(at.data(), FL_INTS_OF(n, 1), FL_FLOAT32)));
    Owned<fl_tensor> y(checked(fl_from_data(height.data(), FL_INTS_OF(n, 1), FL_FLOAT32)));
    Owned<fl_module> line(checked(fl_linear_new(1, 1, true)));
    Owned<fl_optimizer> sgd(
        checked(fl_sgd_new(fl_module_parameters(line.get()), 0.1, 0, 0, 0, false)));
    for (int step = 0; step < 200; step++) {
        Scope scope;
        fl_tensor *guess = scaled(fl_module_forward(line.get(), x.get()), 2);
        fl_tensor *loss = checked(fl_mse_loss(guess, y.get(), "mean"));
        fl_optimizer_zero_grad(sgd.get());
        if (fl_backward(loss) != 0 || fl_optimizer_step(sgd.get()) != 0)
            checked<fl_tensor>(nullptr);
    }
    std::printf("%.3f %.3f\n", fl_item(fl_module_get(line.get(), "weight")),
                fl_item(fl_module_get(line.get(), "bias")));
    std::printf("%d contexts are left\n", Scale::alive);
    try {
        Scope scope;
        checked(fl_matmul(x.get(), y.get()));
    } catch (const std::runtime_error &error) {
        std::printf("caught: %.43s\n", error.what());
    }
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
