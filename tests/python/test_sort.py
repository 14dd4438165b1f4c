"""Order along a dim. Which of equal elements comes first follows from the algorithm, so the positions here were read
off PyTorch 2.13; whether a line is in order at all is checked against Python's own sort."""

import collections
import itertools
import operator
import random

import pytest

import flambeau as torch

SHORT = torch.tensor([i * i % 5 for i in range(24)])
LONG = torch.tensor([i * i % 7 for i in range(200)])


def test_sort_of_equals():
    assert SHORT.sort()[1].tolist() == [15, 0, 5, 10, 20, 16, 14, 19, 11, 9, 21, 6, 4, 1, 18, 22, 23, 17, 13, 12, 8, 7,
                                        3, 2]
    assert SHORT.argsort(descending=True).tolist() == [12, 23, 22, 18, 17, 13, 8, 7, 2, 3, 6, 1, 21, 19, 4, 16, 14, 11,
                                                       9, 15, 5, 0, 20, 10]


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.bfloat16, torch.float32])
def test_a_stable_sort_keeps_equals_as_they_stood(dtype):
    x = LONG.to(dtype)
    for descending in (False, True):
        want = sorted(range(200), key=lambda i: x[i].item() * (-1 if descending else 1))
        assert x.sort(stable=True, descending=descending)[1].tolist() == want
        assert x.argsort(stable=True, descending=descending).tolist() == want


def test_long_rows_of_integers_and_expanded_dims_are_sorted_stably():
    row = torch.arange(40000) % 3
    assert torch.equal(row.sort()[1], row.sort(stable=True)[1])
    assert not torch.equal(row[:30000].sort()[1], row[:30000].sort(stable=True)[1])
    assert torch.ones(1).expand(100).sort()[1].tolist() == list(range(100))


def test_topk_of_equals():
    assert SHORT.topk(7)[1].tolist() == [18, 8, 13, 17, 12, 22, 23]
    assert LONG.topk(3)[1].tolist() == [9, 5, 2]
    assert LONG.topk(3, largest=False)[1].tolist() == [14, 7, 0]


def test_kthvalue_median_and_mode_of_equals():
    assert [SHORT.kthvalue(k)[1].item() for k in (1, 5, 12, 20)] == [0, 10, 6, 13]
    assert (SHORT.mode()[1].item(), LONG.mode()[1].item()) == (2, 160)
    assert (SHORT.median(0)[1].item(), LONG.median(0)[1].item()) == (16, 46)


def test_nan_is_the_greatest_and_the_median():
    nan = float("nan")
    x = torch.tensor([3.0, nan, 1.0, nan, 2.0])
    assert x.argsort(stable=True).tolist() == [2, 4, 0, 1, 3]
    assert x.topk(3)[0].tolist()[2] == 3
    assert x.median(0)[1].item() == 1
    assert x.kthvalue(3)[0].item() == 3


def killer(n):
    """A line on which a quicksort that takes the median of the second, the middle and the last element splits off two
    at a time: it must fall back on its heap (McIlroy, A Killer Adversary for Quicksort, 1999)."""
    free, value, fixed, candidate = n, [n] * n, 0, 0
    at = list(range(n))

    def less(x, y):
        nonlocal fixed, candidate
        if value[x] == value[y] == free:
            value[x if x == candidate else y] = fixed
            fixed += 1
        candidate = x if value[x] == free else y if value[y] == free else candidate
        return value[x] < value[y]

    first, last = 0, n - 1
    while last - first > 15:
        x, y, z = first + 1, (first + last + 1) // 2, last
        before = lambda i, k: less(at[i], at[k])
        if before(x, y):
            middle = y if before(y, z) else z if before(x, z) else x
        else:
            middle = x if before(x, z) else z if before(y, z) else y
        at[first], at[middle] = at[middle], at[first]
        i, k = first + 1, last
        while True:
            while less(at[i], at[first]):
                i += 1
            while less(at[first], at[k]):
                k -= 1
            if i >= k:
                break
            at[i], at[k] = at[k], at[i]
            i, k = i + 1, k - 1
        first = i
    return value


