"""Storages that move or change hands under views, and memory that is lent to others or borrowed from them."""
import flambeau as torch
import pytest


@pytest.mark.parametrize("numel", [8, 1 << 20])
def test_views_follow_a_storage_that_grows(numel):
    x = torch.zeros(numel)
    view = x[2:5]
    torch.add(torch.full((4 * numel,), 6.0), 1, out=x)
    torch.empty_cache()
    assert view.tolist() == [7, 7, 7]
    view.fill_(3)
    assert x[:6].tolist() == [7, 7, 3, 3, 3, 7]


def test_saved_tensors_follow_a_storage_that_grows():
    x = torch.ones(4, requires_grad=True)
    factor = torch.full((8,), 2.0)
    y = x * factor[:4]
    torch.add(torch.ones(1 << 20), 1, out=factor.data)
    torch.empty_cache()
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2, 2]


def other_memory():
    """Blocks of the sizes used here, so that freed memory does not stay as it was."""
    return [torch.full((1000,), 7.0) for _ in range(20)]


@pytest.mark.parametrize(
    "change",
    [lambda x: setattr(x, "data", torch.zeros(1)), lambda x: setattr(x, "data", x.data.double())],
)
def test_lent_memory_lives_on(change):
    x = torch.ones(1000)
    view = memoryview(x)
    change(x)
    kept = other_memory()
    assert sum(view) == 1000 and len(kept) == 20


def test_a_capsule_holds_the_memory():
    x = torch.ones(1000)
    capsule = x.__dlpack__()
    x.data = torch.zeros(1)
    kept = other_memory()
    assert torch.from_dlpack(capsule).sum().item() == 1000 and len(kept) == 20


def test_lent_memory_does_not_move():
    x = torch.ones(1000)
    view = memoryview(x)
    with pytest.raises(RuntimeError, match="Trying to resize storage that is not resizable"):
        torch.add(torch.ones(2000), 1, out=x)
    assert x.shape == (1000,) and sum(view) == 1000
    view.release()
    torch.add(torch.ones(2000), 1, out=x)
    assert x.sum().item() == 4000


def test_bytes_as_other_dtypes_behind_an_offset():
    assert torch.arange(8, dtype=torch.uint8)[4:].view(torch.int32).tolist() == [0x07060504]
    x = torch.tensor([1.0, 2.0, 3.0])
    assert x[1:].view(torch.int16).tolist() == [0, 16384, 0, 16448]
    x[2:].view(torch.int16).fill_(0)
    assert x.tolist() == [1, 2, 0]


@pytest.mark.parametrize("make", [torch.arange, lambda n, out: torch.linspace(0, n - 1, int(n), out=out)])
def test_factories_that_grow_a_view_grow_its_storage(make):
    x = torch.zeros(10)
    view = x[8:]
    make(8.0, out=view)
    assert view.tolist() == list(range(8))
    assert x.tolist() == [0] * 8 + [0, 1]


# ---- tensors that show one element several times -----------------------------------------------------

REFUSED = "more than one element of the written-to tensor refers to a single memory location"
ONES, INDEX = torch.ones(2, 4), torch.zeros(2, 4, dtype=torch.int64)


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.copy_(ONES),
        lambda x: x.add_(1),
        lambda x: x.clamp_(0, 1),
        lambda x: x.uniform_(),
        lambda x: x.exponential_(),
        lambda x: x.bernoulli_(torch.full((2, 4), 0.5)),
        lambda x: x.scatter_(0, INDEX, ONES),
        lambda x: x.index_add_(0, torch.tensor([0]), torch.ones(1, 4)),
        lambda x: x.masked_scatter_(ONES > 0, ONES),
        lambda x: x.cumsum_(0),
        lambda x: x.__setitem__(slice(None), 1.0),
        lambda x: torch.add(ONES, 1, out=x),
        lambda x: torch.mm(torch.ones(2, 3), torch.ones(3, 4), out=x),
        lambda x: torch.cat([ONES[:1]] * 2, out=x),
    ],
)
def test_writes_to_expanded_memory_are_refused(write):
    base = torch.full((2, 1), 5.0)
    with pytest.raises(RuntimeError, match=REFUSED):
        write(base.expand(2, 4))
    assert base.tolist() == [[5], [5]]


def test_writes_of_one_value_to_expanded_memory_arrive():
    row = torch.ones(1, 4)
    row.expand(2, 4)[[0]] = 9
    assert row.tolist() == [[9, 9, 9, 9]]
    row.expand(2, 4)[torch.tensor([[True, False, True, False], [False] * 4])] = 3
    assert row.tolist() == [[3, 9, 3, 9]]
    row.expand(2, 4).fill_(2)
    row.expand(2, 4).masked_fill_(torch.tensor([[False] * 4, [True, False, False, False]]), 1.0)
    assert row.tolist() == [[1, 2, 2, 2]]


def test_subscripts_that_take_all_of_an_expanded_tensor():
    w = torch.ones(1, requires_grad=True)
    w.expand(4)[:].sum().backward()
    assert w.grad.tolist() == [4]
    w = torch.ones(1, 3, requires_grad=True)
    w.expand(2, 3)[...].sum().backward()
    assert w.grad.tolist() == [[2, 2, 2]]
    w = torch.ones(1, requires_grad=True)
    w.expand(4).as_strided((4,), (0,)).sum().backward()
    assert w.grad.tolist() == [4]


def test_bools_that_are_any_byte():
    m = torch.tensor([2, 0, 255], dtype=torch.uint8).view(torch.bool)
    assert m.nonzero().tolist() == [[0], [2]] and m.sum().item() == 2
    assert torch.arange(3)[m].tolist() == [0, 2]
    assert torch.where(m, 1, 0).tolist() == [1, 0, 1] and m.int().tolist() == [1, 0, 1]
    assert torch.zeros(3).masked_scatter_(m, torch.tensor([4.0, 5.0])).tolist() == [4, 0, 5]
    assert m.tolist() == [True, False, True]


# ---- kernels that were led astray --------------------------------------------------------------------


def test_linear_of_a_dim_of_size_1_with_another_stride():
    x = torch.arange(8.0).reshape(1, 4, 2).transpose(0, 1).requires_grad_()
    w = torch.eye(2).requires_grad_()
    y = torch.nn.functional.linear(x, w)
    assert x.stride() == (2, 8, 1) and y.flatten().tolist() == list(range(8))
    y.sum().backward()
    assert w.grad.tolist() == [[12, 16], [12, 16]] and x.grad.flatten().tolist() == [1] * 8


@pytest.mark.parametrize("shape", [(1, 64), (8, 8), (64, 1)])
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_with_statistics_of_another_shape(shape, training):
    mean, var = torch.zeros(shape), torch.ones(shape)
    with pytest.raises(RuntimeError, match="expected 1 dims but tensor has 2"):
        torch.nn.functional.batch_norm(torch.ones(10, 64), mean, var, training=training)
    assert mean.count_nonzero() == 0


def test_from_dlpack_on_a_device_that_is_none():
    with pytest.raises(RuntimeError, match="start of device string: nonsense"):
        torch.from_dlpack(torch.ones(2), device="nonsense")
    assert torch.from_dlpack(torch.ones(2), device="cpu").tolist() == [1.0, 1.0]
