/* The dense kernels' tests and timings: `kernels` tests, `kernels bench` times; a second word picks
 * gemm or conv2d, and a third, cpu, takes the processor's time instead of the clock's. */
#include "kernels.h"
#include "core/isa.h"

int failures;
clockid_t bench_clock = CLOCK_MONOTONIC;

int main(int argc, char **argv)
{
    bool bench = argc > 1 && strcmp(argv[1], "bench") == 0;
    const char *what = argc > 2 ? argv[2] : "";
    if (argc > 3 && strcmp(argv[3], "cpu") == 0)
        bench_clock = CLOCK_PROCESS_CPUTIME_ID;
    if (!*what || strcmp(what, "gemm") == 0)
        (bench ? bench_gemm : test_gemm)();
    if (!*what || strcmp(what, "conv2d") == 0)
        (bench ? bench_conv2d : test_conv2d)();
    if (!bench) {
        test_fma();
        test_conv2d_bits();
        printf("kernels (%s): %d failures\n", isa_name(), failures);
    }
    return failures != 0;
}
