/* What LAPACK sees is the transpose of each matrix: rows here are its columns.
 *
 * Its integers are of 32 or 64 bits, as the names in the library tell. A number of 64 bits passed
 * by address serves both, on the little-endian machines that there are; arrays are read by their
 * width.
 */
#include "ops/linalg/lapack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "ops/linalg/dense.h"

/* The functions that are used, in the order of enum routine. */
static const char *const ROUTINES[2][8] = {
    {"dpotrf", "dgetrf", "dtrsm", "dgemm", "dgeqrf", "dormqr", "dsyevd", "dgesdd"},
    {"zpotrf", "zgetrf", "ztrsm", "zgemm", "zgeqrf", "zunmqr", "zheevd", "zgesdd"}};
enum routine { POTRF, GETRF, TRSM, GEMM, GEQRF, ORMQR, SYEVD, GESDD, COUNT };

static struct {
    pthread_once_t once;
    void *handle, *routine[2][COUNT]; /* of numbers with one part and with two */
    bool wide;                        /* integers of 64 bits */
    char path[4096], refused[4096];
} library = {.once = PTHREAD_ONCE_INIT};

/* How names are written: OpenBLAS of wheels, of systems with long integers, anyone's, Apple's. */
static const struct {
    const char *before, *after;
    bool wide;
} SPELLINGS[] = {{"scipy_", "_", false},
                 {"scipy_", "_64_", true},
                 {"", "_64_", true},
                 {"", "_", false},
                 {"", "", false}};

static bool find_routines(void *handle)
{
    for (size_t s = 0; s < sizeof SPELLINGS / sizeof *SPELLINGS; s++) {
        int found = 0;
        for (; found < 2 * COUNT; found++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s%s", SPELLINGS[s].before,
                     ROUTINES[found / COUNT][found % COUNT], SPELLINGS[s].after);
            if (!(library.routine[found / COUNT][found % COUNT] = dlsym(handle, name)))
                break;
        }
        library.wide = SPELLINGS[s].wide;
        if (found == 2 * COUNT)
            return true;
    }
    return false;
}

static bool try_path(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return false;
    if (!find_routines(handle)) {
        dlclose(handle);
        return false;
    }
    snprintf(library.path, sizeof library.path, "%s", path);
    library.handle = handle;
    return true;
}

/* The wheel beside the folder of the package that this code is a part of. */
static bool try_wheel(void)
{
    static const char INSIDE[] = "/scipy_openblas32/lib/libscipy_openblas.so";
    Dl_info here;
    char path[sizeof library.path];
    if (!dladdr(&library, &here) || !here.dli_fname)
        return false;
    snprintf(path, sizeof path - sizeof INSIDE, "%s", here.dli_fname);
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (!slash)
            return false;
        *slash = 0;
    }
    strcat(path, INSIDE);
    return try_path(path);
}

static void open_library(void)
{
    static const char *const SYSTEM[] = {"libopenblas.so.0", "libopenblas.so", "libflexiblas.so.3",
                                         "libmkl_rt.so.2", "liblapack.so.3"};
    const char *named = getenv("FLAMBEAU_LAPACK");
    if (named && *named) {
        if (strcmp(named, "none") != 0 && !try_path(named))
            snprintf(library.refused, sizeof library.refused, "%s", named);
        return;
    }
    if (try_wheel())
        return;
    for (size_t i = 0; i < sizeof SYSTEM / sizeof *SYSTEM; i++)
        if (try_path(SYSTEM[i]))
            return;
}

int lapack_open(void)
{
    pthread_once(&library.once, open_library);
    if (!*library.refused)
        return 0;
    error_set(FL_RUNTIME_ERROR, "FLAMBEAU_LAPACK names %s, which is no LAPACK that can be opened",
              library.refused);
    error_hint("Install OpenBLAS (pip install scipy-openblas32, or the system's package) and name "
               "its library, or unset the variable: nothing needs it.",
               "请安装 OpenBLAS（pip install scipy-openblas32 或系统软件包）并指向其库文件，"
               "或取消该变量：没有它也能运行。");
    return -1;
}

const char *lapack_path(void)
{
    pthread_once(&library.once, open_library);
    return library.handle ? library.path : NULL;
}

static bool is_there(void)
{
    return lapack_path() != NULL;
}

