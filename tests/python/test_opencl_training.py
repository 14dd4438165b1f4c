"""What training programs use, on the device "opencl": the CPU's values and gradients, and no fallback."""
import pathlib
import sys

import pytest

import flambeau as torch
from flambeau import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from opencl import both, close, needs_opencl, no_warnings, on  # noqa: E402, F401

pytestmark = needs_opencl
F = nn.functional


def same(function, *tensors):
    """The same elements, NaN at the same places, of one tensor or several."""
    here, there = function(*tensors), function(*on(*tensors))
    here, there = ((t,) if isinstance(t, torch.Tensor) else t for t in (here, there))
    for a, b in zip(here, there, strict=True):
        assert a.dtype == b.dtype and b.device.type == "opencl"
        assert str(a.tolist()) == str(b.tolist())


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode, padding):
    x, grid = torch.randn(2, 3, 5, 4), 1.5 * torch.randn(2, 3, 6, 2)
    for corners in (False, True):
        both(lambda x, g: F.grid_sample(x, g, mode, padding, corners), x, grid, tolerance=0)  # noqa: B023
    if mode != "bicubic":
        both(lambda x, g: F.grid_sample(x, g, mode, padding, False), torch.randn(1, 2, 3, 4, 5),
             1.5 * torch.randn(1, 2, 3, 2, 3), tolerance=0)


def test_spatial_transformer():
    both(lambda x, t: F.grid_sample(x, F.affine_grid(t, list(x.shape), align_corners=False),
                                    align_corners=False), torch.randn(2, 1, 6, 6), torch.randn(2, 2, 3))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(mode):
    table, indices = torch.randn(7, 5), torch.tensor([1, 2, 4, 5, 4, 3, 2, 6, 0, 1])
    offsets = torch.tensor([0, 3, 3, 4, 10])
    for options in ({}, {"padding_idx": 4}, {"include_last_offset": True}, {"scale_grad_by_freq": mode != "max"}):
        both(lambda t: F.embedding_bag(indices.to(t.device), t, offsets.to(t.device), mode=mode,
                                       **options), table, tolerance=0)  # noqa: B023
    if mode == "sum":
        both(lambda t, w: F.embedding_bag(indices.to(t.device), t, offsets.to(t.device), mode=mode,
                                          per_sample_weights=w), table, torch.randn(10), tolerance=1e-6)
    half = table.bfloat16().to("opencl")
    assert close(F.embedding_bag(indices, table.bfloat16(), offsets, mode=mode),
                 F.embedding_bag(*on(indices), half, *on(offsets), mode=mode), 0)


def test_embedding_by_frequency():
    i = torch.tensor([[1, 1, 3], [0, 1, 2]])
    for dtype in (torch.float32, torch.bfloat16):
        both(lambda t: F.embedding(i.to(t.device), t, padding_idx=2, scale_grad_by_freq=True),
             torch.randn(5, 4).to(dtype), tolerance=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.bool, torch.uint8,
                                   torch.int32, torch.int64], ids=str)
def test_writing_at_indices_in_every_dtype(dtype):
    x, y = torch.randint(0, 2 if dtype == torch.bool else 90, (2, 5, 4)).to(dtype)
    one = torch.tensor([3, 0, 3])
    each = torch.randint(0, 5, (5, 4))
    same(lambda x, y, i: x.index_add(0, i, y[:3]), x, y, one)
    same(lambda x, y, i: x.index_add(0, i, y[:3], alpha=2), x, y, one)
    same(lambda x, y, i: x.index_copy(0, i[:2], y[:2]), x, y, one)
    same(lambda x, i: x.index_fill(0, i, 1), x, one)
    same(lambda x, y, i: x.index_put((i,), y[:3], accumulate=True), x, y, one)
    same(lambda x, y, i: x.scatter(0, i, y), x, y, torch.stack([torch.randperm(5)] * 4, 1))
    same(lambda x, y, i: x.scatter_add(0, i, y), x, y, each)
    same(lambda x, i: x.gather(0, i), x, each)
    same(lambda x, y: x.masked_scatter(y > 0, y), x, y)
    for how in ("sum", "prod", "mean", "amax", "amin"):
        for own in (True, False):
            same(lambda x, y, i: x.scatter_reduce(0, i, y, how, include_self=own), x, y, each)  # noqa: B023

    def put(x, i):
        x[i] = 1
        x[1:3, 2] = 0
        x.t()[i] = x.t()[i]  # of columns
        return x
    same(put, x, one)


