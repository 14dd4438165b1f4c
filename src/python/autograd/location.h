/* Anomaly detection: which lines of Python made a node. */
#ifndef FLAMBEAU_PYTHON_LOCATION_H
#define FLAMBEAU_PYTHON_LOCATION_H

#include "python/python.h"

/* Whether anomaly detection is on. */
extern bool location_anomaly;
extern PyMethodDef location_functions[];
void location_init(void);

#endif
