"""Single calls measured beside PyTorch, each a row of its own: what people found slow once, and its neighbours.

In the form of workloads.py, so that pair.py times them: a row is a name and a function that takes the module to use as
`torch` and returns a step without arguments.

    python pair.py torch flambeau --set calls --threads 1 [row ...]
"""
from workloads import time_step  # noqa: F401: pair.py asks for it here

WORKLOADS = []


def row(name):
    def take(build):
        def seeded(torch):
            torch.manual_seed(0)
            return build(torch)
        seeded.__name__ = name
        WORKLOADS.append(seeded)
        return seeded
    return take


def product(name, m, k, n, a_turned=False, b_turned=False, dtype="float32"):
    @row(name)
    def build(torch):
        dtype_ = getattr(torch, dtype)
        a = torch.randn(k, m).to(dtype_).t() if a_turned else torch.randn(m, k).to(dtype_)
        b = torch.randn(n, k).to(dtype_).t() if b_turned else torch.randn(k, n).to(dtype_)
        return lambda: a @ b


# ---- products ---------------------------------------------------------------------------------------------

product("mm_512_800_128_at", 512, 800, 128, a_turned=True)
product("mm_800_512_128", 800, 512, 128)
product("mm_800_128_512_bt", 800, 128, 512, b_turned=True)
product("mm_800_64_512_bt", 800, 64, 512, b_turned=True)
product("mm_512_800_64_at", 512, 800, 64, a_turned=True)
product("mm_64", 64, 64, 64)
product("mm_100_3000_100", 100, 3000, 100)
product("mm_1000_at_bt", 1000, 1000, 1000, a_turned=True, b_turned=True)
product("mm_16_128_512_bt", 16, 128, 512, b_turned=True)
product("mm_f64_500", 500, 500, 500, dtype="float64")
product("mm_bf16_256_1024_1024_bt", 256, 1024, 1024, b_turned=True, dtype="bfloat16")


@row("bmm_heads")
def _(torch):
    q, k = torch.randn(64, 64, 16), torch.randn(64, 64, 16)
    return lambda: q @ k.transpose(1, 2)


@row("outer_1000")
def _(torch):
    a, b = torch.randn(1000), torch.randn(1000)
    return lambda: torch.outer(a, b)


# ---- sums -------------------------------------------------------------------------------------------------

@row("sum_short_rows")
def _(torch):
    x = torch.randn(333333, 3)
    return lambda: x.sum(1)


@row("sum_tall_columns")
def _(torch):
    x = torch.randn(333333, 3)
    return lambda: x.sum(0)


@row("sum_unfold_last")
def _(torch):
    x = torch.randn(100000).unfold(0, 8, 1)
    return lambda: x.sum(1)


@row("sum_unfold_first")
def _(torch):
    x = torch.randn(100000).unfold(0, 8, 1)
    return lambda: x.sum(0)


@row("sum_unfold_images")
def _(torch):
    x = torch.randn(8, 16, 64, 64).unfold(2, 3, 1).unfold(3, 3, 1)
    return lambda: x.sum((-1, -2))


# ---- sorting ----------------------------------------------------------------------------------------------

def integers(name, call, dtype, low, high, count=1 << 20):
    @row(name)
    def build(torch):
        x = torch.randint(low, high, (count,)).to(getattr(torch, dtype))
        return lambda: call(torch, x)


integers("unique_small_range", lambda torch, x: torch.unique(x), "int64", 0, 5000)
integers("unique_inverse", lambda torch, x: torch.unique(x, return_inverse=True), "int64", 0, 5000)
integers("unique_wide_range", lambda torch, x: torch.unique(x), "int64", -2**40, 2**40, 1 << 18)
integers("unique_uint8", lambda torch, x: torch.unique(x), "uint8", 0, 200)
integers("unique_consecutive", lambda torch, x: torch.unique_consecutive(x), "int64", 0, 3)
integers("unique_consecutive_counts",
         lambda torch, x: torch.unique_consecutive(x, return_inverse=True, return_counts=True), "int64", 0, 3)
integers("sort_uint8", lambda torch, x: x.sort(), "uint8", 0, 256)
integers("sort_int16", lambda torch, x: x.sort(), "int16", -30000, 30000)
integers("sort_int32", lambda torch, x: x.sort(), "int32", -2**31, 2**31 - 1)
integers("sort_int64", lambda torch, x: x.sort(), "int64", -2**60, 2**60)
integers("sort_int64_small", lambda torch, x: x.sort(), "int64", 0, 5000)
integers("sort_bool", lambda torch, x: x.sort(), "bool", 0, 2)


