/* The type that a template of this folder is compiled for: REAL_BITS is 32 or 64, and every name
 * gets the suffix _f32 or _f64. Included by the template, once for each. */
#undef real
#undef NAME
#if REAL_BITS == 32
#define real    float
#define NAME(x) x##_f32
#else
#define real    double
#define NAME(x) x##_f64
#endif
