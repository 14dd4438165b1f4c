"""Modules that learn their number of inputs, the adaptive softmax, linear_cross_entropy.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch` the file passes
as it is, but for options of another class.
"""
import copy
import dataclasses
import pickle

import pytest

import flambeau as torch

nn = torch.nn
F = torch.nn.functional


def close(a, b, tolerance=1e-5):
    return torch.allclose(a, torch.tensor(b), rtol=tolerance, atol=tolerance)


def lazy_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.LazyConv2d(8, 3, padding=1), nn.LazyBatchNorm2d(), nn.ReLU(),
        nn.LazyConvTranspose2d(4, 2, groups=2, bias=False), nn.LazyInstanceNorm2d(), nn.Flatten(),
        nn.LazyLinear(5),
    )


def test_lazy_net_becomes_plain():
    net = lazy_net()
    assert repr(net[0]) == "LazyConv2d(0, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    assert repr(net[0].weight) == "<UninitializedParameter>"
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    y = net(torch.randn(2, 3, 6, 6))
    assert close(y.sum(), 0.364371)
    assert [type(m) for m in net] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.ConvTranspose2d,
                                      nn.InstanceNorm2d, nn.Flatten, nn.Linear]
    assert net[3].weight.shape == (8, 2, 2, 2) and net[6].weight.shape == (5, 196)
    assert type(net[0].weight) is nn.Parameter and type(net[1].running_mean) is torch.Tensor
    assert not net[0]._forward_pre_hooks and not net[0]._load_state_dict_pre_hooks
    before = net[6].weight.clone()
    y.sum().backward()
    optimizer.step()
    assert not torch.equal(before, net[6].weight)


@pytest.mark.parametrize("name, size, shape", [
    ("LazyConv1d", (2, 3, 9), (4, 3, 2)), ("LazyConv1d", (3, 9), (4, 3, 2)),
    ("LazyConv3d", (2, 3, 4, 4, 4), (4, 3, 2, 2, 2)),
    ("LazyConvTranspose1d", (2, 3, 9), (3, 4, 2)),
    ("LazyConvTranspose3d", (2, 3, 4, 4, 4), (3, 4, 2, 2, 2)),
])
def test_lazy_convolutions(name, size, shape):
    layer = getattr(nn, name)(4, 2)
    layer(torch.ones(size))
    assert layer.weight.shape == shape and layer.bias.shape == (4,)
    assert layer.in_channels == 3 and type(layer).__name__ == name[4:]


def test_lazy_norms():
    layer = nn.LazyBatchNorm1d(affine=False)
    assert layer.weight is None and isinstance(layer.running_mean, nn.UninitializedBuffer)
    layer(torch.ones(2, 7))
    assert layer.num_features == 7 and layer.running_mean.shape == (7,)
    assert nn.LazyInstanceNorm1d(track_running_stats=False).running_mean is None


def test_uninitialized_parameters_refuse():
    p = nn.LazyLinear(3).weight
    for use in (lambda: p + 1, lambda: 1 * p, lambda: p.sum(), lambda: p[0], lambda: p == p,
                lambda: p.numel(), lambda: len(p), lambda: p.detach()):
        with pytest.raises(ValueError, match="^Attempted to use an uninitialized parameter in"):
            use()
    with pytest.raises(RuntimeError, match="^Can't access the shape of an uninitialized"):
        p.shape
    with pytest.raises(RuntimeError, match="^Can't share memory on an uninitialized"):
        p.share_memory_()
    assert p.requires_grad and p.is_leaf and p.grad is None and p.dtype == torch.float32
    assert nn.parameter.is_lazy(p) and not nn.parameter.is_lazy(nn.Parameter())
    assert isinstance(pickle.loads(pickle.dumps(p)), nn.UninitializedParameter)
    layer = nn.LazyLinear(3).double()
    assert layer.weight.dtype == torch.float64 and nn.parameter.is_lazy(layer.weight)
    assert nn.parameter.is_lazy(nn.LazyBatchNorm1d().double().running_mean)
    layer = copy.deepcopy(layer)
    assert layer(torch.ones(2, 5, dtype=torch.float64)).dtype == torch.float64


def test_lazy_state_dicts():
    layer = nn.LazyLinear(5)
    result = layer.load_state_dict({"weight": torch.ones(5, 3), "bias": torch.zeros(5)})
    assert result.missing_keys == [] and type(layer.weight) is nn.Parameter
    assert layer(torch.ones(2, 3)).tolist() == [[3.0] * 5] * 2 and layer.in_features == 3
    state = nn.LazyLinear(5).state_dict()
    assert list(state) == ["weight", "bias"] and nn.parameter.is_lazy(state["weight"])
    nn.LazyLinear(5).load_state_dict(state)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized"):
        nn.Linear(3, 5).load_state_dict(state)


def test_lazy_errors():
    with pytest.raises(RuntimeError, match=r"^Expected 3D \(unbatched\) or 4D \(batched\) input to "
                                           r"LazyConv2d, but got input of size: torch.Size\(\[3, "):
        nn.LazyConv2d(4, 3)(torch.ones(3, 3))
    with pytest.raises(ValueError, match="^in_channels must be divisible by groups"):
        nn.LazyConv2d(4, 3, groups=2)(torch.ones(3, 9, 9))

    class Lazy(nn.modules.lazy.LazyModuleMixin, nn.Module):
        pass
    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented for L"):
        Lazy()(1)


# ---- The adaptive softmax ------------------------------------------------------------------------