@row("unique_float")
def _(torch):
    x = torch.randint(0, 100000, (1 << 18,)).float()
    return lambda: torch.unique(x)


@row("unique_rows")
def _(torch):
    x = torch.randint(0, 4, (20000, 3))
    return lambda: torch.unique(x, dim=0)


@row("sort_float")
def _(torch):
    x = torch.randn(1 << 20)
    return lambda: x.sort()


@row("sort_float_rows")
def _(torch):
    x = torch.randn(1000, 1000)
    return lambda: x.sort(dim=-1)


@row("sort_float_short_rows")
def _(torch):
    x = torch.randn(20000, 16)
    return lambda: x.sort(dim=-1)


@row("topk_rows")
def _(torch):
    x = torch.randn(1000, 1000)
    return lambda: x.topk(10, dim=-1)


@row("median_rows")
def _(torch):
    x = torch.randn(1000, 1000)
    return lambda: x.median(dim=-1)


@row("bincount")
def _(torch):
    x = torch.randint(0, 5000, (1 << 20,))
    return lambda: x.bincount()


# ---- picking ----------------------------------------------------------------------------------------------

@row("repeat_interleave")
def _(torch):
    x, counts = torch.randn(100000), torch.randint(0, 5, (100000,))
    return lambda: x.repeat_interleave(counts)


@row("repeat_interleave_number")
def _(torch):
    x = torch.randn(100000)
    return lambda: x.repeat_interleave(4)


@row("repeat_interleave_rows")
def _(torch):
    x, counts = torch.randn(10000, 32), torch.randint(0, 5, (10000,))
    return lambda: x.repeat_interleave(counts, dim=0)


@row("repeat_interleave_small")
def _(torch):
    x, counts = torch.randn(4, 3), torch.tensor([1, 0, 2, 1])
    def step():
        for _ in range(100):
            x.repeat_interleave(counts, dim=0)
    return step


@row("mask_select")
def _(torch):
    h = torch.randn(1 << 20)
    m = h > 0
    return lambda: h[m]


@row("mask_compare_select")
def _(torch):
    h = torch.randn(1000, 1000)
    return lambda: h[h > 0]


@row("mask_write_number")
def _(torch):
    x = torch.randn(1 << 20)
    m = x > 0
    def step():
        x[m] = 0
    return step


@row("nonzero")
def _(torch):
    m = torch.randn(1 << 20) > 0
    return lambda: m.nonzero()


@row("masked_fill")
def _(torch):
    x = torch.randn(1 << 20)
    m = x > 0
    return lambda: x.masked_fill(m, 0.5)


@row("where")
def _(torch):
    x, y = torch.randn(1 << 20), torch.randn(1 << 20)
    m = x > 0
    return lambda: torch.where(m, x, y)


@row("rows_picked")
def _(torch):
    table, at = torch.randn(20000, 64), torch.randint(0, 20000, (100000,))
    return lambda: table[at]


@row("index_add")
def _(torch):
    rows, at = torch.randn(100000, 64), torch.randint(0, 20000, (100000,))
    y = torch.zeros(20000, 64)
    return lambda: y.index_add_(0, at, rows)


@row("gather")
def _(torch):
    x, at = torch.randn(1000, 1000), torch.randint(0, 1000, (1000, 1000))
    return lambda: x.gather(1, at)


@row("scatter_add")
def _(torch):
    x, at = torch.randn(1000, 1000), torch.randint(0, 1000, (1000, 1000))
    y = torch.zeros_like(x)
    return lambda: y.scatter_add_(1, at, x)


# ---- pointwise --------------------------------------------------------------------------------------------

def pointwise(name, call, make=lambda torch: torch.randn(1 << 18)):
    @row(name)
    def build(torch):
        x = make(torch)
        return lambda: call(torch, x)


def bytes_of(torch):
    return torch.randint(0, 255, (1 << 20,)).to(torch.uint8)


