/* What LBFGS for C programs remembers between its steps. */
#ifndef FLAMBEAU_NN_LBFGS_H
#define FLAMBEAU_NN_LBFGS_H

#include "flambeau.h"

/* What one pair of vectors says of the Hessian. */
struct lbfgs_pair {
    fl_tensor *change, *moved; /* of the gradient, of the parameters */
    double rho;                /* 1 / change . moved */
    double share;              /* of the recursion that is running */
};

struct fl_lbfgs {
    fl_tensor **params;
    int64_t count;
    double lr;
    int max_iter, history, kept; /* kept: pairs, the oldest first */
    bool strong_wolfe;
    struct lbfgs_pair *pairs;
    fl_tensor *direction, *before; /* the last direction, the gradient at its start; NULL: none */
    double taken, diagonal;        /* the last step's length; the first guess of the inverse */
};

void lbfgs_release_pair(struct lbfgs_pair *pair);
/* Takes the pair, given away; of more than o's history the oldest goes. */
void lbfgs_keep_pair(fl_lbfgs *o, struct lbfgs_pair pair);
/* Drops what the steps so far left: pairs, direction, gradient. */
void lbfgs_forget(fl_lbfgs *o);

#endif
