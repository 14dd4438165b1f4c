"""Views and in-place writes differentiated as PyTorch does; version counters."""

import pytest

import flambeau as torch


def leaf(*values):
    return torch.tensor([float(v) for v in values], requires_grad=True)


def test_masked_write():
    x = leaf(1, 2, 3)
    out = x * x
    out[torch.tensor([True, False, True])] = 0
    out.sum().backward()
    assert out.tolist() == [0, 4, 0]
    assert x.grad.tolist() == [0, 4, 0]


def test_masked_write_of_a_tensor():
    x, y = leaf(1, 2, 3), leaf(10, 20)
    out = x * 2
    out[torch.tensor([True, False, True])] = y
    (out * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [0, 4, 0]
    assert y.grad.tolist() == [1, 3]


def test_add_into_a_row():
    x = torch.ones(2, 3, requires_grad=True)
    y = leaf(1, 2, 3)
    out = x * 1
    out[0] += y
    (out * out).sum().backward()
    assert x.grad.tolist() == [[4, 6, 8], [2, 2, 2]]
    assert y.grad.tolist() == [4, 6, 8]


def test_view_of_a_view_writes_the_base():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    base = x * 1
    inner = base.t()[1:][0]  # column 1
    inner.mul_(5)
    assert base.tolist() == [[0, 5, 2], [3, 20, 5]]
    base.sum().backward()
    assert x.grad.tolist() == [[1, 5, 1], [1, 5, 1]]
    assert "CopySlices" in base.grad_fn.name()


def test_copy_into_a_slice():
    x, y = leaf(1, 2, 3, 4), leaf(7, 8)
    base = x * 3
    base[1:3].copy_(y)
    (base * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [3, 0, 0, 12]
    assert y.grad.tolist() == [2, 3]


def test_copy_into_a_slice_of_what_needed_no_gradient():
    y = leaf(7, 8)
    base = torch.zeros(4)
    base[::2].copy_(y)
    assert base.requires_grad
    (base * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert y.grad.tolist() == [1, 3]


def test_an_older_view_follows_its_base():
    x = leaf(1, 2, 3)
    base = x * 2
    view = base[1:]
    base.mul_(base.detach() * 0 + 10)
    assert view.tolist() == [40, 60]
    view.sum().backward()
    assert x.grad.tolist() == [0, 20, 20]


def test_an_older_view_follows_a_sibling():
    x = leaf(1, 2, 3)
    base = x * 1
    whole, tail = base.view(3), base[1:]
    tail.mul_(4)
    whole.sum().backward()
    assert x.grad.tolist() == [1, 4, 4]


def test_writes_one_after_another():
    x = leaf(1, 2, 3, 4)
    base = x * 1
    for k in range(4):
        base[k] *= k + 2
    base[1:3] *= base[0:2].detach().clone()
    (base.sum()).backward()
    assert x.grad.tolist() == [2, 3 * 2, 4 * 6, 5], base


def test_zero_and_fill():
    x = leaf(1, 2, 3)
    out = x * 2
    out[0].zero_()
    out[2:].fill_(9)
    out.sum().backward()
    assert x.grad.tolist() == [0, 2, 0]


def test_index_put_accumulates():
    x, y = leaf(1, 2, 3), leaf(5, 6, 7)
    out = x * 2
    out.index_put_((torch.tensor([0, 0, 2]),), y, accumulate=True)
    assert out.tolist() == [13, 4, 13]
    (out * out).sum().backward()
    assert x.grad.tolist() == [52, 16, 52]
    assert y.grad.tolist() == [26, 26, 26]


def test_writes_are_differentiated_twice():
    x = torch.tensor([1.5, 2.0, 3.0], dtype=torch.float64, requires_grad=True)

    def f(x):
        out = x * x
        out[1:] *= x[:2]
        out[0] = x[2].exp()
        return out

    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(f, (x,))


def test_expanded_memory_is_not_written():
    x = torch.ones(3).expand(2, 3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        x.add_(1)


def test_a_view_of_a_leaf_is_not_written():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x[0] = 1
    with torch.no_grad():
        x[0] = 5
    assert x.tolist() == [5, 1, 1] and x.requires_grad


def test_a_view_made_without_gradients_is_not_written():
    x = torch.ones(3, requires_grad=True)
    base = x * 1
    with torch.no_grad():
        view = base[:2]
    with pytest.raises(RuntimeError, match="no_grad"):
        view.mul_(2)
    with torch.no_grad():
        assert view.mul_(2).tolist() == [2, 2]


def test_a_view_made_before_its_base_asked():
    x = leaf(2, 3)
    base = torch.ones(3)
    view = base[1:]
    base[:2].mul_(x)
    view.mul_(10)
    assert view.requires_grad
    base.sum().backward()
    assert x.grad.tolist() == [1, 10]


@pytest.mark.parametrize(
    "code, node",
    [
        ("y = x.exp(); y.mul_(2)", "Exp"),
        ("y = x.sigmoid(); y[0] = 1", "Sigmoid"),
        ("a = x * 1; y = a.sin(); a.add_(1)", "Add"),
        ("a = x * 1; y = a * a; a.zero_()", "Zero"),
        ("a = x * 1; y = a * a; a[1:] = 0", "torch::autograd::CopySlices"),
        ("a = x * 1; v = a[0]; y = a.log(); v.add_(1)", "torch::autograd::CopySlices"),
    ],
)
def test_versions(code, node):
    space = {"torch": torch, "x": leaf(1, 2, 3)}
    exec(code, space)
    with pytest.raises(RuntimeError) as caught:
        space["y"].sum().backward()
    text = str(caught.value)
    assert text.startswith(
        "one of the variables needed for gradient computation has been modified by an inplace "
        "operation: [torch.FloatTensor [3]]"
    )
    assert f"is output 0 of {node}, is at version 1; expected version 0 instead" in text


def test_versions_count():
    x = torch.zeros(3)
    view, apart = x[1:], x.detach()
    assert x._version == 0
    view.add_(1)
    apart.add_(1)
    assert (x._version, view._version, apart._version) == (2, 2, 2)
    x.data.add_(1)
    assert x._version == 2
