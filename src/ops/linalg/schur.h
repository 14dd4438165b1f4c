/* The parts of an eigenvalue problem: balancing, Schur's form of real and of complex matrices. */
#ifndef FLAMBEAU_OPS_LINALG_SCHUR_H
#define FLAMBEAU_OPS_LINALG_SCHUR_H

#include <stdbool.h>
#include <stdint.h>

/* What balancing did to a matrix: rows and columns from lo to hi - 1 are what is left to reduce, and
 * were multiplied by powers of two; others, triangular already, were put in their places. */
struct balance {
    int64_t lo, hi;
    double *scale; /* [n]: the factor of row i within, and the row it changed places with without */
};

/* a [n, n] becomes a balanced matrix with the same eigenvalues; vectors v [n] of that become ones of
 * the first. */
void balance_matrix(int parts, int64_t n, double *a, struct balance *b);
void balance_undo(const struct balance *b, int64_t n, double _Complex *v);

/* a [n, n], triangular but from row b->lo to b->hi - 1, becomes t [n, n], triangular, a = z t z^H.
 * work: n n + 2 n complex numbers. False: no convergence. */
bool schur_real(int64_t n, double *a, const struct balance *b, double _Complex *t,
                double _Complex *z, double _Complex *work);
bool schur_complex(int64_t n, double _Complex *a, const struct balance *b, double _Complex *t,
                   double _Complex *z, double _Complex *work);

#endif