def test_gradients_of_writing_at_indices():
    x, y, i = torch.randn(5, 4), torch.randn(5, 4), torch.randint(0, 5, (5, 4))
    both(lambda x, y: x.index_add(0, i[0].to(x.device), y[:4], alpha=-1.5), x, y, tolerance=0)
    both(lambda x, y: x.masked_scatter((i > 2).to(x.device), y), x, y, tolerance=0)
    for how in ("sum", "mean", "amax", "prod"):
        for own in (True, False):
            both(lambda x, y: x.scatter_reduce(0, i.to(x.device), y, how, include_self=own), x, y)  # noqa: B023
    with pytest.raises(RuntimeError, match="enough elements"):
        x.to("opencl").masked_scatter((x > -9).to("opencl"), y[:2].to("opencl"))


def test_writing_into_views():
    """What does not lie row by row is written through a copy."""
    x, i = torch.randn(6, 5), torch.tensor([0, 2])
    for write in (lambda t, i: t.t().index_fill_(0, i, 2), lambda t, i: t[:, 1:4].index_fill_(1, i, 2),
                  lambda t, i: t[::2].masked_fill_(t[::2] > 0, 9),
                  lambda t, i: t.t().index_add_(1, i, t[:2, :5].t().clone()),
                  lambda t, i: t[:, ::2].scatter_(0, i[None, :], 1.5),
                  lambda t, i: t.t().masked_scatter_(t.t() > 0, t.clone())):
        a, b = x.clone(), x.to("opencl")
        write(a, i), write(b, i.to("opencl"))
        assert close(a, b, 0)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN], ids=lambda k: k.__name__)
def test_packed_sequences(kind):
    torch.manual_seed(0)
    net, x, lengths = kind(4, 5, num_layers=2, bidirectional=True), torch.randn(6, 3, 4), torch.tensor([3, 6, 1])
    state, results = net.state_dict(), []
    for place in ("cpu", "opencl"):
        net = kind(4, 5, num_layers=2, bidirectional=True)
        net.load_state_dict(state)
        net.to(place)
        y = x.detach().to(place).requires_grad_()
        packed = nn.utils.rnn.pack_padded_sequence(y, lengths, enforce_sorted=False)
        assert packed.data.device.type == place and packed.batch_sizes.device.type == "cpu"
        out, h = net(packed)
        padded, long = nn.utils.rnn.pad_packed_sequence(out, batch_first=True, padding_value=-1.0)
        assert long.tolist() == lengths.tolist() and long.device.type == "cpu"
        h = h[0] if kind is nn.LSTM else h
        ((padded * padded).sum() + (h * h * h).sum()).backward()
        results.append([padded.detach(), h.detach(), y.grad, *(p.grad for p in net.parameters())])
    for a, b in zip(*results, strict=True):
        assert close(a, b, 1e-5)
    with pytest.raises(RuntimeError, match="'lengths' argument should be a 1D CPU int64 tensor, but got "
                                           "1D opencl:0 Long tensor"):
        nn.utils.rnn.pack_padded_sequence(x.to("opencl"), lengths.to("opencl"))


def test_ctc():
    x, targets = torch.randn(9, 3, 5), torch.tensor([[1, 2, 2, 0], [3, 4, 1, 2], [2, 0, 0, 0]])
    row, long = torch.tensor([1, 2, 2, 3, 4]), torch.tensor([3, 4, 1])

    def loss(x, labels, *lengths, **options):
        return F.ctc_loss(x.log_softmax(2), labels.to(x.device), *lengths, **options).reshape(-1)
    both(lambda x: loss(x, targets, torch.tensor([9, 7, 5]), long), x, tolerance=1e-6)
    both(lambda x: loss(x, targets, (9, 7, 0), (3, 4, 1), zero_infinity=True), x, tolerance=1e-6)
    both(lambda x: loss(x, row, (9, 9, 9), (3, 0, 2), reduction="none"), x, tolerance=1e-6)
    both(lambda x: loss(x.double(), row, *(torch.tensor(t).to(x.device) for t in ([9, 8, 9], [3, 0, 2]))),
         x, tolerance=1e-6)
    assert loss(x.to("opencl"), targets, (9, 7, 0), (3, 4, 1), reduction="none")[2].item() == float("inf")
    with pytest.raises(IndexError, match="Target 7 is out of bounds"):
        loss(x.to("opencl"), targets + 5, (9, 7, 5), (3, 4, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64], ids=str)