/* y [n, m] becomes the transpose of x [m, n], in squares that stay in cache. */
static void transpose(int parts, int64_t m, int64_t n, const double *x, double *y)
{
    assert(x != y);
    enum { SIDE = 16 };
    for (int64_t i = 0; i < m; i += SIDE)
        for (int64_t j = 0; j < n; j += SIDE)
            for (int64_t r = i; r < m && r < i + SIDE; r++)
                for (int64_t c = j; c < n && c < j + SIDE; c++)
                    for (int part = 0; part < parts; part++)
                        y[(c * m + r) * parts + part] = x[(r * n + c) * parts + part];
}

/* Numbers of scratch that a call frees again; NULL: none could be had. */
static double *take(int64_t count)
{
    assert(count >= 0);
    double *taken = memory_alloc((size_t)(count + 1) * sizeof *taken);
    if (!taken)
        fl_error_clear();
    return taken;
}

static void give(double *taken, int64_t count)
{
    if (taken)
        memory_free(taken, (size_t)(count + 1) * sizeof *taken);
}

bool lapack_cholesky(int parts, int64_t n, double *a, int *info)
{
    if (!is_there())
        return false;
    int64_t result = 0;
    void (*potrf)(const char *, int64_t *, double *, int64_t *, int64_t *, size_t);
    *(void **)&potrf = library.routine[parts - 1][POTRF];
    potrf("U", &n, a, &n, &result, 1);
    *info = (int)(int32_t)result;
    for (int64_t i = 0; i < n; i++)
        memset(a + (i * n + i + 1) * parts, 0, (size_t)((n - i - 1) * parts) * sizeof *a);
    return true;
}

bool lapack_lu(int parts, int64_t m, int64_t n, double *a, int32_t *pivots, int *info)
{
    int64_t k = m < n ? m : n, result = 0, count = m * n * parts + k;
    double *turned = is_there() ? take(count) : NULL;
    if (!turned)
        return false;
    int64_t *wide = (int64_t *)(turned + m * n * parts);
    void (*getrf)(int64_t *, int64_t *, double *, int64_t *, void *, int64_t *);
    *(void **)&getrf = library.routine[parts - 1][GETRF];
    transpose(parts, m, n, a, turned);
    getrf(&m, &n, turned, &m, wide, &result);
    transpose(parts, n, m, turned, a);
    for (int64_t i = 0; i < k; i++)
        pivots[i] = library.wide ? (int32_t)wide[i] : ((int32_t *)wide)[i];
    *info = (int)(int32_t)result;
    give(turned, count);
    return true;
}

/* a X = b is X^T a^T = b^T. */
bool lapack_solve(int parts, int64_t n, int64_t k, const double *a, double *b, bool upper,
                  bool unit)
{
    const double one[2] = {1, 0};
    if (!is_there())
        return false;
    void (*trsm)(const char *, const char *, const char *, const char *, int64_t *, int64_t *,
                 const double *, const double *, int64_t *, double *, int64_t *, size_t, size_t,
                 size_t, size_t);
    *(void **)&trsm = library.routine[parts - 1][TRSM];
    trsm("R", upper ? "L" : "U", "N", unit ? "U" : "N", &k, &n, one, a, &n, b, &k, 1, 1, 1, 1);
    return true;
}

/* y = a b is y^T = b^T a^T. */
bool lapack_multiply(int parts, int64_t m, int64_t k, int64_t n, const double *a, const double *b,
                     double *y)
{
    const double one[2] = {1, 0};
    if (!is_there())
        return false;
    void (*gemm)(const char *, const char *, int64_t *, int64_t *, int64_t *, const double *,
                 const double *, int64_t *, const double *, int64_t *, const double *, double *,
                 int64_t *, size_t, size_t);
    *(void **)&gemm = library.routine[parts - 1][GEMM];
    gemm("N", "N", &n, &m, &k, one, b, &n, a, &k, one, y, &n, 1, 1);
    return true;
}

bool lapack_qr(int parts, int64_t m, int64_t n, double *a, double *tau)
{
    const int64_t few = 64 * (n + 1), count = (m * n + few) * parts;
    int64_t room = few, info = 0;
    double *turned = is_there() ? take(count) : NULL;
    if (!turned)
        return false;
    void (*geqrf)(int64_t *, int64_t *, double *, int64_t *, double *, double *, int64_t *,
                  int64_t *);
    *(void **)&geqrf = library.routine[parts - 1][GEQRF];
    transpose(parts, m, n, a, turned);
    geqrf(&m, &n, turned, &m, tau, turned + m * n * parts, &room, &info);
    transpose(parts, n, m, turned, a);
    give(turned, count);
    return true;
}

/* Q c is (c^T Q^T)^T; of complex numbers LAPACK knows the conjugate of Q^T alone, which serves the
 * conjugate of c. */