pointwise("erfinv", lambda torch, x: torch.erfinv(x), lambda torch: torch.rand(1 << 18) * 1.98 - 0.99)
pointwise("gelu", lambda torch, x: torch.nn.functional.gelu(x))
pointwise("gelu_tanh", lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"))
pointwise("uint8_add", lambda torch, x: x + x, bytes_of)
pointwise("uint8_mul_number", lambda torch, x: x * 3, bytes_of)
pointwise("uint8_and", lambda torch, x: x & 15, bytes_of)
pointwise("uint8_compare", lambda torch, x: x > 7, bytes_of)
pointwise("uint8_clamp", lambda torch, x: x.clamp(10, 200), bytes_of)
pointwise("uint8_shift", lambda torch, x: x >> 2, bytes_of)
pointwise("int16_add", lambda torch, x: x + x, lambda torch: bytes_of(torch).to(torch.int16))
pointwise("bool_and", lambda torch, x: x & x, lambda torch: bytes_of(torch) > 7)
pointwise("uint8_to_float", lambda torch, x: x.float(), bytes_of)
pointwise("bf16_add", lambda torch, x: x + x, lambda torch: torch.randn(1 << 20).to(torch.bfloat16))


@row("gelu_backward")
def _(torch):
    x = torch.randn(1 << 18, requires_grad=True)
    g = torch.ones(1 << 18)
    return lambda: torch.autograd.grad(torch.nn.functional.gelu(x), x, g)


# ---- images -----------------------------------------------------------------------------------------------

def convolved(name, channels, *sizes, backward=None):
    @row(name)
    def build(torch):
        x = torch.randn(*sizes, requires_grad=backward == "input")
        w = torch.randn(channels, sizes[1], 1, 1, requires_grad=backward == "weight")
        if backward is None:
            return lambda: torch.nn.functional.conv2d(x, w)
        g = torch.ones_like(torch.nn.functional.conv2d(x, w))
        wanted = x if backward == "input" else w
        return lambda: torch.autograd.grad(torch.nn.functional.conv2d(x, w), wanted, g)


convolved("conv1x1_one_pixel", 1536, 1, 1536, 1, 1)
convolved("conv1x1_2x4x4", 1536, 2, 1536, 4, 4)
convolved("conv1x1_2x4x4_input", 1536, 2, 1536, 4, 4, backward="input")
convolved("conv1x1_2x4x4_weight", 1536, 2, 1536, 4, 4, backward="weight")
convolved("conv1x1_28", 64, 8, 64, 28, 28)


def resized(name, backward, **how):
    @row(name)
    def build(torch):
        x = torch.randn(8, 16, 64, 64, requires_grad=backward)
        call = torch.nn.functional.interpolate
        if not backward:
            return lambda: call(x, **how)
        g = torch.ones_like(call(x, **how))
        return lambda: torch.autograd.grad(call(x, **how), x, g)


resized("bilinear_x2", False, scale_factor=2, mode="bilinear")
resized("bilinear_x4", False, scale_factor=4, mode="bilinear")
resized("bilinear_x2_backward", True, scale_factor=2, mode="bilinear")
resized("nearest_48", False, size=48, mode="nearest")
resized("nearest_48_backward", True, size=48, mode="nearest")


@row("adaptive_pool_7")
def _(torch):
    x = torch.randn(8, 16, 128, 128, requires_grad=True)
    g = torch.ones(8, 16, 7, 7)
    return lambda: torch.autograd.grad(torch.nn.functional.adaptive_avg_pool2d(x, 7), x, g)


@row("grid_sample")
def _(torch):
    x, grid = torch.randn(4, 16, 64, 64), torch.rand(4, 64, 64, 2) * 2 - 1
    return lambda: torch.nn.functional.grid_sample(x, grid, align_corners=False)


@row("grid_sample_backward")
def _(torch):
    x, grid = torch.randn(4, 16, 64, 64, requires_grad=True), torch.rand(4, 64, 64, 2) * 2 - 1
    g = torch.ones(4, 16, 64, 64)
    return lambda: torch.autograd.grad(torch.nn.functional.grid_sample(x, grid, align_corners=False), x, g)


# ---- sequences --------------------------------------------------------------------------------------------

@row("gru_forward")
def _(torch):
    net, x = torch.nn.GRU(8, 16), torch.randn(20, 4, 8)
    def step():
        with torch.no_grad():
            net(x)
    return step


@row("lstm_forward")
def _(torch):
    net, x = torch.nn.LSTM(8, 16), torch.randn(20, 4, 8)
    def step():
        with torch.no_grad():
            net(x)
    return step


def attended(name, backward, sizes=(8, 8, 64, 16), **how):
    @row(name)
    def build(torch):
        q, k, v = (torch.randn(*sizes, requires_grad=backward) for _ in range(3))
        call = torch.nn.functional.scaled_dot_product_attention
        if not backward:
            return lambda: call(q, k, v, **how)
        g = torch.ones(*sizes)
        return lambda: torch.autograd.grad(call(q, k, v, **how), (q, k, v), g)


attended("attention", False)
attended("attention_backward", True)
attended("attention_causal_512", False, (2, 4, 512, 64), is_causal=True)
attended("attention_512_backward", True, (2, 4, 512, 64))
