"""torch._foreach_..., torch.futures and small names of torch."""

import pytest

import flambeau as torch


def lists():
    return [torch.tensor([1.0, 4.0]), torch.tensor([9.0])], [torch.ones(2), torch.full((1,), 2.0)]


def values(tensors):
    return [t.tolist() for t in tensors]


def test_functions():
    a, b = lists()
    assert values(torch._foreach_add(a, b, alpha=2)) == [[3.0, 6.0], [13.0]]
    assert values(torch._foreach_mul(a, 2)) == [[2.0, 8.0], [18.0]]
    assert values(torch._foreach_sqrt(a)) == [[1.0, 2.0], [3.0]]
    assert values(torch._foreach_maximum(a, 3)) == [[3.0, 4.0], [9.0]]
    assert values(torch._foreach_lerp(a, b, 0.5)) == [[1.0, 2.5], [5.5]]
    assert values(torch._foreach_norm([torch.tensor([3.0, 4.0])])) == [5.0]
    assert values(a) == [[1.0, 4.0], [9.0]]


def test_in_place():
    a, b = lists()
    torch._foreach_add_(a, b)
    torch._foreach_mul_(a, [2.0, 3.0])
    assert values(a) == [[4.0, 10.0], [33.0]]
    torch._foreach_addcdiv_(a, b, b, value=-1)
    assert values(a) == [[3.0, 9.0], [32.0]]
    torch._foreach_copy_(a, b)
    torch._foreach_neg_(a)
    assert values(a) == [[-1.0, -1.0], [-2.0]]
    torch._foreach_zero_(a)
    assert values(a) == [[0.0, 0.0], [0.0]]


def test_refusals():
    a, b = lists()
    with pytest.raises(RuntimeError, match="must have the same number of tensors, got 2 and 1"):
        torch._foreach_add(a, b[:1])
    with pytest.raises(RuntimeError, match="at least one tensor"):
        torch._foreach_add([], 1)


def test_futures():
    first, second = torch.futures.Future(), torch.futures.Future()
    both = torch.futures.collect_all([first, second])
    later = first.then(lambda f: f.value() + 1)
    first.set_result(1)
    assert later.wait() == 2 and not both.done()
    second.set_exception(ValueError("no"))
    assert both.done()
    with pytest.raises(ValueError, match="no"):
        second.wait()
    with pytest.raises(RuntimeError, match="can only be set once"):
        first.set_result(2)


def test_sync_batch_norm():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    model[1].weight.data.fill_(2)
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert isinstance(converted[1], torch.nn.SyncBatchNorm)
    assert repr(converted[1]).startswith("SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True")
    x = torch.randn(4, 2)
    plain = torch.nn.BatchNorm1d(3)
    plain.weight.data.fill_(2)
    assert torch.equal(converted(x), plain(model[0](x)))
    assert list(converted.state_dict()) == list(model.state_dict())
    with pytest.raises(ValueError, match="expected at least 2D input"):
        torch.nn.SyncBatchNorm(3)(torch.ones(3))
