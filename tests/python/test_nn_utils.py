"""torch.nn.utils and torch.func: parametrizations, normalised weights, fusion, modules as
functions.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch` the file passes
as it is.
"""
import copy
import pickle

import pytest

import flambeau as torch
from flambeau.func import functional_call, stack_module_state
from flambeau.nn.utils import (
    fusion, parametrizations, parametrize, remove_spectral_norm, remove_weight_norm, skip_init,
    spectral_norm, stateless, weight_norm,
)

nn = torch.nn


def shapes(module):
    return {name: tuple(p.shape) for name, p in module.named_parameters()}


# ---- parametrize ---------------------------------------------------------------------------------

class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).mT

    def right_inverse(self, A):
        return A.triu()


class RankOne(nn.Module):
    def forward(self, x, y):
        return x.unsqueeze(-1) @ y.unsqueeze(-2)

    def right_inverse(self, Z):
        return Z[:, 0].clone(), Z[0].clone()


class Twice(nn.Module):
    def forward(self, X):
        return X * 2


class Cut(nn.Module):
    def forward(self, X):
        return X[:2]


def test_parametrization_and_removal():
    m = nn.Linear(4, 4)
    w = m.weight
    parametrize.register_parametrization(m, "weight", Symmetric())
    assert type(m).__name__ == "ParametrizedLinear" and isinstance(m, nn.Linear)
    assert m.parametrizations.weight.original is w and torch.equal(m.weight, m.weight.mT)
    assert list(m.state_dict()) == ["bias", "parametrizations.weight.original"]
    A = torch.rand(4, 4)
    m.weight = A + A.mT
    assert torch.allclose(m.weight, A + A.mT)
    parametrize.register_parametrization(m, "weight", Twice())
    assert torch.allclose(m.weight, 2 * (A + A.mT)) and len(m.parametrizations.weight) == 2
    with pytest.raises(RuntimeError, match="^parametrization Twice does not implement right_inver"):
        m.weight = A
    m(torch.ones(2, 4)).sum().backward()
    assert w.grad.tolist() == [[4.0 if i == j else 8.0 * (j > i) for j in range(4)]
                               for i in range(4)]
    with parametrize.cached():
        assert m.weight is m.weight
    assert m.weight is not m.weight
    twin = copy.deepcopy(m)
    assert torch.equal(twin.weight, m.weight) and twin.parametrizations.weight.original is not w
    with pytest.raises(RuntimeError, match="^Serialization of parametrized modules is only supp"):
        pickle.dumps(m)
    assert parametrize.type_before_parametrizations(m) is nn.Linear
    parametrize.remove_parametrizations(m, "weight")
    assert type(m) is nn.Linear and m.weight is w and torch.allclose(w, 2 * (A + A.mT))
    assert not parametrize.is_parametrized(m) and not hasattr(m, "parametrizations")


def test_parametrization_of_several_tensors():
    m = parametrize.register_parametrization(nn.Linear(4, 3), "weight", RankOne())
    assert shapes(m) == {"bias": (3,), "parametrizations.weight.original0": (3,),
                         "parametrizations.weight.original1": (4,)}
    with pytest.raises(ValueError, match="^Cannot leave unparametrized"):
        parametrize.remove_parametrizations(m, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(m, "weight")
    assert isinstance(m.weight, nn.Parameter)


def test_parametrization_errors():
    with pytest.raises(ValueError, match="^Registering a parametrization may not change the shape "
                                         "of the tensor, unless `unsafe` flag"):
        parametrize.register_parametrization(nn.Linear(3, 3), "weight", Cut())
    m = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Cut(), unsafe=True)
    assert m.weight.shape == (2, 3)
    m = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    with pytest.raises(ValueError, match="unless the `unsafe` flag"):
        parametrize.register_parametrization(m, "weight", Cut())
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized"):
        parametrize.register_parametrization(m, "foo", Cut())
    with pytest.raises(ValueError, match="does not have a parametrization on bias"):
        parametrize.remove_parametrizations(m, "bias")


