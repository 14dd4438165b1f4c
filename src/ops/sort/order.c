/* Ways to put (key, position) pairs in order.
 *
 * Which of equal elements comes first is part of what PyTorch's programs see: in the indices of
 * topk, and in where gradients go. It follows from the algorithm, step by step, so the algorithms
 * here are those that PyTorch's CPU code takes from its C++ library (libstdc++):
 *
 *   order_all     introsort (Musser 1997): quicksort whose pivot is the median of the second, the
 *                 middle and the last element, down to pieces of 16, heapsort where it has split
 *                 2 log2 n times; one insertion sort over the whole puts the pieces in order.
 *   order_nth     introselect: the same, going on with one side only, down to 3.
 *   order_least   a heap of the first k takes in each later element that is less than its greatest;
 *                 then heapsort (Williams 1964, with Floyd's way down to a leaf and up again).
 *
 * kthvalue's is PyTorch's own: quickselect as in Numerical Recipes, section 8.5, with the pivot in
 * the middle. order_stable needs no such care, since a stable order is one order only:
 * what is short is merged, what is long goes by radix, over the bits in which its keys differ.
 */
#include "ops/sort/order.h"

#include <assert.h>
#include <stdbool.h>

static void swap(struct pair *a, struct pair *b)
{
    struct pair t = *a;
    *a = *b;
    *b = t;
}

static bool less(const struct pair *a, const struct pair *b)
{
    return a->key < b->key;
}

static void insertion_sort(struct pair *a, int64_t n)
{
    assert(n >= 0);
    for (int64_t i = 1; i < n; i++) {
        struct pair x = a[i];
        int64_t k = i;
        for (; k > 0 && x.key < a[k - 1].key; k--)
            a[k] = a[k - 1];
        a[k] = x;
    }
}

/* ---- stable ---- */

/* Runs of 16, then merges that double them, back and forth between a and b. */
static struct pair *merge_sort(struct pair *a, struct pair *b, int64_t n)
{
    enum { RUN = 16 };
    for (int64_t i = 0; i < n; i += RUN)
        insertion_sort(a + i, n - i < RUN ? n - i : RUN);
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t from = 0; from < n; from += 2 * width) {
            int64_t i = from, middle = from + width < n ? from + width : n,
                    end = from + 2 * width < n ? from + 2 * width : n;
            int64_t k = middle;
            for (int64_t out = from; out < end; out++)
                b[out] = i < middle && (k >= end || a[i].key <= a[k].key) ? a[i++] : a[k++];
        }
        struct pair *t = a;
        a = b, b = t;
    }
    return a;
}

enum { LEAST_RADIX = 128, LONG_RADIX = 8192, SHORT_DIGIT = 8, LONG_DIGIT = 11 };

/* Moves all of a to b by one digit of (KEY - least) >> low. */
#define RADIX_PASS(name, type, KEY)                                                                \
    static void name(const type *a, type *b, int64_t n, uint64_t least, int low, int bits)         \
    {                                                                                              \
        int64_t place[1 << LONG_DIGIT] = {0}, next = 0;                                            \
        const uint64_t mask = (UINT64_C(1) << bits) - 1;                                           \
        assert(bits <= LONG_DIGIT);                                                                \
        for (int64_t i = 0; i < n; i++)                                                            \
            place[(KEY(a[i]) - least) >> low & mask]++;                                            \
        for (uint64_t d = 0; d <= mask; d++) {                                                     \
            const int64_t count = place[d];                                                        \
            place[d] = next, next += count;                                                        \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++)                                                            \
            b[place[(KEY(a[i]) - least) >> low & mask]++] = a[i];                                  \
    }

#define PAIR_KEY(x)  (x).key
#define WHOLE_KEY(x) (x)
RADIX_PASS(pass_pairs, struct pair, PAIR_KEY)
RADIX_PASS(pass_packed, uint64_t, WHOLE_KEY)

/* Pairs whose key and position together fit 64 bits: packed into the first half of a, sorted
 * between its halves, unpacked into b. */
static struct pair *radix_packed(struct pair *a, struct pair *b, int64_t n, uint64_t least,
                                 int place_bits, int passes, int digit)
{
    uint64_t *from = (uint64_t *)(void *)a, *to = from + n;
    for (int64_t i = 0; i < n; i++)
        from[i] = (a[i].key - least) << place_bits | (uint64_t)a[i].position;
    for (int p = 0; p < passes; p++) {
        pass_packed(from, to, n, 0, place_bits + p * digit, digit);
        uint64_t *t = from;
        from = to, to = t;
    }
    const uint64_t mask = (UINT64_C(1) << place_bits) - 1;
    for (int64_t i = 0; i < n; i++)
        b[i] = (struct pair){(from[i] >> place_bits) + least, (int64_t)(from[i] & mask)};
    return b;
}

static int bits_of(uint64_t x)
{
    return x ? 64 - __builtin_clzll(x) : 0;
}

