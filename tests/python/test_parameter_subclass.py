"""nn.Parameter of a subclass of Tensor: an instance of the subclass, marked."""

import pytest

import flambeau as torch
from flambeau import nn


class Named(torch.Tensor):
    pass


class Holder(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.ones(2).as_subclass(Named))


def test_a_parameter_of_a_subclass_keeps_it():
    p = nn.Parameter(torch.ones(2).as_subclass(Named))
    assert type(p) is Named and isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf
    assert repr(p) == "Parameter(Named([1., 1.], requires_grad=True))"
    assert not nn.Parameter(p, requires_grad=False).requires_grad
    assert not isinstance(torch.ones(2).as_subclass(Named), nn.Parameter)
    assert not isinstance(p, nn.UninitializedParameter)


def test_modules_register_it():
    m = Holder()
    assert [type(p) for p in m.parameters()] == [Named] and list(m.state_dict()) == ["p"]
    m.double().float()
    assert type(m.p) is Named and m.p.dtype == torch.float32
    optimizer = torch.optim.SGD(m.parameters(), 0.5)
    (m.p * m.p).sum().backward()
    optimizer.step()
    assert m.p.tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="as parameter 'p'"):
        m.p = torch.ones(2).as_subclass(Named)
    m.plain = torch.ones(2).as_subclass(Named)
    assert "plain" not in m._parameters


def test_a_subclass_of_parameter():
    class Own(nn.Parameter):
        pass

    p = Own(torch.ones(2))
    assert type(p) is Own and isinstance(p, nn.Parameter)
    assert repr(p) == "Parameter containing:\nParameter(Own([1., 1.], requires_grad=True))"
    assert not isinstance(nn.Parameter(torch.ones(1).as_subclass(Named)), Own)
    with pytest.raises(RuntimeError, match="^Creating a Parameter from an instance of type Own"):
        nn.Parameter(p)