def test_transfer_parametrizations():
    a = parametrize.register_parametrization(nn.Linear(4, 4), "weight", Symmetric())
    b = nn.Linear(4, 4)
    parametrize.transfer_parametrizations_and_params(a, b)
    assert torch.equal(a.weight, b.weight) and parametrize.is_parametrized(b, "weight")


# ---- Normalised weights --------------------------------------------------------------------------

@pytest.mark.parametrize("dim, size", [(0, (4, 1, 1, 1)), (1, (1, 3, 1, 1)), (None, ())])
def test_weight_norm(dim, size):
    torch.manual_seed(0)
    m = nn.Conv2d(3, 4, 2)
    w = m.weight.detach().clone()
    parametrizations.weight_norm(m, dim=dim)
    assert torch.allclose(m.weight, w)
    assert shapes(m) == {"bias": (4,), "parametrizations.weight.original0": size,
                         "parametrizations.weight.original1": (4, 3, 2, 2)}
    m.weight.pow(2).sum().backward()
    g = m.parametrizations.weight.original0
    assert torch.allclose(g.grad, 2 * g)  # ‖w‖² is g², whatever v is
    assert m.parametrizations.weight.original1.grad.abs().max() < 1e-6
    with pytest.warns(FutureWarning, match="^`torch.nn.utils.weight_norm` is deprecated"):
        old = weight_norm(nn.Conv2d(3, 4, 2), dim=dim)
    assert shapes(old) == {"bias": (4,), "weight_g": size, "weight_v": (4, 3, 2, 2)}
    m.load_state_dict(old.state_dict())
    x = torch.ones(1, 3, 3, 3)
    assert torch.allclose(m(x), old(x))
    with pytest.raises(RuntimeError, match="^Cannot register two weight_norm hooks on the same"):
        weight_norm(old)
    remove_weight_norm(old)
    assert torch.allclose(m(x), old(x)) and list(old.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="^weight_norm of 'weight' not found in Conv2d"):
        remove_weight_norm(old)


@pytest.mark.parametrize("norm, sums, end", [
    ('hook', [-2.6093, -2.5278, -2.4907], -2.3805),
    ('parametrization', [-1.9964, -1.9964, -1.9964], -1.9964),
])
def test_spectral_norm(norm, sums, end):
    norm = {"hook": spectral_norm, "parametrization": parametrizations.spectral_norm}[norm]
    torch.manual_seed(3)
    m = norm(nn.Linear(5, 4))
    x = torch.ones(2, 5)
    assert [round(m(x).sum().item(), 4) for _ in range(3)] == sums
    (m(x).sum() - m(x).sum()).backward()  # two forwards, each with vectors of its own
    m.eval()
    assert abs(m(x).sum().item() - end) < 1e-4