/* Digits from the least significant on, all of one width. Positions are below n. */
static struct pair *radix_sort(struct pair *a, struct pair *b, int64_t n)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (int64_t i = 0; i < n; i++) {
        least = a[i].key < least ? a[i].key : least;
        most = a[i].key > most ? a[i].key : most;
    }
    const int bits = bits_of(most - least), widest = n < LONG_RADIX ? SHORT_DIGIT : LONG_DIGIT;
    const int passes = (bits + widest - 1) / widest;
    const int digit = passes ? (bits + passes - 1) / passes : 0;
    if (passes > 1 && bits + bits_of((uint64_t)n) <= 64)
        return radix_packed(a, b, n, least, bits_of((uint64_t)n), passes, digit);
    for (int p = 0; p < passes; p++) {
        pass_pairs(a, b, n, least, p * digit, digit);
        struct pair *t = a;
        a = b, b = t;
    }
    return a;
}

struct pair *order_stable(struct pair *a, struct pair *b, int64_t n)
{
    return n < LEAST_RADIX ? merge_sort(a, b, n) : radix_sort(a, b, n);
}

/* ---- heaps: the greatest at the root ---- */

/* Puts x into the heap of n whose place `hole` is free: the greater child goes up, down to a leaf,
 * and x climbs from there. */
static void heap_put(struct pair *a, int64_t hole, int64_t n, struct pair x)
{
    assert(hole >= 0 && hole < n);
    int64_t top = hole;
    while (2 * hole + 1 < n) {
        int64_t child = 2 * hole + 2;
        if (child == n || less(&a[child], &a[child - 1]))
            child--;
        a[hole] = a[child];
        hole = child;
    }
    for (; hole > top && less(&a[(hole - 1) / 2], &x); hole = (hole - 1) / 2)
        a[hole] = a[(hole - 1) / 2];
    a[hole] = x;
}

/* The k least of n as a heap at the front. */
static void heap_select(struct pair *a, int64_t k, int64_t n)
{
    assert(k >= 0 && k <= n);
    for (int64_t parent = k / 2 - 1; parent >= 0; parent--)
        heap_put(a, parent, k, a[parent]);
    for (int64_t i = k; i < n; i++)
        if (less(&a[i], &a[0])) {
            struct pair x = a[i];
            a[i] = a[0];
            heap_put(a, 0, k, x);
        }
}

void order_least(struct pair *a, int64_t k, int64_t n)
{
    assert(k >= 0 && k <= n);
    heap_select(a, k, n);
    for (int64_t last = k - 1; last > 0; last--) {
        struct pair x = a[last];
        a[last] = a[0];
        heap_put(a, 0, last, x);
    }
}

/* ---- quicksort ---- */

static struct pair *median(struct pair *a, struct pair *b, struct pair *c)
{
    if (less(a, b))
        return less(b, c) ? b : less(a, c) ? c : a;
    return less(a, c) ? a : less(b, c) ? c : b;
}

/* Splits n > 3 at the returned place: none before it is greater than the pivot, none after less. */
static int64_t split(struct pair *a, int64_t n)
{
    swap(a, median(a + 1, a + n / 2, a + n - 1));
    uint64_t pivot = a[0].key;
    int64_t i = 1, k = n - 1;
    for (;; i++, k--) {
        while (a[i].key < pivot)
            i++;
        while (pivot < a[k].key)
            k--;
        if (i >= k)
            return i;
        swap(a + i, a + k);
    }
}

/* How often a quicksort of n may split before it is taken to have met its worst case. */
static int patience(int64_t n)
{
    int splits = 0;
    for (; n > 1; n /= 2)
        splits += 2;
    return splits;
}

static void sort_roughly(struct pair *a, int64_t n, int splits)
{
    while (n > 16) {
        if (splits-- == 0) {
            order_least(a, n, n);
            return;
        }
        int64_t cut = split(a, n);
        sort_roughly(a + cut, n - cut, splits);
        n = cut;
    }
}

void order_all(struct pair *a, int64_t n)
{
    sort_roughly(a, n, patience(n));
    insertion_sort(a, n);
}

void order_nth(struct pair *a, int64_t k, int64_t n)
{
    assert(k >= 0 && k < n);
    for (int splits = patience(n); n > 3; splits--) {
        if (splits == 0) {
            heap_select(a, k + 1, n);
            swap(a, a + k);
            return;
        }
        int64_t cut = split(a, n);
        if (cut <= k)
            a += cut, n -= cut, k -= cut;
        else
            n = cut;
    }
    insertion_sort(a, n);
}

void order_nth_recipe(struct pair *a, int64_t k, int64_t n)
{
    int64_t first = 0, last = n - 1;
    while (last > first + 1) {
        swap(a + first + (last - first) / 2, a + first + 1);
        if (less(&a[last], &a[first + 1]))
            swap(a + first + 1, a + last);
        if (less(&a[last], &a[first]))
            swap(a + first, a + last);
        if (less(&a[first], &a[first + 1]))
            swap(a + first + 1, a + first);
        uint64_t pivot = a[first].key; /* the median of the three; ends stop both walks */
        int64_t i = first + 1, j = last;
        for (;;) {
            do
                i++;
            while (a[i].key < pivot);
            do
                j--;
            while (pivot < a[j].key);
            if (j < i)
                break;
            swap(a + i, a + j);
        }
        swap(a + first, a + j);
        if (j <= k)
            first = i;
        if (j >= k)
            last = j - 1;
    }
    if (last == first + 1 && less(&a[last], &a[first]))
        swap(a + first, a + last);
}
