/* Numbers of the other byte order. */
#ifndef FLAMBEAU_IO_BYTE_ORDER_H
#define FLAMBEAU_IO_BYTE_ORDER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Turns the bytes of each of `count` numbers of `size` bytes around. */
static inline void byte_order_swap(char *data, int64_t count, size_t size)
{
    assert(count >= 0 && size >= 1);
    for (int64_t i = 0; i < count; i++, data += size)
        for (size_t a = 0, b = size - 1; a < b; a++, b--) {
            char byte = data[a];
            data[a] = data[b];
            data[b] = byte;
        }
}

#endif
