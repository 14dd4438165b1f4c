"""How calls are parsed: leniences, keywords, out=, and what is said when nothing fits."""

import pytest

import flambeau as torch

X = torch.arange(6.0).reshape(2, 3)


def test_sizes_as_varargs():
    assert X.view(3, 2).shape == X.view((3, 2)).shape == X.view([3, 2]).shape == (3, 2)
    assert (
        X.view(torch.Size([6])).shape == (6,)
        and X.view(6).shape == (6,)
        and X.view(-1).shape == (6,)
    )
    assert X.permute(1, 0).shape == (3, 2) and X.reshape(1, 6).shape == (1, 6)
    assert torch.zeros(2, 3).shape == torch.zeros((2, 3)).shape == (2, 3)
    assert torch.zeros(4).shape == (4,) and torch.zeros(()).shape == ()
    assert X.view(torch.tensor(3), 2).shape == (3, 2)


def test_ints_for_lists_and_dims():
    assert X.sum(0).tolist() == X.sum((0,)).tolist() == X.sum([0]).tolist() == [3, 5, 7]
    assert X.sum((0, 1)).item() == 15 and X.sum().item() == 15
    assert X.sum(1, True).shape == X.sum(dim=1, keepdim=True).shape == (2, 1)


def test_keywords_and_their_other_names():
    assert torch.sum(input=X, dim=0).tolist() == [3, 5, 7]
    assert X.sum(axis=0, keepdims=True).shape == (1, 3)
    assert torch.add(X, other=X, alpha=2).tolist() == (X * 3).tolist()
    assert X.add(other=1).tolist() == (X + 1).tolist()
    key = "".join(["keep", "dim"])  # a string that is not interned
    assert X.sum(0, **{key: True}).shape == (1, 3)


def test_numbers():
    assert torch.add(X, 1).dtype is torch.float32
    assert torch.full((2,), 3).dtype is torch.int64 and torch.full((2,), 3.0).dtype is torch.float32
    assert torch.full((2,), True).dtype is torch.bool
    assert torch.clamp(X, 1, torch.tensor(3.0)).max().item() == 3
    assert X.add(torch.tensor(2)).tolist() == (X + 2).tolist()
    assert X.sum(torch.tensor(0)).tolist() == [3, 5, 7]


def test_dtypes():
    assert torch.zeros(2, dtype=float).dtype is torch.float64
    assert torch.zeros(2, dtype=int).dtype is torch.int64
    assert torch.zeros(2, dtype=bool).dtype is torch.bool
    assert torch.zeros(2, dtype=None).dtype is torch.float32
    assert torch.zeros(2, device="cpu", requires_grad=True).requires_grad
    assert torch.zeros(2, device=torch.device("cpu"), pin_memory=False).shape == (2,)


def test_out():
    y = torch.empty(2, 3)
    assert torch.add(X, X, out=y) is y and y.tolist() == (X * 2).tolist()
    values, indices = torch.empty(0), torch.empty(0, dtype=torch.int64)
    result = torch.max(X, 0, out=(values, indices))
    assert (
        result.values is values and values.tolist() == [3, 4, 5] and indices.tolist() == [1, 1, 1]
    )
    with pytest.raises(TypeError, match="argument 'out' must be Tensor, not int"):
        torch.add(X, X, out=1)


def test_named_results():
    r = torch.max(X, 1)
    assert r.values.tolist() == [2, 5] and r.indices.tolist() == [2, 2]
    values, indices = r
    assert isinstance(r, tuple) and r[0] is values
    assert repr(r) == ("torch.return_types.max(\nvalues=tensor([2., 5.]),\nindices=tensor([2, 2]))")
    assert torch.sort(X, 1, True).values.tolist() == [[2, 1, 0], [5, 4, 3]]
    assert isinstance(X.split(1), tuple) and len(X.split(1)) == 2


