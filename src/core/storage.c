/* Storages: counted blocks of bytes that tensors and their views share.
 *
 * Data of up to STORAGE_INLINE bytes stands in the storage's own block, behind the struct, so that
 * a small tensor costs one allocation less; a larger one has a block of its own.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/device.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/segment.h"
#include "core/tensor.h"

enum { STORAGE_INLINE = 1024, HEADER = (sizeof(struct storage) + 63) & ~63 };

static void *own_room(const struct storage *s)
{
    return (char *)s + HEADER;
}

struct storage *storage_new(size_t bytes)
{
    size_t room = bytes <= STORAGE_INLINE ? bytes : 0;
    void *data = NULL;
    if (bytes > room && !(data = memory_alloc(bytes)))
        return NULL;
    struct storage *s = memory_alloc(HEADER + room);
    if (!s) {
        memory_free(data, bytes);
        return NULL;
    }
    *s = (struct storage){.refs = 1,
                          .device = &device_cpu,
                          .address = room ? own_room(s) : data,
                          .bytes = bytes,
                          .room = (uint16_t)room,
                          .resizable = true};
    return s;
}

static void drop_elsewhere(void *context)
{
    struct storage *s = context;
    if (s->address)
        s->device->free(s->device, s->address, s->bytes);
}

struct storage *storage_new_on(struct device *d, size_t bytes)
{
    if (d == &device_cpu)
        return storage_new(bytes);
    struct storage *s = memory_alloc(HEADER);
    if (!s)
        return NULL;
    device_others = true;
    /* Memory elsewhere is given back as a stranger's is. */
    *s = (struct storage){.refs = 1,
                          .device = d,
                          .bytes = bytes,
                          .resizable = true,
                          .borrowed = true,
                          .free = drop_elsewhere,
                          .context = s};
    if (bytes && d->memory != DEVICE_NONE && !(s->address = d->allocate(d, bytes))) {
        memory_free(s, HEADER);
        return NULL;
    }
    return s;
}

struct storage *storage_from_memory(void *data, size_t bytes, void (*free)(void *), void *context)
{
    assert(data || bytes == 0);
    struct storage *s = memory_alloc(HEADER);
    if (!s)
        return NULL;
    *s = (struct storage){.refs = 1,
                          .device = &device_cpu,
                          .address = data,
                          .bytes = bytes,
                          .borrowed = true,
                          .free = free,
                          .context = context};
    return s;
}

static void drop_data(struct storage *s)
{
    assert(!s->room || s->bytes > 0);
    assert(s->borrowed || s->address || s->bytes == 0 || s->device->memory == DEVICE_NONE);
    if (s->borrowed) {
        if (s->free)
            s->free(s->context);
    } else if (s->address != own_room(s)) {
        memory_free(s->address, s->bytes);
    }
}

void storage_release(struct storage *s)
{
    if (!s || !refs_drop(&s->refs))
        return;
    drop_data(s);
    memory_free(s, HEADER + s->room);
}

void storage_lend(struct storage *s)
{
    storage_retain(s);
    atomic_fetch_add_explicit(&s->lent, 1, memory_order_relaxed);
}

void storage_take_back(struct storage *s)
{
    atomic_fetch_sub_explicit(&s->lent, 1, memory_order_relaxed);
    storage_release(s);
}

static void give_back(void *lent)
{
    storage_take_back(lent);
}

struct storage *storage_beside(struct storage *s)
{
    struct storage *own = storage_from_memory(NULL, 0, give_back, s);
    if (!own)
        return NULL;
    own->device = s->device, own->address = s->address, own->bytes = s->bytes;
    storage_lend(s);
    return own;
}

int storage_resize(struct storage *s, size_t bytes)
{
    assert(atomic_load(&s->refs) > 0);
    struct device *d = s->device;
    assert(s->address || s->bytes == 0 || d->memory == DEVICE_NONE);
    if (bytes <= s->bytes)
        return 0;
    if (!s->resizable || atomic_load_explicit(&s->lent, memory_order_relaxed)) {
        error_set(FL_RUNTIME_ERROR, "Trying to resize storage that is not resizable");
        return error_hint("this memory belongs to another library (NumPy, a buffer), or is shared "
                          "with one; clone() the tensor first.",
                          "这块内存属于其他库（NumPy 或缓冲区），或正与其共享；请先 clone() "
                          "该张量。");
    }
    void *data = NULL;
    if (d->memory != DEVICE_NONE) {
        if (!(data = d->allocate(d, bytes)))
            return -1;
        if (s->bytes && d->copy(d, data, s->address, s->bytes)) {
            d->free(d, data, bytes);
            return -1;
        }
    }
    drop_data(s);
    s->address = data;
    s->bytes = bytes;
    return 0;
}

struct storage *storage_repeat(const struct storage *s, size_t bytes, int64_t times)
{
    struct device *d = s->device;
    struct storage *copies = storage_new_on(d, bytes * (size_t)times);
    for (int64_t i = 0; copies && copies->address && i < times; i++)
        if (d->copy(d, (char *)copies->address + (size_t)i * bytes, s->address, bytes)) {
            storage_release(copies);
            return NULL;
        }
    return copies;
}

int storage_clear(struct storage *s)
{
    static const char zero = 0;
    if (!s->address)
        return 0;
    if (s->device != &device_cpu)
        return s->device->fill(s->device, s->address, &zero, 1, s->bytes);
    memset(s->address, 0, s->bytes);
    return 0;
}

void storage_exchange(struct storage *a, struct storage *b)
{
    struct storage old = *a;
    a->address = b->address;
    a->bytes = b->bytes;
    a->resizable = b->resizable;
    a->borrowed = b->borrowed;
    a->free = b->free;
    a->context = b->context;
    bool own = old.address == own_room(a);
    b->address = own ? NULL : old.address;
    b->bytes = own ? 0 : old.bytes;
    b->borrowed = old.borrowed;
    b->free = old.free;
    b->context = old.context;
}
