/* Random numbers: the figures are PyTorch 2.13's for torch.manual_seed(0). */
#include "check.h"

#include <stdint.h>

#include "core/random.h"

static void test_draws(fl_generator *g)
{
    /* Matsumoto's own check: the 10,000th draw after seed 5489. */
    generator_seed(g, 5489);
    uint32_t x = 0;
    for (int i = 0; i < 10000; i++)
        x = generator_u32(g);
    CHECK(x == 4123659995u);
}

static void test_pytorch(fl_generator *g)
{
    float f[20];
    int64_t n[10];
    generator_seed(g, 0);
    random_uniform(g, f, 3, FL_FLOAT32, 0, 1);
    CHECK(f[0] == 0.49625658988952637f && f[1] == 0.7682217955589294f &&
          f[2] == 0.08847743272781372f);
    generator_seed(g, 0);
    random_normal(g, f, 3, FL_FLOAT32, 0, 1);
    CHECK(f[0] == 1.5409960746765137f && f[1] == -0.293428897857666f &&
          f[2] == -2.1787893772125244f);
    generator_seed(g, 0);
    random_normal(g, f, 20, FL_FLOAT32, 0, 1);
    CHECK(f[0] == -1.1258398294448853f && f[10] == 1.4436601400375366f &&
          f[19] == 0.05373690277338028f);
    generator_seed(g, 0);
    random_permutation(g, n, 10);
    static const int64_t ORDER[10] = {4, 1, 7, 5, 3, 9, 0, 8, 6, 2};
    CHECK(memcmp(n, ORDER, sizeof n) == 0);
    generator_seed(g, 0);
    random_integers(g, n, 10, FL_INT64, 0, 100);
    static const int64_t DRAWN[10] = {44, 39, 33, 60, 63, 79, 27, 3, 97, 83};
    CHECK(memcmp(n, DRAWN, sizeof n) == 0);
}

/* Whatever the sizes of the pieces, the draws are the same as one by one. */
static void test_pieces(fl_generator *g)
{
    enum { COUNT = 5000 };
    static float whole[COUNT], pieces[COUNT];
    generator_seed(g, 9);
    for (int i = 0; i < COUNT; i++)
        whole[i] = generator_uniform_float(g);
    generator_seed(g, 9);
    for (int i = 0, n; i < COUNT; i += n) {
        n = 1 + i * 7 % 900;
        if (n > COUNT - i)
            n = COUNT - i;
        random_uniform(g, pieces + i, n, FL_FLOAT32, 0, 1);
    }
    CHECK(memcmp(whole, pieces, sizeof whole) == 0);
}

static void test_bounds(fl_generator *g)
{
    static int8_t small[1000];
    random_integers(g, small, 1000, FL_INT8, -3, 7);
    int low = 0, high = 0;
    for (int i = 0; i < 1000; i++) {
        low = small[i] < low ? small[i] : low;
        high = small[i] > high ? small[i] : high;
    }
    CHECK(low == -3 && high == 3);
    static uint16_t half[4000];
    random_uniform(g, half, 4000, FL_BFLOAT16, 0, 1);
    for (int i = 0; i < 4000; i++)
        CHECK(half[i] < 0x3f80); /* below 1 */
}

static void test_state(fl_generator *g)
{
    static unsigned char state[GENERATOR_STATE_BYTES];
    double a[7], b[7];
    random_normal(g, a, 3, FL_FLOAT64, 0, 1);
    generator_get_state(g, state);
    random_normal(g, a, 7, FL_FLOAT64, 0, 1);
    generator_seed(g, 77);
    CHECK(generator_set_state(g, state, sizeof state) == 0);
    random_normal(g, b, 7, FL_FLOAT64, 0, 1);
    CHECK(memcmp(a, b, sizeof a) == 0);

    CHECK(generator_set_state(g, state, 100) == -1);
    memset(state, 255, sizeof state);
    CHECK(generator_set_state(g, state, sizeof state) == -1);
    random_normal(g, a, 7, FL_FLOAT64, 0, 1);
}

int main(void)
{
    fl_generator *g = generator_new();
    REQUIRE(g != NULL);
    test_draws(g);
    test_pytorch(g);
    test_pieces(g);
    test_bounds(g);
    test_state(g);
    generator_release(g);
    CHECK(random_default() == random_default());
    return check_result();
}
