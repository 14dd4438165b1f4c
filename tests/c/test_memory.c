/* Memory: classes, alignment, reuse, other threads, the limit, the failing allocation. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>

#include "core/error.h"
#include "core/memory.h"

static int64_t allocated(void)
{
    struct memory_stats s;
    memory_stats(&s);
    return s.allocated;
}

static void test_sizes(void)
{
    int64_t before = allocated();
    for (size_t size = 0; size < 5000000; size = size < 3000 ? size + 1 : size + size / 7) {
        char *block = memory_alloc(size);
        REQUIRE(block != NULL);
        CHECK((uintptr_t)block % (size < 64 ? 16 : 64) == 0);
        memset(block, 0x5a, size);
        memory_free(block, size);
    }
    CHECK(allocated() == before);
    memory_free(NULL, 10);

    /* No two blocks overlap: each keeps its own mark. */
    enum { COUNT = 3000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        sizes[i] = (size_t)(i * 2654435761u % (i % 50 ? 2000 : 300000)) + 1;
        REQUIRE((blocks[i] = memory_alloc(sizes[i])) != NULL);
        memset(blocks[i], i & 255, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        size_t wrong = 0;
        for (size_t j = 0; j < sizes[i]; j++)
            wrong += blocks[i][j] != (i & 255);
        CHECK(wrong == 0);
        memory_free(blocks[i], sizes[i]);
    }
    CHECK(allocated() == before);
}

static void test_zeroed(void)
{
    for (size_t size = 1; size < (9u << 20); size = size * 3 + 1) {
        for (int again = 0; again < 2; again++) {
            unsigned char *block = memory_zalloc(size);
            REQUIRE(block != NULL);
            size_t set = 0;
            for (size_t i = 0; i < size; i++)
                set += block[i] != 0;
            CHECK(set == 0);
            memset(block, 255, size);
            memory_free(block, size);
        }
    }
}

static void test_steady_state(void)
{
    struct memory_stats before, after;
    for (int step = 0; step < 1010; step++) {
        void *blocks[40];
        for (int i = 0; i < 40; i++)
            REQUIRE((blocks[i] = memory_alloc((size_t)(i * i * i * 7))) != NULL);
        for (int i = 0; i < 40; i++)
            memory_free(blocks[i], (size_t)(i * i * i * 7));
        if (step == 9)
            memory_stats(&before);
    }
    memory_stats(&after);
    CHECK(after.allocations == before.allocations + 40 * 1000);
#ifndef __SANITIZE_ADDRESS__
    CHECK(after.system_calls == before.system_calls);
    CHECK(after.reserved == before.reserved);
#endif
    CHECK(after.peak >= after.allocated);
}

enum { HANDED = 20000 };
static void *handed[HANDED];

static void *make_all(void *unused)
{
    (void)unused;
    for (int i = 0; i < HANDED; i++)
        handed[i] = memory_alloc((size_t)(i % 200) * 8 + 1);
    return NULL;
}

static void *free_all(void *unused)
{
    (void)unused;
    for (int i = 0; i < HANDED; i++)
        memory_free(handed[i], (size_t)(i % 200) * 8 + 1);
    return NULL;
}

static void *churn(void *seed)
{
    uint32_t x = (uint32_t)(uintptr_t)seed;
    void *blocks[64] = {0};
    size_t sizes[64] = {0};
    for (int i = 0; i < 20000; i++) {
        x = x * 1664525u + 1013904223u;
        int k = x >> 26;
        memory_free(blocks[k], sizes[k]);
        sizes[k] = (x >> 8) % (i % 100 ? 4000 : 200000);
        blocks[k] = memory_alloc(sizes[k]);
    }
    for (int k = 0; k < 64; k++)
        memory_free(blocks[k], sizes[k]);
    return NULL;
}

static void test_threads(void)
{
    int64_t before = allocated();
    pthread_t thread[4];
    for (int round = 0; round < 3; round++) {
        pthread_create(thread, NULL, make_all, NULL);
        pthread_join(thread[0], NULL);
        pthread_create(thread, NULL, free_all, NULL);
        pthread_join(thread[0], NULL);
    }
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, churn, (void *)(i + 1));
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK(allocated() == before);
}

static void test_refusals(void)
{
    setenv("FLAMBEAU_LANG", "en", 1);
    for (int power = 48; power < 64; power++) {
        CHECK(memory_alloc((size_t)1 << power) == NULL);
        CHECK(fl_error() == FL_OUT_OF_MEMORY);
    }
    CHECK(memory_alloc(SIZE_MAX) == NULL);
    CHECK(memory_zalloc(SIZE_MAX - 63) == NULL);
    CHECK(memory_alloc((size_t)1 << 60) == NULL);
    CHECK(strstr(fl_error_message(),
                 "DefaultCPUAllocator: can't allocate memory: you tried to allocate "
                 "1152921504606846976 bytes.") == fl_error_message());
    CHECK(strstr(fl_error_message(), "\nhint: ") != NULL);

    struct memory_stats held;
    memory_empty_cache();
    memory_stats(&held);
    memory_set_limit((size_t)held.reserved + (8u << 20));
    void *fits = memory_alloc(4u << 20);
    CHECK(fits != NULL);
    CHECK(memory_alloc(64u << 20) == NULL);
    memory_free(fits, 4u << 20);
    memory_set_limit(0);
    void *again = memory_alloc(64u << 20);
    CHECK(again != NULL);
    memory_free(again, 64u << 20);
    memory_empty_cache();

    void *block;
    memory_fail_nth(0);
    CHECK(memory_alloc(10) == NULL);
    CHECK((block = memory_alloc(10)) != NULL);
    memory_free(block, 10);
    memory_fail_nth(2);
    for (int i = 0; i < 4; i++) {
        size_t size = i % 2 ? 100 : 100000;
        block = memory_alloc(size);
        CHECK((block == NULL) == (i == 2));
        memory_free(block, size);
    }
    memory_fail_nth(5);
    memory_fail_nth(-1);
    for (int i = 0; i < 10; i++) {
        CHECK((block = memory_alloc(10)) != NULL);
        memory_free(block, 10);
    }
    fl_error_clear();
}

int main(void)
{
    test_sizes();
    test_zeroed();
    test_steady_state();
    test_threads();
    test_refusals();
    return check_result();
}
