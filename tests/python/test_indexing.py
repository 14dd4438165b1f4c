"""x[...] and x[...] = v, against literal results and, where NumPy is there, against NumPy."""

import random

import pytest

import flambeau as torch

try:
    import numpy
except ImportError:
    numpy = None


def grid(*shape):
    n = 1
    for s in shape:
        n *= s
    return torch.arange(n).reshape(shape)


X = grid(2, 3, 4)


@pytest.mark.parametrize(
    "key, shape, first",
    [
        ("0", (3, 4), 0),
        ("-1", (3, 4), 12),
        ("0, 1", (4,), 4),
        ("1, -1, -1", (), 23),
        ("...", (2, 3, 4), 0),
        ("..., 1", (2, 3), 1),
        ("None", (1, 2, 3, 4), 0),
        ("0, None, ..., 1", (1, 3), 1),
        (":, 1:", (2, 2, 4), 4),
        ("::2, ::2", (1, 2, 4), 0),
        (":, :, 5:", (2, 3, 0), None),
        ("1:0", (0, 3, 4), None),
        ("[0, 1, 1]", (3, 3, 4), 0),
        ("torch.tensor([1, 0])", (2, 3, 4), 12),
        (":, [0, 2]", (2, 2, 4), 0),
        ("[0, 1], :, [1, 2]", (2, 3), 1),
        ("0, :, None, [1, 2]", (3, 1, 2), 1),
        ("torch.tensor(1)", (3, 4), 12),
        ("True", (1, 2, 3, 4), 0),
        ("False", (0, 2, 3, 4), None),
        ("torch.tensor([True, False])", (1, 3, 4), 0),
        ("X > 21", (2,), 22),
        ("torch.ones(2, 3, dtype=torch.bool), 0", (6,), 0),
        ("torch.tensor([[0, 1], [1, 0]])", (2, 2, 3, 4), 0),
        ("[]", (0, 3, 4), None),
    ],
)
def test_reading(key, shape, first):
    y = eval(f"X[{key}]")
    assert y.shape == shape
    if first is not None:
        assert y.flatten()[0].item() == first


