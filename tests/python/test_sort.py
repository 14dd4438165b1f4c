"""Order along a dim. Which of equal elements comes first follows from the algorithm, so the positions here were read
off PyTorch 2.13; whether a line is in order at all is checked against Python's own sort."""

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
