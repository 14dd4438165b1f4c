/* Segments: storages whose memory other processes can map.
 *
 * A segment is a nameless file in memory (memfd), so nothing is left of it however its processes
 * end: it goes with the last descriptor and the last mapping. Its pages are reserved when it is
 * made: where there is no room, that is an error then, and no SIGBUS later.
 */
#ifndef FLAMBEAU_CORE_SEGMENT_H
#define FLAMBEAU_CORE_SEGMENT_H

#include "core/tensor.h"

/* What a segment of that many bytes takes: whole pages. */
static inline size_t segment_room(size_t bytes)
{
    return (bytes + 4095) & ~(size_t)4095;
}
/* A new storage of that many zero bytes in shared memory; NULL with the error set. */
struct storage *segment_new(size_t bytes);
/* The storage that `descriptor`, a segment's, stands for. Takes the descriptor over, also when it
 * fails; unless `keep`, it is closed as soon as the memory is mapped. */
struct storage *segment_open(int descriptor, size_t bytes, bool keep);
bool segment_is(const struct storage *s);
/* The descriptor of a segment, which stays its own. One that was opened without `keep` gets a new
 * one, and parts from the processes it shared memory with. -1 with the error set. */
int segment_descriptor(struct storage *s);
/* Closes the descriptor; and whether it is closed. */
void segment_close(struct storage *s);
bool segment_is_closed(const struct storage *s);
/* Makes a segment with one reference one of that many bytes, as if new; false where it is too
 * small. */
bool segment_reuse(struct storage *s, size_t bytes);
/* Moves a storage to a segment, under the tensors that use it. 0, or -1 with the error set. */
int segment_move(struct storage *s);

/* Of storage.c, for segment_move: a stands for what b stood for, whose data are not in b's own
 * block, and b for a's memory, except where that is in a's own block. */
void storage_exchange(struct storage *a, struct storage *b);

#endif