@pytest.mark.parametrize(
    "key, error, message",
    [
        ("5", IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ("0, 5", IndexError, "index 5 is out of bounds for dimension 1 with size 3"),
        (":, None, -4", IndexError, "index -4 is out of bounds for dimension 1 with size 3"),
        ("0, 0, 0, 0", IndexError, "too many indices for tensor of dimension 3"),
        ("::-1", ValueError, "step must be greater than zero"),
        (
            "1.0",
            IndexError,
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte "
            "Variables are valid indices (got float)",
        ),
        (
            "torch.tensor([0.5])",
            IndexError,
            "tensors used as indices must be long, int, byte or bool tensors",
        ),
        ("torch.tensor([5])", IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        (
            "torch.ones(3, dtype=torch.bool)",
            IndexError,
            "The shape of the mask [3] at index 0 does not match the shape of the indexed tensor [2, 3, 4] at index 0",
        ),
    ],
)
def test_refused(key, error, message):
    with pytest.raises(error) as info:
        eval(f"X[{key}]")
    assert message in str(info.value)


def test_zero_dims():
    x = torch.tensor(7)
    assert x[None].tolist() == [7] and x[...].item() == 7 and x[()].item() == 7
    with pytest.raises(IndexError, match="invalid index of a 0-dim tensor"):
        x[0]
    with pytest.raises(IndexError, match="too many indices"):
        x[0, 0]


def test_basic_reading_makes_views():
    x = torch.zeros(3, 4, dtype=torch.int64)
    x.copy_(grid(3, 4))
    x[1][2] = -1
    x[0, 1:3].zero_()
    assert x.tolist() == [[0, 0, 0, 3], [4, 5, -1, 7], [8, 9, 10, 11]]
    assert x[...] is not x and x[:]._base is x
    y = x[[0, 1]]
    y.zero_()
    assert x[1, 0].item() == 4


def test_writing():
    x = torch.zeros(2, 3)
    x[0] = 1
    x[1, 1:] = torch.tensor([2.0, 3.0])
    x[:, 0] = torch.tensor(9)
    assert x.tolist() == [[9, 1, 1], [9, 2, 3]]
    x[x > 2] = 0
    assert x.tolist() == [[0, 1, 1], [0, 2, 0]]
    x[[0, 1], [0, 0]] = torch.tensor([5.0, 6.0])
    x[..., -1] = torch.ones(1, 1, 2)
    assert x.tolist() == [[5, 1, 1], [6, 2, 1]]
    x[:, [0, 2]] += 1
    assert x.tolist() == [[6, 1, 2], [7, 2, 2]]
    i = torch.zeros(2, dtype=torch.int64)
    i[0] = 1.9
    i[1] = True
    assert i.tolist() == [1, 1]


@pytest.mark.parametrize(
    "value, error, message",
    [
        ([1, 2, 3], TypeError, "can't assign a list to a torch.FloatTensor"),
        ("x", TypeError, "can't assign a str to a torch.FloatTensor"),
        (torch.ones(4), RuntimeError, "must match the existing size"),
    ],
)
def test_writing_refused(value, error, message):
    x = torch.zeros(2, 3)
    with pytest.raises(error) as info:
        x[0] = value
    assert message in str(info.value)


def test_derivatives_of_reading():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    (x[0, 1] * 2 + x[1].sum() + x[:, 1:].sum() + x[[0, 0]].sum() + x[..., None, 2].sum()).backward()
    assert x.grad.tolist() == [[2, 5, 4], [1, 2, 3]]
    y = torch.ones(3, requires_grad=True)
    assert y[...].requires_grad and y[...].grad_fn is not None


def test_derivatives_of_writing():
    x = torch.ones(3, requires_grad=True)
    v = torch.tensor(5.0, requires_grad=True)
    y = x * 2
    y[1] = v
    y[y > 4] = 0
    y.sum().backward()
    assert x.grad.tolist() == [2, 0, 2] and v.grad.item() == 0
    z = torch.zeros(2)
    z[0] = v * 3
    z.sum().backward()
    assert v.grad.item() == 3
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x[0] = 1


def random_key(rng, shape):
    """A key that NumPy reads as PyTorch does: integers beside lists are lists to NumPy."""
    key, arrays = [], 0
    kinds = rng.choice(["isln", "asln"])
    for size in shape:
        kind = rng.choice(kinds if arrays < 2 else "sln")
        if kind == "i":
            key.append(rng.randrange(-size, size))
        elif kind == "n":
            key += [None, slice(None)]
        elif kind == "a":
            key.append([rng.randrange(-size, size) for _ in range(3)])
            arrays += 1
        else:
            key.append(
                slice(
                    rng.choice([None, rng.randrange(-5, 5)]),
                    rng.choice([None, rng.randrange(-5, 5)]),
                    rng.choice([None, 1, 2]),
                )
            )
    if rng.random() < 0.3:
        at = rng.randrange(len(key) + 1)
        key = key[:at] + [...]
    return tuple(key)


@pytest.mark.skipif(numpy is None, reason="compares with NumPy")
@pytest.mark.parametrize("seed", range(200))
def test_against_numpy(seed):
    rng = random.Random(seed)
    shape = tuple(rng.randint(1, 5) for _ in range(rng.randint(1, 4)))
    x = grid(*shape)
    a = numpy.arange(x.numel()).reshape(shape)
    key = random_key(rng, shape)
    expected = a[key]
    got = x[key]
    assert got.shape == expected.shape and got.tolist() == expected.tolist()
    a[key] = -1
    x[key] = -1
    assert x.tolist() == a.tolist()


@pytest.mark.skipif(numpy is None, reason="NumPy's numbers and arrays as keys")
def test_numpy_keys():
    x = grid(2, 3)
    assert x[numpy.int64(1)].tolist() == [3, 4, 5] and x[numpy.array([0, 1])].shape == (2, 3)
    assert x[numpy.array([True, False])].tolist() == [[0, 1, 2]] and x[numpy.array(1)].tolist() == [
        3,
        4,
        5,
    ]
