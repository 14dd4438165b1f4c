/* Operators that a program calls for whole steps: sums of products by letters, padding, resizing,
 * attention, distinct elements, quantiles, distances, Fourier transforms, masks, boxes. Values are PyTorch's. */
#include "check.h"
#include "flambeau.h"

static double at(fl_tensor *t, int64_t i)
{
    return fl_item(fl_select(fl_flatten(t, 0, -1), 0, i));
}

static void check_values(fl_tensor *t, int count, const double *want)
{
    REQUIRE(t != NULL && fl_numel(t) == count);
    for (int i = 0; i < count; i++)
        CHECK_NEAR(at(t, i), want[i], 1e-6);
}

static fl_tensor *counting(double first, fl_ints sizes)
{
    double data[64];
    int64_t n = 1;
    for (int64_t d = 0; d < sizes.count; d++)
        n *= sizes.data[d];
    for (int64_t i = 0; i < n; i++)
        data[i] = first + (double)i;
    return fl_from_data(data, sizes, FL_FLOAT64);
}

static void test_einsum(void)
{
    fl_tensor *a = counting(1, FL_INTS_OF(2, 3)), *b = counting(1, FL_INTS_OF(3, 2));
    fl_tensor *both[] = {a, b};
    check_values(fl_einsum("ij,jk->ki", (fl_tensors){both, 2}), 4, (double[]){22, 49, 28, 64});
    check_values(fl_einsum("ij,ji", (fl_tensors){both, 2}), 1, (double[]){86});
    CHECK(fl_einsum("ij,jk,kl", (fl_tensors){both, 2}) == NULL);
    CHECK_TEXT(fl_error_message(), "einsum(): fewer operands were provided than specified in the "
                                   "equation");
    CHECK(fl_set_requires_grad(a, true) == 0);
    CHECK(fl_backward(fl_einsum("ij,ji->", (fl_tensors){both, 2})) == 0);
    check_values(fl_grad(a), 6, (double[]){1, 3, 5, 2, 4, 6});
}

static void test_pad(void)
{
    fl_tensor *x = counting(1, FL_INTS_OF(1, 1, 3));
    const fl_ints pad = FL_INTS_OF(2, 1);
    check_values(fl_pad(x, pad, "constant", fl_float(9)), 6, (double[]){9, 9, 1, 2, 3, 9});
    check_values(fl_pad(x, pad, "constant", fl_none()), 6, (double[]){0, 0, 1, 2, 3, 0});
    check_values(fl_pad(x, pad, "reflect", fl_none()), 6, (double[]){3, 2, 1, 2, 3, 2});
    check_values(fl_pad(x, pad, "replicate", fl_none()), 6, (double[]){1, 1, 1, 2, 3, 3});
    check_values(fl_pad(x, pad, "circular", fl_none()), 6, (double[]){2, 3, 1, 2, 3, 1});
    CHECK(fl_pad(x, pad, "mirror", fl_none()) == NULL && fl_error() == FL_NOT_IMPLEMENTED);
}

static void test_interpolate(void)
{
    fl_tensor *x = counting(1, FL_INTS_OF(1, 1, 2, 2));
    const fl_floats none = {NULL, 0};
    check_values(fl_interpolate(x, FL_INTS_OF(2, 4), none, "nearest", -1, -1, false), 8,
                 (double[]){1, 1, 2, 2, 3, 3, 4, 4});
    check_values(fl_interpolate(x, FL_INTS_OF(3, 3), none, "bilinear", true, -1, false), 9,
                 (double[]){1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4});
    check_values(fl_interpolate(x, FL_INTS_OF(1, 4), none, "bicubic", false, -1, false), 4,
                 (double[]){1.89453125, 2.2265625, 2.7734375, 3.10546875});
    check_values(fl_interpolate(x, FL_INTS_OF(1, 1), none, "area", -1, -1, false), 1,
                 (double[]){2.5});
    const double factor = 2;
    fl_tensor *large = fl_interpolate_number(x, NULL, &factor, "nearest", -1, -1, false);
    CHECK(large && fl_size(large, 2) == 4 && fl_size(large, 3) == 4);
    CHECK(fl_interpolate(x, (fl_ints){NULL, 0}, none, "nearest", -1, -1, false) == NULL);
    CHECK_TEXT(fl_error_message(), "either size or scale_factor should be defined");
}

static void test_attention(void)
{
    fl_tensor *q = counting(0, FL_INTS_OF(1, 2, 2)), *v = counting(1, FL_INTS_OF(1, 2, 2));
    check_values(fl_scaled_dot_product_attention(q, q, v, NULL, 0, true, NULL, false), 4,
                 (double[]){1, 2, 2.998302, 3.998302});
}