@pytest.mark.parametrize("kind", ["random", "few", "sorted", "falling", "pipe", "killer"])
@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 100, 1000])
def test_every_way_of_ordering_is_in_order(kind, n):
    draw = random.Random(n)
    line = {"random": [draw.randrange(10**6) for _ in range(n)], "few": [draw.randrange(3) for _ in range(n)],
            "sorted": list(range(n)), "falling": list(range(n, 0, -1)),
            "pipe": [min(i, n - i) for i in range(n)], "killer": killer(n)}[kind]
    x, want = torch.tensor(line), sorted(line)
    values, order = x.sort()
    assert values.tolist() == want and torch.equal(x[order], values)
    assert sorted(order.tolist()) == list(range(n))
    assert x.median().item() == want[(n - 1) // 2]
    for k in {1, n // 70 + 1, n // 2 + 1, n}:
        values, order = x.topk(k, largest=False)
        assert values.tolist() == want[:k] and torch.equal(x[order], values)
        assert sorted(x.topk(k, largest=False, sorted=False)[0].tolist()) == want[:k]
        assert x.topk(k)[0].tolist() == want[::-1][:k]
        assert x.kthvalue(k)[0].item() == want[k - 1]


# ---- Running totals and extremes: by columns, by tiles of rows, by single rows -----------------------------------

SHAPES = [(1,), (200,), (3, 130), (40, 130), (70, 3), (2, 70, 600), (35, 1), (0, 4)]


def along(x, dim):
    """The lines of x along a dim, as lists."""
    return x.movedim(dim, -1).reshape(-1, x.shape[dim]).tolist() if x.numel() else []


def rounded(value, dtype):
    return torch.tensor(value, dtype=torch.float64).to(dtype).item() if dtype.is_floating_point else value


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_running_totals_add_in_order(shape, dtype):
    x = (torch.randn(shape) * 3).to(dtype) if dtype.is_floating_point else torch.randint(0, 9, shape).to(dtype)
    for layout in (x, x.transpose(0, -1).contiguous().transpose(0, -1)):
        for dim in range(x.ndim):
            y = layout.cumsum(dim)
            assert y.dtype == (dtype if dtype.is_floating_point else torch.int64)
            for line, got in zip(along(x, dim), along(y, dim)):
                assert got == [rounded(t, dtype) for t in itertools.accumulate(line)]
    if dtype == torch.float64 and x.numel():
        for line, got in zip(along(x, -1), along(x.cumprod(-1), -1)):
            assert got == list(itertools.accumulate(line, operator.mul))


def test_a_running_total_casts_before_it_adds():
    assert torch.tensor([2**24 + 1, 1]).cumsum(0, dtype=torch.float32).tolist() == [2.0**24, 2.0**24]
    assert torch.tensor([1.5, 1.5]).cumsum(0, dtype=torch.int64).tolist() == [1, 2]
    assert torch.tensor([200, 100], dtype=torch.uint8).cumsum(0, dtype=torch.uint8).tolist() == [200, 44]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32, torch.bool])
@pytest.mark.parametrize("shape", SHAPES[:-1], ids=str)
def test_extremes_and_running_extremes(shape, dtype):
    """NaN beats all; of equals a running extreme takes the last, an extreme the first."""
    x = (torch.randn(shape) * 4).round().to(dtype)
    if dtype.is_floating_point:
        x[torch.rand(shape) < 0.02] = float("nan")
    for dim in range(x.ndim):
        for name, sign in (("max", 1), ("min", -1)):
            values, indices = (along(t, dim) for t in getattr(torch, "cum" + name)(x, dim))
            best, first = (t.unsqueeze(dim) for t in getattr(x, name)(dim))
            arg = None if dtype == torch.bool else along(getattr(x, "arg" + name)(dim, True), dim)
            best, first = along(best, dim), along(first, dim)
            for k, line in enumerate(along(x, dim)):
                keys = [(v != v, 0 if v != v else sign * v) for v in line]
                tops = list(itertools.accumulate(keys, max))
                places = (i if key == top else 0 for i, (key, top) in enumerate(zip(keys, tops)))
                assert indices[k] == list(itertools.accumulate(places, max))
                assert str(values[k]) == str([line[i] for i in indices[k]])
                assert first[k] == [keys.index(tops[-1])] and (arg is None or arg[k] == first[k])
                assert str(best[k]) == str([line[first[k][0]]])


def test_logcumsumexp_along_dims():
    x = torch.randn(3, 50, 4, dtype=torch.float64)
    x[0, :3] = -float("inf")
    for dim in range(3):
        assert torch.allclose(x.logcumsumexp(dim), x.exp().cumsum(dim).log(), rtol=1e-12)


def python_order(values, descending):
    """Positions in a stable order, NaN last (first where descending)."""
    keys = [(v != v, 0 if v != v else v) for v in values]
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype, low, high", [
    (torch.uint8, 0, 256), (torch.int16, -300, 300), (torch.int32, -2**31, 2**31 - 1), (torch.int64, -2**62, 2**62),
    (torch.int64, -40, 3), (torch.int64, 10**15, 10**15 + 7000), (torch.bool, 0, 2)])
