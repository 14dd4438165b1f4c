/* The texts in a safetensors file: names of dtypes, and UTF-8. */
#include "io/safetensors_text.h"

#include <assert.h>
#include <string.h>

#include "core/tensor.h"

int safetensors_dtype_of(const char *name)
{
    for (int dtype = FL_BOOL; dtype < FL_DTYPE_COUNT; dtype++)
        if (strcmp(name, dtypes[dtype].safetensors) == 0)
            return dtype;
    return FL_NO_DTYPE;
}

const char *safetensors_dtype_name(int dtype)
{
    assert(dtype >= FL_BOOL && dtype < FL_DTYPE_COUNT);
    return dtypes[dtype].safetensors;
}

int safetensors_check_utf8(const char *text, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    while (at < end) {
        unsigned c = *at++;
        if (c < 0x80)
            continue;
        int follow = c >= 0xc2 && c < 0xe0   ? 1
                     : c >= 0xe0 && c < 0xf0 ? 2
                     : c >= 0xf0 && c < 0xf5 ? 3
                                             : 0;
        if (!follow || end - at < follow)
            return 0;
        /* No overlong form, no surrogate, nothing above U+10FFFF. */
        unsigned low = c == 0xe0   ? 0xa0
                       : c == 0xf0 ? 0x90
                                   : 0x80,
                 high = c == 0xed   ? 0x9f
                        : c == 0xf4 ? 0x8f
                                    : 0xbf;
        if (at[0] < low || at[0] > high)
            return 0;
        for (int i = 1; i < follow; i++)
            if ((at[i] & 0xc0) != 0x80)
                return 0;
        at += follow;
    }
    return 1;
}