def test_spectral_norm_state():
    m, other = spectral_norm(nn.Linear(5, 4)), spectral_norm(nn.Linear(5, 4))
    assert list(m.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    assert m.state_dict()._metadata[""] == {"version": 1,
                                            "spectral_norm": {"weight.version": 1}}
    m.load_state_dict(other.state_dict())
    assert torch.equal(m.weight_u, other.weight_u)
    remove_spectral_norm(m)
    assert list(m.state_dict()) == ["bias", "weight"] and "spectral_norm" not in (
        m.state_dict()._metadata[""])
    with pytest.raises(ValueError, match="^spectral_norm of 'weight' not found in Linear"):
        remove_spectral_norm(m)
    transposed = spectral_norm(nn.ConvTranspose2d(2, 3, 2))
    assert transposed.weight_u.shape == (3,) and transposed.weight_v.shape == (8,)


# ---- Other helpers -------------------------------------------------------------------------------

def test_fusion():
    torch.manual_seed(0)
    x = torch.randn(1, 2, 4, 4)
    for kind, transpose in ((nn.Conv2d, False), (nn.ConvTranspose2d, True)):
        conv, bn = kind(2, 3, 2, bias=False), nn.BatchNorm2d(3)
        bn(torch.randn(4, 3, 2, 2))
        with pytest.raises(AssertionError, match="^Fusion only for eval!"):
            fusion.fuse_conv_bn_eval(conv, bn)
        fused = fusion.fuse_conv_bn_eval(conv.eval(), bn.eval(), transpose)
        assert torch.allclose(fused(x), bn(conv(x)), atol=1e-6)
    linear, bn = nn.Linear(3, 4).eval(), nn.BatchNorm1d(4).eval()
    x = torch.randn(2, 3)
    assert torch.allclose(fusion.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)


def test_skip_init():
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    layer = skip_init(nn.Linear, 3, 4)
    assert layer.weight.shape == (4, 3) and torch.equal(torch.rand(1), first)
    with pytest.raises(RuntimeError, match="^Module must support a 'device' arg to skip"):
        skip_init(nn.ReLU)


def test_submodules_by_path():
    from flambeau.nn.utils.clip_grad import clip_grad_norm_
    from flambeau.nn.utils.convert_parameters import parameters_to_vector
    from flambeau.nn.utils.memory_format import convert_conv2d_weight_memory_format
    assert clip_grad_norm_ is nn.utils.clip_grad_norm_
    assert parameters_to_vector is nn.utils.parameters_to_vector
    conv = convert_conv2d_weight_memory_format(nn.Sequential(nn.Conv2d(3, 4, 2)),
                                               torch.channels_last)[0]
    assert conv.weight.stride() == (12, 1, 6, 3)
    assert callable(nn.utils.weight_norm) and callable(nn.utils.spectral_norm)


# ---- Modules as functions ------------------------------------------------------------------------

def test_functional_call():
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    weights = {name: torch.ones_like(p, requires_grad=True) for name, p in net.named_parameters()}
    buffers = {name: b.clone() for name, b in net.named_buffers()}
    own = net[0].weight
    x = torch.arange(6.0).view(2, 3)
    y = functional_call(net, (weights, buffers), x)
    assert torch.allclose(y, torch.tensor([[0.0] * 3, [2.0] * 3]), atol=1e-4)
    assert net[0].weight is own and net[1].num_batches_tracked == 0
    assert buffers["1.num_batches_tracked"] == 1
    y[1].sum().backward()
    assert weights["1.bias"].grad.tolist() == [1.0, 1.0, 1.0] and own.grad is None
    with pytest.raises(RuntimeError, match="Missing key.s.: '1.num_batches_tracked', '1.running_m"):
        functional_call(net, weights, x, strict=True)
    with pytest.raises(ValueError, match="^.'0.weight', .* appeared in multiple dictionaries; beh"):
        functional_call(net, (weights, weights), x)
    with pytest.raises(AttributeError, match="^Sequential has no attribute `a`"):
        functional_call(net, {"a.b": torch.ones(1)}, x)
    with pytest.raises(TypeError, match="^7 is not an instance of torch.Tensor"):
        functional_call(net, {"0.weight": 7}, x)
    assert net[0].weight is own
    with pytest.warns(FutureWarning, match="^`torch.nn.utils.stateless.functional_call` is depre"):
        stateless.functional_call(net, weights, x)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(x))


def test_functional_call_of_tied_weights():
    m, x = Tied(), torch.ones(1, 2)
    assert functional_call(m, {"a.weight": torch.ones(2, 2)}, x).tolist() == [[4.0, 4.0]]
    m.a.weight.data.fill_(3)
    untied = functional_call(m, {"a.weight": torch.ones(2, 2)}, x, tie_weights=False)
    assert untied.tolist() == [[12.0, 12.0]]
    with pytest.raises(ValueError, match="^functional_call got multiple values for keys"):
        functional_call(m, {"a.weight": torch.ones(2, 2), "b.weight": torch.zeros(2, 2)}, x)


def test_stack_module_state():
    models = [nn.BatchNorm1d(3) for _ in range(4)]
    params, buffers = stack_module_state(models)
    assert params["weight"].shape == (4, 3) and params["weight"].is_leaf
    assert params["weight"].requires_grad and buffers["num_batches_tracked"].shape == (4,)
    with pytest.raises(RuntimeError, match="^stack_module_state: Expected at least one model"):
        stack_module_state([])
