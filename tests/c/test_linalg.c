/* Linear algebra from C: a line fitted by least squares, a spectrum, a gradient, a refusal. */
#include "check.h"
#include "flambeau.h"

static double at(fl_tensor *t, int64_t i)
{
    return fl_item(fl_select(fl_flatten(t, 0, -1), 0, i));
}

int main(void)
{
    const double points[] = {1, 0, 1, 1, 1, 2}, heights[] = {1, 3, 5}, pair[] = {2, 1, 1, 2};
    fl_tensor *values, *vectors, *solution, *residuals, *rank, *singular;
    fl_scope_begin();
    fl_tensor *a = fl_from_data(points, FL_INTS_OF(3, 2), FL_FLOAT64);
    fl_tensor *b = fl_from_data(heights, FL_INTS_OF(3), FL_FLOAT64);
    REQUIRE(fl_linalg_lstsq(a, b, NULL, NULL, &solution, &residuals, &rank, &singular) == 0);
    CHECK_NEAR(at(solution, 0), 1, 1e-12);
    CHECK_NEAR(at(solution, 1), 2, 1e-12);
    CHECK(fl_item(rank) == 2);

    fl_tensor *m = fl_from_data(pair, FL_INTS_OF(2, 2), FL_FLOAT64);
    REQUIRE(fl_linalg_eigh(m, "L", &values, &vectors) == 0);
    CHECK_NEAR(at(values, 0), 1, 1e-12);
    CHECK_NEAR(at(values, 1), 3, 1e-12);
    CHECK_NEAR(fl_item(fl_linalg_matrix_norm(m, fl_int(2), FL_INTS_OF(-2, -1), false, FL_NO_DTYPE)),
               3, 1e-12);

    CHECK(fl_set_requires_grad(m, true) == 0);
    CHECK(fl_backward(fl_linalg_det(m)) == 0);
    CHECK_NEAR(at(fl_grad(m), 0), 2, 1e-12);
    CHECK_NEAR(at(fl_grad(m), 1), -1, 1e-12);

    CHECK(fl_linalg_inv(fl_zeros_like(m, FL_NO_DTYPE, (fl_device){.kind = -1}, false, -1)) == NULL);
    CHECK(fl_error() == FL_LINALG_ERROR);
    fl_scope_end();
    return check_result();
}
