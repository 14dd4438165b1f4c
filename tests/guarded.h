/* A device whose memory the host cannot read: pages without access, except inside the device's own
 * functions. It has no kernels, so that everything runs on copies; whoever forgets that a tensor may
 * live elsewhere, and reads its memory, faults at once. It stands where CUDA's first device would.
 */
#ifndef FLAMBEAU_TESTS_GUARDED_H
#define FLAMBEAU_TESTS_GUARDED_H

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "device/devices.h"

enum { GUARDED_PAGE = 4096 };

static inline size_t guarded_room(size_t bytes)
{
    return (bytes + GUARDED_PAGE - 1) & ~(size_t)(GUARDED_PAGE - 1);
}

static int guarded_blocks; /* that were asked for so far */

static void *guarded_allocate(struct device *d, size_t bytes)
{
    (void)d;
    guarded_blocks++;
    void *at = mmap(NULL, guarded_room(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void guarded_free(struct device *d, void *address, size_t bytes)
{
    (void)d;
    munmap(address, guarded_room(bytes));
}

/* Opens or shuts the pages of `bytes` bytes from an address within. */
static void guarded_open(const void *address, size_t bytes, bool open)
{
    char *page = (char *)((uintptr_t)address & ~(uintptr_t)(GUARDED_PAGE - 1));
    size_t room = guarded_room((size_t)((const char *)address + bytes - page));
    mprotect(page, room, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static int guarded_read(struct device *d, void *to, const void *address, size_t bytes)
{
    (void)d;
    guarded_open(address, bytes, true);
    memcpy(to, address, bytes);
    guarded_open(address, bytes, false);
    return 0;
}

static int guarded_write(struct device *d, void *address, const void *from, size_t bytes)
{
    (void)d;
    guarded_open(address, bytes, true);
    memcpy(address, from, bytes);
    guarded_open(address, bytes, false);
    return 0;
}

static int guarded_copy(struct device *d, void *to, const void *from, size_t bytes)
{
    (void)d;
    guarded_open(from, bytes, true);
    guarded_open(to, bytes, true);
    memmove(to, from, bytes);
    guarded_open(from, bytes, false);
    guarded_open(to, bytes, false);
    return 0;
}

static int guarded_fill(struct device *d, void *address, const void *element, size_t size,
                        size_t count)
{
    (void)d;
    guarded_open(address, size * count, true);
    for (size_t i = 0; i < count; i++)
        memcpy((char *)address + i * size, element, size);
    guarded_open(address, size * count, false);
    return 0;
}

static int guarded_wait(struct device *d)
{
    (void)d;
    return 0;
}

static struct device guarded = {.id = {FL_CUDA, 0},
                                .name = "cuda:0",
                                .memory = DEVICE_APART,
                                .quiet = true,
                                .allocate = guarded_allocate,
                                .free = guarded_free,
                                .read = guarded_read,
                                .write = guarded_write,
                                .copy = guarded_copy,
                                .fill = guarded_fill,
                                .wait = guarded_wait};

#endif
