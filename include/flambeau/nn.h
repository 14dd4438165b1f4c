/* Modules, layers and optimizers for C programs; included by flambeau.h. */
#ifndef FLAMBEAU_NN_H
#define FLAMBEAU_NN_H

#endif