def test_equal_elements_have_the_order_of_the_cpu(dtype):
    for n, most in ((7, 3), (40, 5), (300, 20), (300, 3000), (2000, 700)):
        x = torch.randint(0, most, (3, n)).to(dtype)
        if dtype.is_floating_point and n == 40:
            x[1, 3::7] = float("nan")
        for largest in (True, False):
            for k in (1, 3, n // 2, n):
                same(lambda x: x.topk(k, 1, largest)[:2], x)  # noqa: B023
            same(lambda x: x.topk(4, 1, largest, sorted=False)[:2], x)  # noqa: B023
            same(lambda x: x.sort(1, largest)[:2], x)  # noqa: B023
            same(lambda x: x.argsort(0, largest), x)  # noqa: B023
            same(lambda x: x.sort(dim=1, descending=largest, stable=True)[:2], x)  # noqa: B023


def test_large_batches_of_products():
    """More of them than a grid's third dim has on CUDA."""
    a, b = torch.randn(70000, 1, 2), torch.randn(70000, 2, 1)
    assert close(a @ b, on(a)[0] @ on(b)[0], 1e-6)


def test_gradients_through_views_that_are_written():
    x = torch.randn(6, 5)

    def write(x):
        y = x * 1
        y[:, 1] *= 2
        y[0] = 5
        y.t()[3:].add_(x[:, :2].t().clone())
        return y
    both(write, x, tolerance=0)
    both(lambda x: x.as_strided((2, 2), (1, 2), 3), x, tolerance=0)
    both(lambda x: x.unfold(1, 3, 1), x, tolerance=0)  # windows that lie over others
    both(lambda x: x.unfold(0, 4, 2).unfold(1, 2, 1), x, tolerance=0)
    both(lambda x: x.bfloat16().unfold(1, 3, 1).float(), x, tolerance=0)
    both(lambda x, w: F.conv3d(x, w, padding=1), torch.randn(1, 2, 4, 4, 4), torch.randn(3, 2, 3, 3, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast(dtype):
    """Of this device alone, with the CPU's rules."""
    torch.manual_seed(0)
    nets, x = [nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3))], torch.randn(5, 6)
    nets.append(nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3)).to("opencl"))
    nets[1].load_state_dict(nets[0].state_dict())
    results = []
    for net in nets:
        place = net[0].weight.device.type
        optimizer, scaler = torch.optim.SGD(net.parameters(), 0.1), torch.amp.GradScaler(place)
        for _ in range(2):
            optimizer.zero_grad()
            with torch.autocast(place, dtype):
                out = net(x.to(place))
                loss = F.cross_entropy(out, torch.tensor([0, 1, 2, 0, 1], device=place))
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        assert out.dtype is dtype and loss.dtype is torch.float32
        results.append([out.detach(), loss.detach(), *(p.detach() for p in net.parameters())])
    for a, b in zip(*results, strict=True):
        assert close(a, b, 2e-2)
    with torch.autocast("opencl"):
        assert torch.is_autocast_enabled("opencl") and not torch.is_autocast_enabled("cpu")
        assert (x @ x.t()).dtype is torch.float32 and torch.get_autocast_dtype("opencl") is torch.float16
        a, = on(x)
        assert (a @ a.t()).dtype is torch.float16
    assert (a @ a.t()).dtype is torch.float32


def test_a_tensor_of_a_tensor_lives_beside_it():
    x = torch.ones(2, 2, device="opencl")
    with pytest.warns(UserWarning, match="copy construct"):
        y = torch.tensor(x)
    assert y.device == x.device and torch.asarray(x, copy=True).device == x.device
    assert torch.tensor([x[0, 0], x[1, 1]]).device.type == "cpu"
    x = torch.randn(2, 2, device="opencl", dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: v.tanh() @ v.t().exp(), (x,))
    assert torch.autograd.gradgradcheck(lambda v: v.tanh() * v, (x,))


def test_distances():
    a, b = torch.randn(2, 4, 70), torch.randn(2, 3, 70)
    b[0, 1] = a[0, 1]
    for p in (0.0, 1.0, 2.0, 3.0, float("inf")):
        both(lambda a, b: torch.cdist(a, b, p), a, b, tolerance=1e-6)  # noqa: B023
    both(lambda a: F.pdist(a[0]), a, tolerance=1e-6)


def test_indices_and_values_without_dims():
    x, z = torch.randn(3, 4), torch.tensor(1)
    same(lambda x, i: x.index_add(0, i, x[:1]), x, z)
    same(lambda x, i: x.index_copy(1, i, x[:, :1]), x, z)
    same(lambda x, i: x[0, 0].index_add(0, i * 0, x[0, 0]), x, z)
    same(lambda x, i: x.index_fill(0, i, x[2, 2]), x, z)
    same(lambda x, i: x.index_fill(0, i.reshape(1), torch.tensor(2.0)), x, z)