def test_long_stable_orders_of_integers(dtype, low, high, descending):
    """By counting, by radix of packed and of whole pairs, with positions as a stable sort leaves them."""
    for n in (127, 128, 3000, 20000):
        x = torch.randint(low, high, (n,)).to(dtype)
        values, positions = x.sort(stable=True, descending=descending)
        line = x.tolist()
        wanted = python_order(line, descending)
        assert positions.tolist() == wanted
        assert values.tolist() == [line[i] for i in wanted]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_long_orders_of_floats(dtype):
    x = torch.randn(3, 2000).to(dtype)
    x[0, ::97], x[1, 5], x[2, 7:9], x[2, 11] = float("nan"), -float("inf"), 0.0, -0.0
    for descending in (False, True):
        values, positions = x.sort(stable=True, descending=descending)
        for row, value, position in zip(x.tolist(), values.tolist(), positions.tolist()):
            assert position == python_order(row, descending)
            assert str(value) == str([row[i] for i in position])
    distinct = (torch.randperm(1500).to(torch.float64) - 700.5) / 8
    assert distinct.sort()[0].tolist() == sorted(distinct.tolist())


@pytest.mark.parametrize("make", [
    lambda: torch.randint(-5, 60, (4000,)), lambda: torch.randint(-2**50, 2**50, (700,)).repeat(2),
    lambda: torch.randint(0, 200, (30, 40)).to(torch.uint8), lambda: torch.randint(0, 9, (500,)).to(torch.float32),
    lambda: torch.randint(0, 2, (77,)).bool(), lambda: torch.randint(0, 9, (50, 4)).to(torch.float16).t(),
    lambda: torch.zeros(0, dtype=torch.int64)])
def test_unique(make):
    x = make()
    flat = x.flatten().tolist()
    tally = collections.Counter(flat)
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    assert values.dtype == x.dtype and values.tolist() == sorted(set(flat))
    assert inverse.shape == x.shape and values[inverse].tolist() == x.tolist()
    assert counts.tolist() == [flat.count(v) for v in values.tolist()]
    assert torch.equal(torch.unique(x), values)
    runs = [(v, len(list(run))) for v, run in itertools.groupby(flat)]
    values, inverse, counts = torch.unique_consecutive(x, return_inverse=True, return_counts=True)
    assert list(zip(values.tolist(), counts.tolist())) == runs
    assert inverse.shape == x.shape and values[inverse].tolist() == x.tolist()


def test_unique_of_nan_and_gradients():
    nan = float("nan")
    x = torch.tensor([nan, 2.0, nan, 1.0, 2.0], requires_grad=True)
    values, counts = torch.unique(x, return_counts=True)
    assert str(values.tolist()) == "[1.0, 2.0, nan, nan]" and counts.tolist() == [1, 2, 1, 1]
    values[:2].sum().backward()
    assert x.grad.tolist() == [0, 1, 0, 1, 0]


def test_the_least_and_the_greatest_integer_are_like_others():
    least, most = -2**63, 2**63 - 1
    x = torch.tensor([least, 1, least, 1, 0, most, most])
    assert torch.unique(x).tolist() == [least, 0, 1, most]
    assert torch.unique(x, dim=0).tolist() == [least, 0, 1, most]
    rows, counts = torch.unique(torch.tensor([[least, 1], [least, 1], [0, 2]]), dim=0,
                                return_counts=True)
    assert rows.tolist() == [[least, 1], [0, 2]] and counts.tolist() == [2, 1]
    assert torch.unique_consecutive(torch.tensor([most, most, 3]), dim=0).tolist() == [most, 3]
    assert torch.mode(torch.tensor([most, most, 1])).values.item() == most


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_unique_of_unsigned_integers(bits):
    dtype, most = getattr(torch, f"uint{bits}"), 2**bits - 1
    values, counts = torch.unique(torch.tensor([most, 5, most, 0], dtype=dtype), return_counts=True)
    assert values.dtype is dtype and values.tolist() == [0, 5, most] and counts.tolist() == [1, 1, 2]
    assert torch.unique_consecutive(torch.tensor([most, most, 0], dtype=dtype)).tolist() == [most, 0]
    rows = torch.tensor([[0, most], [0, 7], [0, most]], dtype=dtype)
    assert torch.unique(rows, dim=0).tolist() == [[0, 7], [0, most]]