@pytest.mark.parametrize(
    "text, message",
    [
        ("torch.add(X, 'x')", "add(): argument 'other' (position 2) must be Tensor, not str"),
        ("X.add('x')", "add(): argument 'other' (position 1) must be Tensor, not str"),
        ("torch.relu()", 'relu() missing 1 required positional arguments: "input"'),
        ("torch.relu(3)", "relu(): argument 'input' (position 1) must be Tensor, not int"),
        ("torch.relu(X, foo=1)", "relu() got an unexpected keyword argument 'foo'"),
        ("torch.relu(X, input=X)", "relu() got multiple values for argument 'input'"),
        (
            "torch.zeros('x')",
            "zeros(): argument 'size' (position 1) must be tuple of ints, not str",
        ),
        ("torch.zeros(2, dtype='f')", "zeros(): argument 'dtype' must be torch.dtype, not str"),
        (
            "torch.cat(X)",
            "cat(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor",
        ),
        ("torch.cat([X, 1])", "expected Tensor as element 1 in argument 0, but got int"),
        ("torch.softmax(X, 'x')", "softmax(): argument 'dim' (position 2) must be int, not str"),
        ("torch.matmul(X, 1)", "matmul(): argument 'other' (position 2) must be Tensor, not int"),
        (
            "X.view(2, 'x')",
            "view(): argument 'size' failed to unpack the object at pos 2 with error "
            '"type must be tuple of ints,but got str"',
        ),
        (
            "X.sum('x')",
            "sum() received an invalid combination of arguments - got (str), but expected "
            "one of:\n",
        ),
        (
            "X.sum(True)",
            "sum() received an invalid combination of arguments - got (bool), but expected "
            "one of:\n",
        ),
        ("X.sum(0, 1)", "sum(): argument 'keepdim' (position 2) must be bool, not int"),
        ("X.relu(1)", "TensorBase.relu() takes no arguments (1 given)"),
        ("X.clone(1)", "clone() takes 0 positional arguments but 1 was given"),
        (
            "torch.add(X)",
            "add() received an invalid combination of arguments - got (Tensor), but expected "
            "(Tensor input, Tensor other, *, Number alpha = 1, Tensor out = None)",
        ),
        ("X.add()", "add() received an invalid combination of arguments - got (), but expected"),
        (
            "torch.eq(X, 'x')",
            "eq() received an invalid combination of arguments - got (Tensor, str), but expected "
            "one of:\n",
        ),
        (
            "X.masked_fill(1, 2)",
            "masked_fill() received an invalid combination of arguments - got (int, int), but "
            "expected one of:\n",
        ),
        (
            "torch.where(1, X, X)",
            "where() received an invalid combination of arguments - got (int, Tensor, Tensor), but "
            "expected one of:\n",
        ),
        (
            "torch.nn.functional.cross_entropy(X, [0])",
            "cross_entropy_loss(): argument 'target' (position 2) must be Tensor, not list",
        ),
        (
            "torch.nn.functional.cross_entropy(X, X, ignore_index=1.5)",
            "cross_entropy_loss(): argument 'ignore_index' (position 5) must be int, not float",
        ),
        (
            "torch.nn.functional.nll_loss(X, [0])",
            "nll_loss_nd(): argument 'target' (position 2) must be Tensor, not list",
        ),
        (
            "torch.nn.functional.cross_entropy(X)",
            "cross_entropy() missing 1 required positional argument: 'target'",
        ),
        (
            "torch.nn.functional.cross_entropy(X, X, foo=1)",
            "cross_entropy() got an unexpected keyword argument 'foo'",
        ),
        (
            "torch.zeros((2, 2.0))",
            "zeros(): argument 'size' failed to unpack the object at pos 2 with "
            'error "type must be tuple of ints,but got float"',
        ),
    ],
)
def test_messages(text, message):
    with pytest.raises(TypeError) as info:
        eval(text)
    assert message in str(info.value)


def test_huge_numbers():
    with pytest.raises(OverflowError):
        torch.add(X, 2**70)
    with pytest.raises(TypeError, match="Overflow when unpacking long long"):
        X.view(2**70)
    with pytest.raises(RuntimeError):
        torch.zeros(2**62, 2**62)
    with pytest.raises(RuntimeError):
        torch.zeros(2**58)
    with pytest.raises(RuntimeError):
        torch.zeros(2, -1)


def test_long_lists():
    parts = [torch.full((1,), float(i)) for i in range(500)]
    assert torch.cat(parts).tolist() == list(range(500))


def test_large_calls_release_the_lock():
    import threading

    done = []
    thread = threading.Thread(
        target=lambda: done.append((torch.ones(300, 300) @ torch.ones(300, 300))[0, 0].item())
    )
    thread.start()
    total = (torch.ones(300_000) + 1).sum().item()
    thread.join()
    assert total == 600_000 and done == [300]
