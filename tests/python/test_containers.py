"""Containers of modules and of parameters, and what nn.utils does to them.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch`, here and in
nets.py, the file passes as it is.
"""
import copy
import pickle
from collections import OrderedDict

import pytest

import flambeau as torch
from nets import Net

nn = torch.nn


def test_sequential():
    s = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert (
        len(s) == 3
        and isinstance(s[-1], nn.Linear)
        and isinstance(s[:2], nn.Sequential)
        and len(s[1:]) == 2
    )
    with pytest.raises(IndexError, match="index 5 is out of range"):
        s[5]
    s[1] = nn.Tanh()
    assert isinstance(s[1], nn.Tanh)
    del s[1]
    assert list(s._modules) == ["0", "1"]
    s.append(nn.ReLU()).insert(0, nn.Identity()).extend([nn.Tanh()])
    assert [type(m).__name__ for m in s] == ["Identity", "Linear", "Linear", "ReLU", "Tanh"]
    assert isinstance(s.pop(0), nn.Identity) and len(s) == 4
    assert len(s + s) == 8 and len(s * 2) == 8 and len(2 * s) == 8
    s += nn.Sequential(nn.ReLU())
    assert len(s) == 5
    named = nn.Sequential(OrderedDict(first=nn.Linear(1, 1), second=nn.ReLU()))
    assert list(named.state_dict()) == ["first.weight", "first.bias"] and named.first is named[0]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(3)


def test_module_list():
    ml = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    ml.append(nn.ReLU())
    ml.insert(1, nn.Tanh())
    ml.extend([nn.Identity()])
    assert len(ml) == 6 and isinstance(ml[1], nn.Tanh) and isinstance(ml[-1], nn.Identity)
    assert isinstance(ml[1:3], nn.ModuleList) and len(ml[1:3]) == 2
    del ml[0]
    assert list(ml._modules) == ["0", "1", "2", "3", "4"] and isinstance(ml[0], nn.Tanh)
    assert len(ml + [nn.ReLU()]) == 6 and isinstance(ml.pop(0), nn.Tanh)
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable"):
        ml.extend(3)
    with pytest.raises(IndexError):
        ml[9]


def test_module_dict():
    md = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    md["c"] = nn.Tanh()
    assert list(md) == ["a", "b", "c"] == list(md.keys()) and "a" in md and len(md) == 3
    assert isinstance(md.pop("b"), nn.ReLU) and [k for k, _ in md.items()] == ["a", "c"]
    md.update([("d", nn.ReLU())])
    del md["a"]
    assert [type(m).__name__ for m in md.values()] == ["Tanh", "ReLU"]
    with pytest.raises(TypeError):
        md.update(3)
    with pytest.raises(ValueError):
        md.update([("a", 1, 2)])
    md.clear()
    assert len(md) == 0


def test_parameter_containers():
    pl = nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(3))])
    assert len(pl) == 2 and isinstance(pl[0], nn.Parameter) and len(list(pl.parameters())) == 2
    pl.append(torch.ones(1)).extend([torch.ones(1)])
    assert [p.numel() for p in pl] == [2, 3, 1, 1] and list(pl.state_dict()) == ["0", "1", "2", "3"]
    assert repr(nn.ParameterList([torch.ones(2, 3)])) == (
        "ParameterList(  (0): Parameter containing: [torch.float32 of size 2x3])")
    pd = nn.ParameterDict({"b": torch.ones(2), "a": torch.ones(1)})
    assert list(pd) == ["a", "b"] and isinstance(pd["a"], nn.Parameter) and pd.get("z") is None
    pd["c"] = torch.zeros(1)
    assert pd.popitem()[0] == "c" and list(pd.state_dict()) == ["a", "b"] and len(pd.copy()) == 2
    assert repr(nn.ParameterDict({"x": torch.ones(2)})) == (
        "ParameterDict(  (x): Parameter containing: [torch.FloatTensor of size 2])")


def test_parameter():
    data = torch.ones(2)
    p = nn.Parameter(data)
    assert (
        p.requires_grad
        and p.is_leaf
        and p.data_ptr() == data.data_ptr()
        and isinstance(p, torch.Tensor)
    )
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert (
        repr(nn.Parameter(torch.tensor([1.0])))
        == "Parameter containing:\ntensor([1.], requires_grad=True)"
    )
    assert (
        type(p + 1) is torch.Tensor
        and type(p.data) is torch.Tensor
        and type(p.detach()) is torch.Tensor
    )
    twin = copy.deepcopy(p)
    assert type(twin) is nn.Parameter and twin.data_ptr() != p.data_ptr()
    assert type(pickle.loads(pickle.dumps(p))) is nn.Parameter
    assert nn.Parameter().numel() == 0
    with torch.no_grad():
        assert nn.Parameter(data).requires_grad


def test_clipping_and_vectors():
    torch.manual_seed(0)  # gradients large enough to be clipped
    net = Net()
    net(torch.ones(4, 2)).sum().backward()
    before = torch.cat([p.grad.reshape(-1) for p in net.parameters()]).norm()
    total = nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    after = torch.cat([p.grad.reshape(-1) for p in net.parameters()]).norm()
    assert abs(total.item() - before.item()) < 1e-5 and abs(after.item() - 0.1) < 1e-5
    nn.utils.clip_grad_value_(net.parameters(), 0.01)
    assert max(p.grad.abs().max().item() for p in net.parameters()) <= 0.0100001
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (sum(p.numel() for p in net.parameters()),)
    nn.utils.vector_to_parameters(torch.zeros_like(vector), net.parameters())
    assert net.scale.abs().sum().item() == 0


def test_legacy_reduction():
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
