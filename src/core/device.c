/* The CPU as a device: memory is the library's own, and all loops run where they are called. */
#include "core/device.h"

#include <string.h>

#include "core/memory.h"

static void *allocate(struct device *d, size_t bytes)
{
    (void)d;
    return memory_alloc(bytes);
}

static void give_back(struct device *d, void *address, size_t bytes)
{
    (void)d;
    memory_free(address, bytes);
}

static int copy(struct device *d, void *to, const void *from, size_t bytes)
{
    (void)d;
    memmove(to, from, bytes);
    return 0;
}

static int fill(struct device *d, void *address, const void *element, size_t size, size_t count)
{
    (void)d;
    for (size_t i = 0; i < count; i++)
        memcpy((char *)address + i * size, element, size);
    return 0;
}

static int wait(struct device *d)
{
    (void)d;
    return 0;
}

struct device device_cpu = {.id = {FL_CPU, 0},
                            .name = "cpu",
                            .memory = DEVICE_HOST,
                            .allocate = allocate,
                            .free = give_back,
                            .read = copy,
                            .write = copy,
                            .copy = copy,
                            .fill = fill,
                            .wait = wait};
