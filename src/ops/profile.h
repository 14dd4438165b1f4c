/* What calls a thread makes and how long they take. */
#ifndef FLAMBEAU_OPS_PROFILE_H
#define FLAMBEAU_OPS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profile_event {
    const char *name;   /* lives as long as the library */
    int64_t start, end; /* nanoseconds of the monotonic clock; end 0: it runs still */
    int64_t bytes;      /* by how much memory in use grew meanwhile, where asked for */
};

void profile_start(bool bytes); /* from now on this thread's calls are written down */
void profile_stop(void);        /* until now */
size_t profile_begin(const char *name);
void profile_end(size_t event);
/* This thread's events, in the order in which they began, and how many did not fit into memory. */
const struct profile_event *profile_events(size_t *count, size_t *lost);
void profile_clear(void);

#endif
