/* Chooses the instruction set once, from the processor and FLAMBEAU_ISA. */
#include "core/isa.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const NAMES[ISA_COUNT] = {"generic", "avx2", "avx512"};

#if defined(FL_ONLY_ISA)
#define ONLY_generic ISA_GENERIC
#define ONLY_avx2    ISA_AVX2
#define ONLY_avx512  ISA_AVX512
static enum isa detect(void)
{
    return FL_SIMD_NAME(ONLY, FL_ONLY_ISA);
}
#else
#if defined(__x86_64__)
/* Clang 14 does not know the name. */
static int has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}
#endif

static enum isa detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("pclmul"))
        return ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("pclmul"))
        return ISA_AVX2;
#endif
    return ISA_GENERIC;
}
#endif

_Atomic int isa_settled = -1;

enum isa isa_settle(void)
{
    enum isa known = detect();
    const char *wanted = getenv("FLAMBEAU_ISA");
    for (enum isa i = ISA_GENERIC; wanted && i < known; i++)
        if (strcmp(wanted, NAMES[i]) == 0)
            known = i;
    atomic_store_explicit(&isa_settled, (int)known, memory_order_relaxed);
    return known;
}

const char *isa_name(void)
{
    return NAMES[isa_level()];
}