bool lapack_apply(int parts, int64_t m, int64_t n, int64_t k, int64_t columns, const double *a,
                  const double *tau, double *c, bool transposed)
{
    const int64_t few = 64 * (n + 1) + 65 * 64, count = (m * columns + few) * parts;
    int64_t room = few, info = 0;
    double *turned = is_there() ? take(count) : NULL;
    if (!turned)
        return false;
    void (*ormqr)(const char *, const char *, int64_t *, int64_t *, int64_t *, double *, int64_t *,
                  const double *, double *, int64_t *, double *, int64_t *, int64_t *, size_t,
                  size_t);
    *(void **)&ormqr = library.routine[parts - 1][ORMQR];
    transpose(parts, m, columns, a, turned);
    dense_conjugate(parts, m * n, c);
    ormqr("R",
          transposed   ? "N"
          : parts == 2 ? "C"
                       : "T",
          &n, &m, &k, turned, &m, tau, c, &n, turned + m * columns * parts, &room, &info, 1, 1);
    dense_conjugate(parts, m * n, c);
    give(turned, count);
    return true;
}

/* Columns are the vectors of the conjugate matrix, and the rows that are wanted. */
bool lapack_eigen(int parts, int64_t n, double *a, double *d, double *z, bool *converged)
{
    const int64_t ints = 3 + 5 * n, few = 1 + 6 * n + 2 * n * n, count = few * (parts + 1) + ints;
    int64_t room = few, int_room = ints, info = 0;
    double *work = is_there() ? take(count) : NULL;
    if (!work)
        return false;
    double *real = work + few * parts, *places = real + few;
    if (parts == 2) {
        void (*heevd)(const char *, const char *, int64_t *, double *, int64_t *, double *,
                      double *, int64_t *, double *, int64_t *, void *, int64_t *, int64_t *,
                      size_t, size_t);
        *(void **)&heevd = library.routine[1][SYEVD];
        heevd(z ? "V" : "N", "U", &n, a, &n, d, work, &room, real, &room, places, &int_room, &info,
              1, 1);
    } else {
        void (*syevd)(const char *, const char *, int64_t *, double *, int64_t *, double *,
                      double *, int64_t *, void *, int64_t *, int64_t *, size_t, size_t);
        *(void **)&syevd = library.routine[0][SYEVD];
        syevd(z ? "V" : "N", "U", &n, a, &n, d, work, &room, places, &int_room, &info, 1, 1);
    }
    if (z)
        memcpy(z, a, (size_t)(n * n * parts) * sizeof *z);
    *converged = (int32_t)info == 0;
    give(work, count);
    return true;
}

/* a^T = V S U^T, where LAPACK's left vectors are v and its right ones u; V conjugated. */
bool lapack_svd(int parts, int64_t m, int64_t n, double *a, double *d, int64_t rows, double *u,
                double *v, bool *converged)
{
    assert(m >= n && (!u || v));
    const int64_t few = 7 * n + 4 * n * n + 64 * (m + n) + 3 * n + m, ints = 8 * n;
    const int64_t reals = parts == 2 ? 5 * n * n + 7 * n + 2 * m * n + 2 * n * n : 0;
    const int64_t right = u ? rows * m : 0, count = (few + right) * parts + reals + ints;
    int64_t room = few, info = 0, leading = u ? rows : 1;
    double *work = is_there() ? take(count) : NULL;
    if (!work)
        return false;
    const char *job = !u ? "N" : rows > n ? "A" : "S";
    double *turned = work + few * parts, *real = turned + right * parts, *places = real + reals;
    double *left = u ? v : work, *others = u ? turned : work;
    if (parts == 2) {
        void (*gesdd)(const char *, int64_t *, int64_t *, double *, int64_t *, double *, double *,
                      int64_t *, double *, int64_t *, double *, int64_t *, double *, void *,
                      int64_t *, size_t);
        *(void **)&gesdd = library.routine[1][GESDD];
        gesdd(job, &n, &m, a, &n, d, left, &n, others, &leading, work, &room, real, places, &info,
              1);
    } else {
        void (*gesdd)(const char *, int64_t *, int64_t *, double *, int64_t *, double *, double *,
                      int64_t *, double *, int64_t *, double *, int64_t *, void *, int64_t *,
                      size_t);
        *(void **)&gesdd = library.routine[0][GESDD];
        gesdd(job, &n, &m, a, &n, d, left, &n, others, &leading, work, &room, places, &info, 1);
    }
    if (u) {
        transpose(parts, m, rows, turned, u);
        dense_conjugate(parts, rows * m, u);
    }
    *converged = (int32_t)info == 0;
    give(work, count);
    return true;
}
