/* Anomaly detection: which lines of Python made a node. */
#ifndef FLAMBEAU_PYTHON_LOCATION_H
#define FLAMBEAU_PYTHON_LOCATION_H

#include "python/python.h"

extern PyMethodDef location_functions[];
void location_init(void);

#endif
