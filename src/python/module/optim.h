/* What the extension offers to flambeau.optim and to flambeau.serialization. */
#ifndef FLAMBEAU_PYTHON_OPTIM_H
#define FLAMBEAU_PYTHON_OPTIM_H

#include "python/python.h"

/* Functions of the module, each table ended by an empty row. */
extern PyMethodDef optim_functions[];
extern PyMethodDef safetensors_functions[]; /* state_files.c */
extern PyMethodDef archive_functions[];     /* archive_files.c */

/* Makes the strings that steps look up, when the module is made. 0, or -1 with an exception. */
int optim_init(void);

#endif
