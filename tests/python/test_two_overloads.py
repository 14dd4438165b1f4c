"""Operators that stand for two of PyTorch's, one for a tensor and one for a number: what a call that
fits neither is told, and the edges of their nodes (the key `pairs` of the table)."""
import pytest

import flambeau as torch


def words(f, *arguments, **keywords):
    with pytest.raises(TypeError) as raised:
        f(*arguments, **keywords)
    return str(raised.value).splitlines()


class Odd:
    pass


@pytest.mark.parametrize("name", "eq greater_equal_ clamp_max movedim multiply_ floor_divide true_divide".split())
def test_methods_list_both(name):
    first, *_ = words(getattr(torch.ones(2), name), Odd())
    assert first == f"{name}() received an invalid combination of arguments - got (Odd), but expected one of:"


@pytest.mark.parametrize("name", "le subtract multiply divide true_divide floor_divide quantile".split())
def test_functions_list_both(name):
    first, tensor, number = words(getattr(torch, name), Odd(), Odd())[:3]
    assert first == f"{name}() received an invalid combination of arguments - got (Odd, Odd), but expected one of:"
    assert tensor.replace("Tensor other", "Number other").replace("Tensor q", "Number q") == number


@pytest.mark.parametrize("name", "mul add sub div".split())
def test_one_overload_says_what_is_wrong(name):
    assert words(getattr(torch, name), Odd(), Odd())[0] == \
        f"{name}(): argument 'input' (position 1) must be Tensor, not Odd"


def test_of_where_one_overload_takes_no_number():
    lines = words(torch.where, Odd(), Odd())
    assert lines.count(" * (Tensor condition)") == 1


def test_in_place_operators_list_both_too():
    x, mask = torch.ones(2, dtype=torch.float64), torch.tensor([True, False])
    for call in (lambda: x.masked_fill_(mask, None), lambda: x.index_fill_(0, torch.tensor([0]), None),
                 lambda: x.float_power_(None)):
        with pytest.raises(TypeError, match="received an invalid combination of arguments"):
            call()


def test_edges_of_numbers():
    x = torch.ones(2, requires_grad=True)
    lifted = [x * 2, x + 1, x / 2, x - 2, x.multiply(2)]
    assert [len(y.grad_fn.next_functions) for y in lifted] == [2] * 5
    alone = [x.fmod(2), x.clamp_min(0), torch.xlogy(x, 2)]
    assert [len(y.grad_fn.next_functions) for y in alone] == [1] * 3


def test_the_gradient_of_relu_is_named_as_pytorch_names_it():
    x = torch.ones(2, requires_grad=True)
    for f, name in ((torch.relu, "ThresholdBackwardBackward0"),
                    (torch.nn.functional.hardtanh, "HardtanhBackwardBackward0")):
        g, = torch.autograd.grad(f(x).sum(), x, create_graph=True)
        assert g.grad_fn.name() == name
