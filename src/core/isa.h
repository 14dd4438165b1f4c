/* Instruction sets: which variants of a *.simd.c file exist, and which one this machine runs.
 *
 * A file named *.simd.c is compiled once for each instruction set with FL_ISA set to its name. It
 * exports one constant table of function pointers, declared by FL_SIMD_TABLE and named inside the
 * file by FL_SIMD. Callers take the table of the best set with ISA_PICK.
 * FLAMBEAU_ISA=generic|avx2|avx512 lowers the choice. The results do not depend on it: lanes, trees
 * and fused operations are the same in every variant.
 */
#ifndef FLAMBEAU_CORE_ISA_H
#define FLAMBEAU_CORE_ISA_H

#include <stdatomic.h>

enum isa { ISA_GENERIC, ISA_AVX2, ISA_AVX512, ISA_COUNT };

/* The instruction set in use, settled at the first call. */
extern _Atomic int isa_settled; /* -1 before */
enum isa isa_settle(void);
static inline enum isa isa_level(void)
{
    int known = atomic_load_explicit(&isa_settled, memory_order_relaxed);
    return known < 0 ? isa_settle() : (enum isa)known;
}
const char *isa_name(void);

#define FL_SIMD_JOIN(name, isa) name##_##isa
#define FL_SIMD_NAME(name, isa) FL_SIMD_JOIN(name, isa)
/* The name of this variant's table: FL_SIMD(gemm_kernels) is gemm_kernels_avx2 in the AVX2 object.
 */
#define FL_SIMD(name)           FL_SIMD_NAME(name, FL_ISA)

/* Every table of a set that is built, and the one of the set in use. A developer's build may hold
 * one set alone (FL_ONLY_ISA): it is then the one in use. */
#if defined(FL_ONLY_ISA)
#define FL_SIMD_TABLE(type, name) extern const type FL_SIMD_NAME(name, FL_ONLY_ISA)
#define ISA_PICK(name)            (&FL_SIMD_NAME(name, FL_ONLY_ISA))
#elif defined(__x86_64__)
#define FL_SIMD_TABLE(type, name) extern const type name##_generic, name##_avx2, name##_avx512
#define ISA_PICK(name)                                                                             \
    (isa_level() == ISA_AVX512 ? &name##_avx512                                                    \
     : isa_level() == ISA_AVX2 ? &name##_avx2                                                      \
                               : &name##_generic)
#else
#define FL_SIMD_TABLE(type, name) extern const type name##_generic
#define ISA_PICK(name)            (&name##_generic)
#endif

#endif
