/* The places of bytes that are true. */
#include "ops/index/places.h"

#include <assert.h>
#include <string.h>

/* Each element's place is written to the next of `out`, which moves on where it is true: no branch to
 * guess. Eight that are all false are passed over. */
int64_t places_true(int64_t n, const uint8_t *byte, int64_t from, int64_t *out)
{
    assert(n >= 0);
    int64_t count = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, byte + i, sizeof eight);
        for (int k = 0; eight && k < 8; k++) {
            out[count] = from + i + k;
            count += byte[i + k] != 0;
        }
    }
    for (; i < n; i++) {
        out[count] = from + i;
        count += byte[i] != 0;
    }
    return count;
}