static void test_unique(void)
{
    const int64_t data[] = {3, 1, 3, 2, 1, 3}, rows[] = {2, 1, 1, 5, 2, 1};
    fl_tensor *x = fl_from_data(data, FL_INTS_OF(6), FL_INT64), *values, *inverse, *counts;
    REQUIRE(fl_unique(x, true, true, true, NULL, &values, &inverse, &counts) == 0);
    check_values(values, 3, (double[]){1, 2, 3});
    check_values(inverse, 6, (double[]){2, 0, 2, 1, 0, 2});
    check_values(counts, 3, (double[]){2, 1, 3});
    REQUIRE(fl_unique(x, true, false, false, NULL, &values, &inverse, &counts) == 0);
    CHECK(values && !inverse && !counts);
    const int64_t dim = 0;
    fl_tensor *m = fl_from_data(rows, FL_INTS_OF(3, 2), FL_INT64);
    REQUIRE(fl_unique(m, true, false, true, &dim, &values, &inverse, &counts) == 0);
    check_values(values, 4, (double[]){1, 5, 2, 1});
    check_values(counts, 2, (double[]){1, 2});
}

static void test_statistics(void)
{
    fl_tensor *x = counting(0, FL_INTS_OF(2, 5));
    const int64_t dim = 1;
    check_values(fl_quantile_scalar(x, fl_float(0.3), &dim, false, "linear"), 2,
                 (double[]){1.2, 6.2});
    check_values(fl_quantile_scalar(x, fl_float(0.3), NULL, false, "nearest"), 1, (double[]){3});
    fl_tensor *a = counting(0, FL_INTS_OF(2, 2)), *b = counting(1, FL_INTS_OF(2, 2));
    const char *mode = "use_mm_for_euclid_dist_if_necessary";
    check_values(fl_cdist(a, b, 2, mode), 4,
                 (double[]){1.4142136, 4.2426407, 1.4142136, 1.4142136});
    check_values(fl_cdist(a, b, 1, mode), 4, (double[]){2, 6, 2, 2});
}

static void test_fourier(void)
{
    const int64_t points = 4;
    fl_tensor *x = counting(1, FL_INTS_OF(4));
    CHECK(fl_set_requires_grad(x, true) == 0);
    fl_tensor *y = fl_fft_rfft(x, NULL, -1, NULL);
    check_values(fl_view_as_real(y), 6, (double[]){10, 0, -2, 2, -2, 0});
    fl_tensor *back = fl_fft_irfft(y, &points, -1, "backward");
    check_values(back, 4, (double[]){1, 2, 3, 4});
    CHECK(fl_backward(fl_sum(fl_mul(back, back), FL_NO_DTYPE)) == 0);
    check_values(fl_grad(x), 4, (double[]){2, 4, 6, 8});
    CHECK(fl_fft_fft(x, NULL, 3, NULL) == NULL && fl_error() == FL_INDEX_ERROR);
}

static void test_masked(void)
{
    const bool mask[] = {true, false, true, true};
    fl_tensor *x = counting(1, FL_INTS_OF(2, 2));
    fl_tensor *m = fl_from_data(mask, FL_INTS_OF(2, 2), FL_BOOL);
    CHECK(fl_set_requires_grad(x, true) == 0);
    fl_tensor *mean = fl_masked_mean(x, FL_INTS_OF(1), false, FL_NO_DTYPE, m);
    check_values(mean, 2, (double[]){1, 3.5});
    CHECK(fl_backward(fl_sum(mean, FL_NO_DTYPE)) == 0);
    check_values(fl_grad(x), 4, (double[]){1, 0, 0.5, 0.5});
}

static void test_histogramdd(void)
{
    const double data[] = {1, 2, 3, 4, 1, 1.5};
    fl_tensor *x = fl_from_data(data, FL_INTS_OF(3, 2), FL_FLOAT64), *hist;
    fl_value edges;
    REQUIRE(fl_histogramdd_int_bins(x, 2, (fl_floats){NULL, 0}, NULL, false, &hist, &edges) == 0);
    check_values(hist, 4, (double[]){2, 0, 0, 1});
    CHECK(edges.count == 2);
    check_values(edges.as.tensors[1], 3, (double[]){1.5, 2.75, 4});
    fl_value_release(&edges);
}

/* Operators that PyTorch's Python keeps under a name with an underscore are operators of C. */
static void test_underscores(void)
{
    const double boxes[] = {0, 0, 2, 2, 0, 0, 2, 2.1, 5, 5, 6, 6}, roi[] = {0, 0, 0, 1, 1};
    fl_tensor *b = fl_from_data(boxes, FL_INTS_OF(3, 4), FL_FLOAT64);
    fl_tensor *x = counting(1, FL_INTS_OF(1, 1, 2, 2));
    check_values(fl_nms(b, counting(0, FL_INTS_OF(3)), 0.5), 2, (double[]){2, 1});
    check_values(fl_roi_align(x, fl_from_data(roi, FL_INTS_OF(1, 5), FL_FLOAT64), 1, 1, 1, 1, true),
                 1, (double[]){1});
    CHECK(fl_op_find("_nms") != NULL);
    CHECK(fl_op_find("_nms_keep") == NULL && fl_error() == FL_RUNTIME_ERROR);
}

int main(void)
{
    fl_scope_begin();
    test_einsum();
    test_pad();
    test_interpolate();
    test_attention();
    test_unique();
    test_statistics();
    test_fourier();
    test_masked();
    test_histogramdd();
    test_underscores();
    fl_scope_end();
    return check_result();
}
