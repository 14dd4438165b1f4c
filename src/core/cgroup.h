/* What a container grants this process: processors and memory, by cgroup v2 or v1. */
#ifndef FLAMBEAU_CORE_CGROUP_H
#define FLAMBEAU_CORE_CGROUP_H

#include <stdint.h>

/* Processors that the quota allows, rounded up; 0 when there is no quota. */
int cgroup_cpus(void);
/* Bytes that the limit allows; 0 when there is no limit. */
int64_t cgroup_memory(void);

#endif