def test_adaptive_log_softmax():
    torch.manual_seed(1)
    m = nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10, 15], div_value=2.0)
    x = torch.randn(8, 16, requires_grad=True)
    y = torch.tensor([0, 4, 5, 7, 12, 19, 3, 15])
    output, loss = m(x, y)
    assert close(loss, 3.16877)
    assert close(output, [
        -2.49848, -1.82795, -4.29324, -4.1618, -2.90117, -4.38264, -2.42201, -2.86288,
    ])
    loss.backward()
    assert close(x.grad.sum(), 0.10788)
    log_prob = m.log_prob(x)
    assert log_prob.shape == (8, 20) and torch.allclose(log_prob.exp().sum(1), torch.ones(8))
    assert torch.allclose(log_prob.gather(1, y[:, None])[:, 0], output)
    assert torch.equal(m.predict(x), log_prob.argmax(1))
    single = m(x[0], y[0])
    assert single.output.shape == () and torch.allclose(single.output, output[0])
    for target, text in ((y.view(2, 4), "0D or 1D target tensor expected, multi-target not"),
                         (y[:3], "Input and target should have the same size in the batch"),
                         (torch.full((8,), 25), r"Target values should be in \[0, 19\], but valu")):
        with pytest.raises(RuntimeError, match=text):
            m(x, target)
    with pytest.raises(ValueError, match="^cutoffs should be a sequence of unique, positive"):
        nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 20])


# ---- The cross entropy of a linear layer ---------------------------------------------------------

@pytest.mark.parametrize("reduction, value, of_input, of_weight", [
    ('mean', 3.86318, 0.41252, 15.10211),
    ('sum', 25.91761, 2.76754, 101.31824),
    ('none', 25.91761, 2.76754, 101.31824),
])
@pytest.mark.parametrize("size", [None, 0, 3])
def test_linear_cross_entropy(reduction, value, of_input, of_weight, size):
    options = None
    if size is not None:
        options = nn.LinearCrossEntropyOptions(batch_chunk_size=size or None)
    torch.manual_seed(2)
    loss = nn.LinearCrossEntropyLoss(16, 40, bias=True, reduction=reduction,
                                     weight=torch.rand(40) + 0.5, ignore_index=2, options=options)
    x = torch.randn(9, 16, requires_grad=True)
    target = torch.randint(0, 40, (9,))
    target[3] = 2
    total = loss(x, target).sum()
    total.backward()
    assert close(total, value) and close(x.grad.sum(), of_input, 1e-4)
    assert close(loss.linear.weight.grad.abs().sum(), of_weight, 1e-4)


def test_linear_cross_entropy_forms():
    torch.manual_seed(3)
    x, w, b = torch.randn(4, 5), torch.randn(3, 2, 5), torch.randn(3, 2)
    target = torch.randint(0, 3, (4, 2))
    logits = F.linear(x, w.reshape(6, 5), b.reshape(6)).view(4, 3, 2)
    for kwargs in ({}, {"label_smoothing": 0.1}):
        assert torch.allclose(F.linear_cross_entropy(x, w, target, linear_bias=b, **kwargs),
                              F.cross_entropy(logits, target, **kwargs))
    soft = torch.softmax(torch.randn(4, 3, 2), 1)
    assert torch.allclose(F.linear_cross_entropy(x, w, soft, linear_bias=b),
                          F.cross_entropy(logits, soft))
    one = F.linear_cross_entropy(x[0], w[:, 0], target[0, 0],
                                 options=nn.LinearCrossEntropyOptions())
    assert torch.allclose(one, F.cross_entropy(F.linear(x[0], w[:, 0]), target[0, 0]))
    with pytest.raises(RuntimeError, match="^expected equal input and linear_weight last dim"):
        F.linear_cross_entropy(x, w[..., :3], target)
    with pytest.raises(RuntimeError, match="^ignore_index cannot be specified when target contain"):
        F.linear_cross_entropy(x, w, soft, ignore_index=1)
    with pytest.warns(UserWarning, match="^linear_cross_entropy: ``options`` ignored; chunked"):
        F.linear_cross_entropy(x, w, target, options=nn.LinearCrossEntropyOptions())
    with pytest.raises(ValueError, match="give different chunk sizes"):
        F.linear_cross_entropy(x, w[:, 0], target[:, 0], options=nn.LinearCrossEntropyOptions(
            batch_chunk_size=3, chunking_method="aspect_ratio"))


def test_sdpa_kernel():
    from flambeau.nn.attention import SDPBackend, sdpa_kernel
    x = torch.ones(1, 2, 4)
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        assert F.scaled_dot_product_attention(x, x, x).tolist() == x.tolist()

    @sdpa_kernel(SDPBackend.MATH)
    def attend():
        return F.scaled_dot_product_attention(x, x, x)
    assert attend().tolist() == x.tolist()
    with pytest.raises(AssertionError, match="^Backend must be an instance of SDPBackend"):
        with sdpa_kernel(3):
            pass


def test_options_of_another_class():
    @dataclasses.dataclass
    class Options:  # PyTorch's own, in a program that has both
        allow_retain_graph: bool = True
        batch_chunk_size: int = 2
        chunking_method: str = "auto"
        acc_policy: str = "auto"
        acc_dtype: object = None

    torch.manual_seed(0)
    x, w, target = torch.randn(5, 3), torch.randn(4, 3), torch.tensor([0, 3, 1, 2, 2])
    found = F.linear_cross_entropy(x, w, target, options=Options())
    assert torch.allclose(found, F.cross_entropy(x @ w.t(), target))
