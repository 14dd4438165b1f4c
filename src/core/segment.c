/* Segments, on Linux's memfd.
 *
 * A storage over a segment is one over foreign memory (storage_from_memory) whose context is the
 * struct below.
 */
#include "core/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/memory_policy.h"

/* Up to this size all pages are mapped at once: faults, one a page, cost more than the copying. Of
 * larger segments a program may want a small part. */
enum { MAP_WHOLE = 64 << 20 };

static void *map(void *place, size_t bytes, int descriptor)
{
    int flags = MAP_SHARED | (place ? MAP_FIXED : 0) | (bytes <= MAP_WHOLE ? MAP_POPULATE : 0);
    return mmap(place, bytes, PROT_READ | PROT_WRITE, flags, descriptor, 0);
}

struct segment {
    void *address; /* NULL when bytes == 0: nothing is mapped */
    size_t bytes;
    int descriptor;        /* -1 where it was closed */
    struct storage *moved; /* the memory that it had before, where others hold its address */
};

static void drop(void *context)
{
    struct segment *m = context;
    if (m->address)
        munmap(m->address, m->bytes);
    if (m->descriptor >= 0)
        close(m->descriptor);
    storage_release(m->moved);
    memory_free(m, sizeof *m);
}

static int refuse(const char *what)
{
    int code = errno;
    error_set(code == EMFILE || code == ENFILE ? FL_RUNTIME_ERROR : FL_OUT_OF_MEMORY,
              "unable to %s shared memory(shm): %s (%d)", what, strerror(code), code);
    if (code == EMFILE || code == ENFILE)
        return error_hint("each shared tensor holds an open file: raise the limit (`ulimit -n`).",
                          "每个共享张量占用一个打开的文件：请提高上限（`ulimit -n`）。");
    return error_hint("the machine has no more memory to share: use smaller batches, fewer workers "
                      "or a smaller prefetch_factor.",
                      "机器没有更多可共享的内存：请减小批次、减少 worker 或减小 prefetch_factor。");
}

/* A memory file of that many bytes, all of them reserved; -1 with the error set. */
static int make_file(size_t bytes)
{
    if (memory_may_fail() && memory_must_fail()) {
        errno = ENOMEM;
        return refuse("allocate");
    }
    int descriptor = memfd_create("flambeau", MFD_CLOEXEC);
    if (descriptor < 0)
        return refuse("open");
    int failed;
    do
        failed = bytes ? fallocate(descriptor, 0, 0, (off_t)bytes) : 0;
    while (failed && errno == EINTR);
    if (failed) {
        refuse("allocate");
        close(descriptor);
        return -1;
    }
    return descriptor;
}

struct storage *segment_open(int descriptor, size_t bytes, bool keep)
{
    struct segment *m = memory_alloc(sizeof *m);
    struct storage *s = NULL;
    if (!m)
        goto fail;
    *m = (struct segment){.bytes = bytes, .descriptor = descriptor};
    if (bytes) {
        m->address = map(NULL, bytes, descriptor);
        if (m->address == MAP_FAILED) {
            refuse("map");
            goto fail;
        }
    }
    s = storage_from_memory(m->address, bytes, drop, m);
    if (!s) {
        if (m->address)
            munmap(m->address, bytes);
        goto fail;
    }
    if (!keep) {
        close(descriptor);
        m->descriptor = -1;
    }
    return s;
fail:
    close(descriptor);
    memory_free(m, sizeof *m);
    return NULL;
}

struct storage *segment_new(size_t bytes)
{
    size_t whole = segment_room(bytes);
    int descriptor = make_file(whole);
    struct storage *s = descriptor < 0 ? NULL : segment_open(descriptor, whole, true);
    if (s)
        s->bytes = bytes;
    return s;
}

bool segment_is(const struct storage *s)
{
    return s && s->borrowed && s->free == drop;
}

bool segment_reuse(struct storage *s, size_t bytes)
{
    const struct segment *m = s->context;
    if (bytes > m->bytes)
        return false;
    if (atomic_load(&s->refs) == 1) {
        s->bytes = bytes;
        s->version = 0;
    }
    return bytes <= s->bytes;
}

bool segment_is_closed(const struct storage *s)
{
    return ((const struct segment *)s->context)->descriptor < 0;
}

void segment_close(struct storage *s)
{
    struct segment *m = s->context;
    if (m->descriptor >= 0)
        close(m->descriptor);
    m->descriptor = -1;
}

int segment_descriptor(struct storage *s)
{
    struct segment *m = s->context;
    if (m->descriptor >= 0)
        return m->descriptor;
    int descriptor = make_file(m->bytes);
    if (descriptor < 0)
        return -1;
    size_t done = 0;
    while (done < m->bytes) {
        ssize_t n = pwrite(descriptor, (char *)m->address + done, m->bytes - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    /* The new file takes the place of the old one at the same address. */
    if (done < m->bytes || (m->bytes && map(m->address, m->bytes, descriptor) == MAP_FAILED)) {
        refuse("map");
        close(descriptor);
        return -1;
    }
    return m->descriptor = descriptor;
}

int segment_move(struct storage *s)
{
    if (segment_is(s))
        return 0;
    if (s->device != &device_cpu)
        return error_set(FL_RUNTIME_ERROR, "_share_fd_: only available on CPU");
    struct storage *new = segment_new(s->bytes);
    if (!new)
        return -1;
    if (s->bytes)
        memcpy(new->address, s->address, s->bytes);
    bool pinned = !s->resizable || s->lent;
    storage_exchange(s, new);
    if (pinned)
        ((struct segment *)s->context)->moved = new;
    else
        storage_release(new);
    return 0;
}
