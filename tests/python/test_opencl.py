"""The device "opencl": where tensors live, what runs there, gradients, training, files."""
import copy
import importlib.util
import io
import os
import pathlib
import pickle
import subprocess
import sys
import warnings

import pytest

import flambeau as torch
from flambeau import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from opencl import both, close, fallbacks, needs_opencl, no_warnings, on  # noqa: E402, F401


def test_missing_says_what_to_install():
    """Where there is no loader, or one without drivers."""
    program = "import flambeau as torch; torch.zeros(2, device='opencl')"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                         env={**os.environ, "OCL_ICD_VENDORS": "/nowhere", "FLAMBEAU_LANG": "en"})
    assert run.returncode == 1 and "RuntimeError: no OpenCL" in run.stderr
    assert "apt-get install ocl-icd-libopencl1 pocl-opencl-icd" in run.stderr


@needs_opencl
def test_device():
    x = torch.tensor([[1.0, 2], [3, 4]], device="opencl")
    assert x.device == torch.device("opencl:0") and str(x.device) == "opencl:0"
    assert x.tolist() == [[1, 2], [3, 4]] and x[1, 0].item() == 3
    assert "device='opencl:0'" in repr(x)
    assert (x + 1).device == x.device and x.cpu().device.type == "cpu"
    assert torch.zeros_like(x).device == x.device and x.new_ones(2).device == x.device
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        x + torch.ones(2, 2)
    with pytest.raises(RuntimeError):
        torch.zeros(1, device="opencl:99")


DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
          torch.bfloat16, torch.float32, torch.float64]


@needs_opencl
@pytest.mark.parametrize("to", DTYPES, ids=str)
def test_conversions(to):
    values = [0, 1, -1, 100, -100, 2.5, -7.75, 0.1]
    for dtype in DTYPES:
        x = torch.tensor(values if dtype.is_floating_point else [0, 1, 2, 100, 5, 7, 3, 1]).to(dtype)
        assert x.to("opencl").to(to).cpu().tolist() == x.to(to).tolist(), dtype


@needs_opencl
def test_strides_and_views():
    x = torch.arange(120.0).reshape(2, 3, 4, 5)
    y = x.to("opencl")
    for view in (lambda t: t.permute(3, 1, 0, 2), lambda t: t[:, 1:, ::2], lambda t: t[..., 2],
                 lambda t: t.transpose(1, 3)[1], lambda t: t.expand(7, 2, 3, 4, 5),
                 lambda t: t.reshape(6, 20).t()):
        assert close(view(x), view(y), 0)
        assert close(view(x).contiguous() * 2, view(y).contiguous() * 2, 0)
        assert close(view(x).sum(), view(y).sum())
    y[:, 1] = -1
    x[:, 1] = -1
    y[0].zero_(), x[0].zero_()
    assert close(x, y, 0)


@needs_opencl
def test_broadcast_dtypes_numbers_in_place_and_out():
    a, b = torch.randn(3, 1, 5), torch.randn(4, 1)
    p, q = on(a, b)
    assert close(a * b + 2, p * q + 2)
    assert close(a.int() + b, p.int() + q)
    assert close(a.half() + 1.5, p.half() + 1.5) and close(a.bfloat16() * b.bfloat16(),
                                                           p.bfloat16() * q.bfloat16())
    assert close(torch.where(a > 0, a, 0.5), torch.where(p > 0, p, 0.5))
    assert close(a + torch.tensor(2.0), p + torch.tensor(2.0))
    out = torch.empty(0, device="opencl")
    assert torch.add(p, q, out=out) is out and close(a + b, out)
    q += 1
    q.mul_(3).clamp_(-1, 1)
    assert close(((b + 1) * 3).clamp(-1, 1), q)
    assert close(a.exp().add_(1).log_(), p.exp().add_(1).log_())


@needs_opencl
def test_reductions():
    x = torch.randn(5, 300, 7)
    y = x.to("opencl")
    for dim in (None, 0, 1, 2, (0, 2), (1, 2)):
        assert close(x.sum(dim), y.sum(dim), 1e-4) and close(x.amax(dim or ()), y.amax(dim or ()))
        assert close(x.mean(dim, keepdim=True), y.mean(dim, keepdim=True), 1e-4)
    long = torch.randn(300_000, dtype=torch.float64)
    assert close(long.sum(), long.to("opencl").sum(), 1e-10)
    assert (y > 100).any().item() is False and (y < 100).all().item() is True
    assert torch.zeros(0, 3, device="opencl").sum(0).tolist() == [0, 0, 0]
    again = y.sum()
    assert all(torch.equal(y.sum(), again) for _ in range(3)), "sums have one order"


@needs_opencl
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int32], ids=str)
def test_products(dtype):
    def make(*sizes):
        return (torch.randn(sizes) * 3).to(dtype)
    tolerance = 3e-2 if dtype == torch.bfloat16 else 1e-4
    for a, b in ((make(3, 4), make(4, 5)), (make(70, 33), make(33, 41)), (make(7, 3, 4), make(7, 4, 5)),
                 (make(6), make(6)), (make(5, 6), make(6)), (make(6), make(6, 3)),
                 (make(2, 1, 3, 4), make(5, 4, 2)), (make(4, 0), make(0, 3)),
                 (make(9, 8).t(), make(7, 9).t())):
        p, q = on(a, b)
        assert close(a @ b, p @ q, tolerance), (a.shape, b.shape)


F = nn.functional


@needs_opencl
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"stride": 2, "padding": 2},
                                     {"dilation": 2, "padding": 1}, {"groups": 2, "stride": (1, 2)}],
                         ids=str)
def test_convolution(options):
    x, w, b = torch.randn(3, 4, 9, 8), torch.randn(6, 4 // options.get("groups", 1), 3, 3), torch.randn(6)
    both(lambda x, w, b: F.conv2d(x, w, b, **options), x, w, b)
    both(lambda x, w: F.conv2d(x, w, **options), x, w)


@needs_opencl
def test_layers():
    x = torch.randn(5, 4, 6, 6)
    both(lambda x: F.max_pool2d(x, 2), x)
    both(lambda x: F.max_pool2d(x, 3, 2, 1), x)
    both(lambda x: F.avg_pool2d(x, 3, 2, 1), x)
    both(lambda x: F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False), x)
    both(lambda x, w, b: F.linear(x, w, b), torch.randn(3, 5, 8), torch.randn(4, 8), torch.randn(4))
    for dim in (0, 1, -1):
        both(lambda x: F.softmax(x, dim), x)
        both(lambda x: F.log_softmax(x, dim), x)
    w, b, mean, var = torch.randn(4), torch.randn(4), torch.randn(4), torch.rand(4) + 0.5
    both(lambda x, w, b: F.batch_norm(x, mean.to(x.device), var.to(x.device), w, b), x, w, b)
    both(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), x, w, b)
    both(lambda x: F.gelu(F.relu(x) + x.tanh() * x.sigmoid()), x)


@needs_opencl
def test_running_statistics():
    here, x = nn.BatchNorm2d(3), torch.randn(4, 3, 5, 5)
    there = nn.BatchNorm2d(3).to("opencl")
    for _ in range(3):
        here(x), there(x.to("opencl"))
    assert close(here.running_mean, there.running_mean) and close(here.running_var, there.running_var)


@needs_opencl
def test_halves_with_statistics_in_float32():
    here, x = nn.BatchNorm2d(3), torch.randn(4, 3, 5, 5).bfloat16()
    there = copy.deepcopy(here).to("opencl")
    results = []
    for net, place in ((here, "cpu"), (there, "opencl")):
        z = x.clone().to(place).requires_grad_()
        y = net(z)
        y.sum().backward()
        results.append([y.detach(), z.grad, net.running_mean, net.running_var])
    for a, b in zip(*results, strict=True):
        assert close(a, b, 1e-2)


@needs_opencl
def test_running_statistics_on_copies():
    """Half statistics have no kernel: what the CPU wrote of the arguments comes back, and counts."""
    warnings.resetwarnings()
    here, x = nn.BatchNorm2d(3).half(), torch.randn(4, 3, 5, 5).half()
    there = nn.BatchNorm2d(3).half().to("opencl")
    before = there.running_mean._version
    here(x), fallbacks(there, x.to("opencl"))
    assert here.running_mean.abs().sum() > 0 and there.running_mean._version > before
    assert close(here.running_mean, there.running_mean) and close(here.running_var, there.running_var)


@needs_opencl
def test_copies_onto_themselves():
    x = torch.arange(6.0, device="opencl").reshape(2, 3)
    x[0] += 1
    x[:, 1] *= 2
    x[:1, 0] -= 1
    assert x.tolist() == [[0, 4, 3], [3, 8, 5]]
    assert x.copy_(x.view_as(x)) is x and x.tolist() == [[0, 4, 3], [3, 8, 5]]


@needs_opencl
def test_divisor_of_more_than_32_bits():
    """The kernel holds it in 32 bits, where it would be 2: the CPU takes it."""
    warnings.resetwarnings()
    x = torch.full((1, 2, 4, 4), 2.0**32)
    y, _ = fallbacks(F.avg_pool2d, x.to("opencl"), 2, divisor_override=(1 << 32) + 2)
    assert close(torch.full((1, 2, 2, 2), 4.0), y)


@needs_opencl
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(reduction):
    target, weight = torch.tensor([1, 0, 3, -100, 2]), torch.rand(4)
    both(lambda x: F.cross_entropy(x, target.to(x.device), reduction=reduction), torch.randn(5, 4))
    both(lambda x: F.cross_entropy(x, target.to(x.device), weight.to(x.device), reduction=reduction),
         torch.randn(5, 4))


@needs_opencl
def test_index_out_of_range():
    x = torch.randn(3, 4, device="opencl", requires_grad=True)
    with pytest.raises(IndexError, match="Target 7 is out of bounds"):
        F.cross_entropy(x, torch.tensor([0, 7, 1], device="opencl"))
    with pytest.raises(IndexError, match="out of range"):
        x.index_select(0, torch.tensor([0, 5], device="opencl"))
    with pytest.raises(IndexError):
        F.embedding(torch.tensor([-1], device="opencl"), x)


@needs_opencl
def test_selecting():
    x, i = torch.randn(5, 6), torch.tensor([4, 0, 0])
    p, j = on(x, i)
    assert close(x.index_select(0, i), p.index_select(0, j), 0)
    assert close(x.gather(1, i.expand(5, 3)), p.gather(1, j.expand(5, 3)), 0)
    assert close(F.embedding(i, x), F.embedding(j, p), 0)
    assert close(torch.cat([x, x[1:3], x.t()[:, :5].t()], 0), torch.cat([p, p[1:3], p.t()[:, :5].t()], 0), 0)


@needs_opencl
def test_one_warning_for_what_has_no_kernel():
    warnings.resetwarnings()
    x = torch.randn(4, 4)
    y, lacking = fallbacks(torch.linalg.cholesky, (x @ x.t() + torch.eye(4)).to("opencl"))
    assert y.device.type == "opencl"
    assert lacking or fallbacks(torch.linalg.cholesky, y)[1] == []


@needs_opencl
def test_files_across_devices():
    model = nn.Linear(3, 2).to("opencl")
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    assert torch.load(file)["weight"].device.type == "opencl"
    file.seek(0)
    state = torch.load(file, map_location="cpu")
    assert state["weight"].device.type == "cpu" and close(state["weight"], model.weight.detach(), 0)
    here = nn.Linear(3, 2)
    here.load_state_dict(state)
    again = nn.Linear(3, 2).to("opencl")
    again.load_state_dict(here.state_dict())
    assert close(here.bias.detach(), again.bias.detach(), 0)


@needs_opencl
@pytest.mark.parametrize("make", [
    lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    lambda p: torch.optim.Adam(p, 0.01), lambda p: torch.optim.AdamW(p, 0.01, amsgrad=True),
    lambda p: torch.optim.RMSprop(p, 0.01)], ids=["SGD", "Adam", "AdamW", "RMSprop"])
def test_optimizers(make):
    torch.manual_seed(0)
    first, x, y = nn.Linear(4, 3), torch.randn(8, 4), torch.randn(8, 3)
    weights = []
    for place in ("cpu", "opencl"):
        model = nn.Linear(4, 3)
        model.load_state_dict(first.state_dict())
        model.to(place)
        optimizer = make(model.parameters())
        for _ in range(5):
            optimizer.zero_grad()
            F.mse_loss(model(x.to(place)), y.to(place)).backward()
            optimizer.step()
        weights.append(model.weight.detach())
    assert close(*weights, 1e-5)


def digits():
    spec = importlib.util.spec_from_file_location("digits_example", ROOT / "examples" / "digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_opencl
def test_digits(capsys, monkeypatch):
    """The example learns the digits as it does on the CPU, to the same losses. Of its fifteen passes
    three are enough for the accuracy that it promises."""
    example, losses = digits(), {}
    monkeypatch.setattr(example, "EPOCHS", 3)
    known, held_out = example.Digits(train=True), example.Digits(train=False)
    for place in ("cpu", "opencl"):
        torch.manual_seed(0)
        model = example.network().to(place)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what falls back is another test's affair
            example.train(model, known.data.to(place), known.targets.to(place))
            guess, _ = example.evaluate(model, held_out.data.to(place))
        accuracy = (guess == held_out.targets.to(place)).float().mean().item()
        assert accuracy >= 0.985
        losses[place] = [float(line.split()[3]) for line in capsys.readouterr().out.splitlines()
                         if line.startswith("epoch")]
    assert len(losses["cpu"]) == 3
    apart = [abs(a - b) for a, b in zip(losses["cpu"], losses["opencl"], strict=True)]
    assert max(apart) < 1e-4


@needs_opencl
def test_digits_first_steps():
    """Before roundings are enlarged: the same losses, step by step."""
    example, losses = digits(), []
    known = example.Digits(train=True)
    for place in ("cpu", "opencl"):
        torch.manual_seed(0)
        model, taken = example.network().to(place), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for at in range(0, 64 * 5, 64):
            x, y = (t[at:at + 64].to(place) for t in (known.data, known.targets))
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            taken.append(loss.item())
        losses.append(taken)
    assert max(abs(a - b) for a, b in zip(*losses, strict=True)) < 1e-4


@needs_opencl
def test_the_greatest_unsigned_integer_as_a_number():
    x = torch.tensor([2**64 - 1, 3], dtype=torch.uint64).to("opencl")
    assert x[0].item() == 2**64 - 1 and x.tolist() == [2**64 - 1, 3]


@needs_opencl
def test_after_a_fork_it_refuses():
    """The driver's threads are not in the child, where whoever waits for them waits for ever."""
    program = """
import os, sys, flambeau as torch
x = torch.ones(2, device="opencl")
if not os.fork():
    for touch in (lambda: x + 1, x.tolist, lambda: torch.ones(2, device="opencl"), x.sum, x.zero_):
        try:
            touch()
        except RuntimeError as error:
            print(str(error).splitlines()[0], flush=True)
    del x
    os._exit(0)
os.wait()
print((x + 1).tolist())
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    *refusals, last = run.stdout.splitlines()
    assert last == "[2.0, 2.0]" and len(refusals) == 5 and set(refusals) == {
        "Cannot re-initialize OpenCL in forked subprocess. To use OpenCL with multiprocessing, you "
        "must use the 'spawn' start method"}


@needs_opencl
def test_pickles_dlpack_and_loaders():
    x = torch.arange(6.0, device="opencl").reshape(3, 2)
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.device == x.device and y.tolist() == x.tolist()
    assert tuple(int(i) for i in x.__dlpack_device__()) == (4, 0)
    with pytest.raises(BufferError, match="Can't export a tensor on opencl:0"):
        x.__dlpack__()
    assert torch.from_dlpack(x.__dlpack__(dl_device=(1, 0))).tolist() == x.tolist()
    data = torch.utils.data
    batch, = next(iter(data.DataLoader(data.TensorDataset(x), batch_size=2)))
    assert batch.device == x.device and batch.tolist() == [[0, 1], [2, 3]]


@needs_opencl
@pytest.mark.parametrize("shape", [(5, 32, 8, 8, 24), (3, 4, 30, 31, 6), (2, 3, 5, 5, 2)], ids=str)
def test_convolutions_have_the_bits_of_the_cpu(shape):
    """Several units and splits of the weight's gradient; planes that are cut, and that are not."""
    n, c, h, w, k = shape
    for options in ({"padding": 1}, {"stride": 2, "padding": 1}):
        both(lambda x, w: F.conv2d(x, w, **options), torch.randn(n, c, h, w),  # noqa: B023
             torch.randn(k, c, 3, 3), tolerance=0)


@needs_opencl
def test_norms_have_the_bits_of_the_cpu():
    """Few images and many, long lines, one element a channel."""
    for shape in ((4, 3, 50, 50), (70, 5, 4, 4), (40, 6)):
        w, b = torch.randn(shape[1]), torch.randn(shape[1])
        both(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), torch.randn(shape), w, b,
             tolerance=0)
        x = torch.randn(shape)
        assert close(F.layer_norm(x, shape[1:]), F.layer_norm(x.to("opencl"), shape[1:]), 0)
    for dim in (0, 1):
        both(lambda x: F.softmax(x, dim), torch.randn(40, 3000), tolerance=0)  # noqa: B023
        both(lambda x: F.log_softmax(x, dim), torch.randn(40, 3000), tolerance=0)  # noqa: B023


@needs_opencl
def test_reading_and_writing_at_indices():
    """No operator falls back, and sums have the CPU's order."""
    x, i, j = torch.randn(7, 5, 4), torch.tensor([3, 0, 6, 3, 3, -1]), torch.tensor([[1], [4]])
    both(lambda x: x[i.to(x.device)], x, tolerance=0)
    both(lambda x: x[:, i[:3].to(x.device) % 5], x, tolerance=0)
    both(lambda x: x[i.to(x.device), j.to(x.device)], x, tolerance=0)
    both(lambda x, v: x.index_put((i.to(x.device),), v, accumulate=True), x, torch.randn(6, 5, 4),
         tolerance=0)
    both(lambda x, v: x.index_put((i.to(x.device), j.to(x.device)), v), x, torch.randn(2, 6, 4),
         tolerance=0)
    k = torch.tensor([[[2, 1, 0, 2], [0, 0, 1, 1], [2, 2, 2, 2]]]).expand(7, 3, 4)
    both(lambda x: x.gather(1, k.to(x.device)), x, tolerance=0)
    both(lambda x, v: x.scatter_add(1, k.to(x.device), v), x, torch.randn(7, 3, 4), tolerance=0)
    both(lambda x, v: x.index_add(0, i[:5].to(x.device), v), x, torch.randn(5, 5, 4), tolerance=0)
    both(lambda x: x.index_select(2, i[:2].to(x.device)), x, tolerance=0)
    for dtype in (torch.float32, torch.bfloat16):
        both(lambda w: F.embedding(j.to(w.device), w, padding_idx=4), x[:, 0].to(dtype), tolerance=0)
    masked = x[0] > 0.5
    both(lambda x: x.masked_fill(masked.to(x.device), -1e9), x, tolerance=0)
    both(lambda x: F.pad(x.tril().flip(1), (1, 0, -1, 2), value=3.0), x, tolerance=0)
    filled, _ = fallbacks(lambda: x.to("opencl").masked_fill_(torch.tensor(True), 0.0))
    assert not filled.any()  # a mask of the CPU has no address there
    y = torch.zeros(7, dtype=torch.int64).to("opencl")
    y[i.to("opencl")] = 5
    assert y.tolist() == [5, 0, 0, 5, 0, 0, 5]
    for t in (x.bool(), x.int(), x.half(), x.double()):
        assert t[i].equal(t.to("opencl")[i.to("opencl")].cpu())
    y, before = x.to("opencl"), x.clone()
    for call, error in ((lambda: y[i.to("opencl") + 7], IndexError),
                        (lambda: y.index_add_(0, i.to("opencl"), y[:6] + 0), IndexError),
                        (lambda: y.scatter_add_(1, k.to("opencl") + 4, y[:, :3] + 0), RuntimeError)):
        with pytest.raises(error, match="out of"):
            call()
    assert close(before, y, 0)


@needs_opencl
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.int64], ids=str)
def test_extremes_and_running_totals(dtype):
    x = torch.tensor([[3, 1, 7, 7], [5, 2, 5, 0], [1, 9, 9, 9]]).repeat(2, 3).to(dtype)
    if dtype.is_floating_point:
        x[1, 2] = x[1, 5] = float("nan")
    y = x.to("opencl")
    for dim in (0, 1):
        for name in ("max", "min"):
            here, there = getattr(x, name)(dim), getattr(y, name)(dim)
            assert here.indices.tolist() == there.indices.tolist()
            assert str(here.values.tolist()) == str(there.values.tolist())
        assert x.argmax(dim).tolist() == y.argmax(dim).tolist()
        assert x.argmin(dim, True).tolist() == y.argmin(dim, True).tolist()
        for name in ("cumsum", "cumprod"):
            here, there = getattr(x, name)(dim), getattr(y, name)(dim)
            assert here.dtype == there.dtype and str(here.tolist()) == str(there.tolist())
    assert x.argmax().item() == y.argmax().item() and x.argmin().item() == y.argmin().item()
    if dtype == torch.float32:
        both(lambda x: x.max(1).values, torch.randn(4, 6), tolerance=0)
        both(lambda x: x.cumsum(0), torch.randn(300, 6), tolerance=0)


@needs_opencl
def test_layer_norm_has_the_bits_of_the_cpu():
    """Rows in one part and in several, with weight and bias and without."""
    for shape in ((5, 7, 30), (300, 200), (2, 5000)):
        x, w, b = torch.randn(shape), torch.randn(shape[-1]), torch.randn(shape[-1])
        both(lambda x, w, b: F.layer_norm(x, shape[-1:], w, b), x, w, b, tolerance=0)  # noqa: B023
        both(lambda x: F.layer_norm(x, shape[-1:]), x, tolerance=0)  # noqa: B023


@needs_opencl
def test_gradients_of_views():
    x = torch.randn(4, 5)
    both(lambda x: x[1], x, tolerance=0)
    both(lambda x: x[:, 1:4:2], x, tolerance=0)
    both(lambda x: x.diagonal(), x, tolerance=0)


@needs_opencl
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.int64], ids=str)
def test_lines_in_order(dtype):
    x = torch.tensor([[3, 1, 7, 7], [5, 2, 5, 0], [1, 9, 9, 9]]).repeat(2, 3).to(dtype)
    if dtype.is_floating_point:
        x[1, 2] = x[1, 5] = float("nan")
        x[2, 3] = -float("inf")
    y = x.to("opencl")
    for dim in (0, 1):
        for descending in (False, True):
            for here, there in (
                    (t.sort(dim=dim, descending=descending, stable=True) for t in (x, y)),
                    (t.sort(dim=dim, descending=descending) for t in (x, y)),
                    (t.topk(3, dim, largest=descending) for t in (x, y))):
                assert here.indices.tolist() == there.indices.tolist()
                assert str(here.values.tolist()) == str(there.values.tolist())
        for here, there in (*((t.kthvalue(k, dim) for t in (x, y)) for k in (1, 2, 3)),
                            (x.median(dim), y.median(dim)), (x.cummax(dim), y.cummax(dim)),
                            (x.mode(dim), y.mode(dim)), (x.nanmedian(dim), y.nanmedian(dim)),
                            (x.cummin(dim), y.cummin(dim))):
            assert here.indices.tolist() == there.indices.tolist()
            assert str(here.values.tolist()) == str(there.values.tolist())
    assert str(x.median().item()) == str(y.median().item())
    assert str(x.nanmedian().item()) == str(y.nanmedian().item())


@needs_opencl
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=str)
def test_kth_and_mode_of_long_lines(dtype):
    """Many equals, so that the way of the CPU's algorithms shows."""
    torch.manual_seed(0)
    x = torch.randint(0, 40, (5, 700)).to(dtype)
    y = x.to("opencl")
    for here, there in (*((t.kthvalue(k) for t in (x, y)) for k in (1, 13, 350, 699, 700)), (x.mode(), y.mode())):
        assert (here.values == there.values.cpu()).all() and (here.indices == there.indices.cpu()).all()


@needs_opencl
def test_among_others():
    x, few, many = torch.randint(0, 50, (4, 9)), torch.tensor([3, 7]), torch.arange(0, 50, 3)
    for known in (few, many, many.double(), many[:0]):
        for invert in (False, True):
            here = torch.isin(x, known, invert=invert)
            assert (torch.isin(x.to("opencl"), known.to("opencl"), invert=invert).cpu() == here).all()
    nan = torch.tensor([float("nan"), 1.0]).to("opencl")
    assert torch.isin(nan, nan).tolist() == [False, True]
    assert torch.isin(3, many.to("opencl")).item() is True


@needs_opencl
def test_distinct_elements_and_counts():
    nan = float("nan")
    for x in (torch.randint(0, 5, (4, 6)), torch.tensor([1.0, nan, nan, 1, -0.0, 0.0]),
              torch.tensor(2.5), torch.zeros(0), torch.tensor([True, False, True])):
        for function in (torch.unique, torch.unique_consecutive):
            here = function(x, return_inverse=True, return_counts=True)
            there = function(x.to("opencl"), return_inverse=True, return_counts=True)
            for a, b in zip(here, there, strict=True):
                assert b.device.type == "opencl" and a.dtype == b.dtype and a.shape == b.shape
                assert torch.allclose(a.double(), b.cpu().double(), equal_nan=True)
    for x in (torch.randint(0, 9, (50,)), torch.tensor([5], dtype=torch.uint8)):
        for least in (0, 20):
            found = torch.bincount(x.to("opencl"), minlength=least)
            assert found.device.type == "opencl" and torch.equal(found.cpu(), torch.bincount(x, minlength=least))
    with pytest.raises(RuntimeError, match="^bincount only supports 1-d non-negative"):
        torch.bincount(torch.tensor([-1, 2]).to("opencl"))


@needs_opencl
def test_scattering_into_strided_memory():
    x, part = torch.arange(12.0).reshape(3, 4), torch.full((2, 2), -1.0)
    for base in (x, x.t(), x[:, 1:3]):
        here = base.as_strided_scatter(part, (2, 2), (4, 1), 1)
        there = x.to("opencl").as_strided(base.shape, base.stride(), base.storage_offset())
        result = there.as_strided_scatter(part.to("opencl"), (2, 2), (4, 1), 1)
        assert result.device.type == "opencl" and result.cpu().tolist() == here.tolist()
    grads = []
    for place in ("cpu", "opencl"):
        leaf = x.detach().to(place).requires_grad_()
        leaf.as_strided_scatter(part.to(place), (2, 2), (4, 1), 1).sum().backward()
        grads.append(leaf.grad.tolist())
    assert grads[0] == grads[1]


@needs_opencl
def test_no_dims_are_one_of_one_element():
    x, one = torch.tensor([5.0, 6.0, 7.0]), torch.tensor(2)
    y = x.to("opencl")
    assert y.gather(0, one.to("opencl")).item() == 7 and y.gather(0, one.to("opencl")).shape == ()
    scalar = torch.tensor(4.0, device="opencl")
    assert scalar.gather(0, torch.tensor([0, 0, 0], device="opencl")[:1]).tolist() == [4]
    assert scalar.scatter(0, torch.tensor([0], device="opencl"), torch.tensor([9.0], device="opencl")).item() == 9
    assert y.scatter_add(0, one.to("opencl"), torch.tensor(1.0, device="opencl")).tolist() == [5, 6, 8]


@needs_opencl
def test_a_generator_of_the_device():
    g = torch.Generator(device="opencl").manual_seed(3)
    assert g.device == torch.device("opencl:0") and g.clone_state().device == g.device
    here = torch.rand(4, generator=torch.Generator().manual_seed(3))
    assert torch.rand(4, device="opencl", generator=g).tolist() == here.tolist()
    again = pickle.loads(pickle.dumps(g))
    assert again.device == g.device
    assert torch.rand(4, device="opencl", generator=again).tolist() == \
        torch.rand(4, device="opencl", generator=g).tolist()


@needs_opencl
def test_lines_in_order_and_their_gradients():
    x = torch.randn(3, 1000)
    both(lambda x: x.sort(1).values, x, tolerance=0)
    both(lambda x: x.sort(0, descending=True).values, x, tolerance=0)
    both(lambda x: x.topk(5).values, x, tolerance=0)
    both(lambda x: x.logcumsumexp(1), x, tolerance=1e-5)
    edges, values = torch.tensor([-1.0, 0, 0.5]), torch.tensor([[0.5, -2, 3], [0, 0.1, float("nan")]])
    for right in (False, True):
        assert torch.equal(torch.searchsorted(edges, values, right=right),
                           torch.searchsorted(*on(edges, values), right=right).cpu())
        short = torch.searchsorted(*on(edges, values), right=right, out_int32=True)
        assert short.dtype == torch.int32
        assert torch.equal(short.cpu().long(), torch.searchsorted(edges, values, right=right))


@needs_opencl
def test_masks():
    x = torch.randn(6, 700)
    mask = x > 0.2
    both(lambda x: x[mask.to(x.device)], x, tolerance=0)
    both(lambda x: x.masked_select(mask.to(x.device)), x, tolerance=0)
    both(lambda x: x[:, mask[0].to(x.device)], x, tolerance=0)
    both(lambda x: x[mask[:, 0].to(x.device), :5], x, tolerance=0)
    both(lambda x: x[mask[:, 0]], x, tolerance=0)  # a mask of the CPU
    y, m = on(x, mask)
    here, there = x.clone(), y.clone()
    here[mask], there[m] = 0.5, 0.5
    assert close(here, there, 0)
    here[mask], there[m] = x[mask] * 2, y[m] * 2
    assert close(here, there, 0)
    for t in (mask, mask.byte() * 3, x.relu().bfloat16(), x.relu()[0], torch.zeros(2, 3)):
        assert t.nonzero().tolist() == t.to("opencl").nonzero().tolist()
    assert y[m.new_zeros(6)].shape == (0, 700)
    with pytest.raises(IndexError, match=r"The shape of the mask \[5\] at index 0 does not match"):
        y[m[:5, 0]]
    with pytest.raises(IndexError, match="too many indices"):
        y[m, m]


@needs_opencl
def test_scatter():
    x, v = torch.randn(5, 4), torch.randn(3, 6)
    i = torch.tensor([[0, 3, 1, 0], [2, 2, 4, 1], [4, 0, 0, 3]])
    both(lambda x, v: x.scatter(0, i.to(x.device), v), x, v, tolerance=0)
    both(lambda x: x.scatter(0, i.to(x.device), 2.5), x, tolerance=0)
    both(lambda x: x.index_fill(1, torch.tensor([0, -1]).to(x.device), 1.5), x, tolerance=0)
    few = i[:2, :2]  # covers a part of both
    both(lambda x, v: x.scatter_add(0, few.to(x.device), v), x, v, tolerance=0)
    both(lambda x: x.gather(0, few.to(x.device)), x, tolerance=0)
    p, j, w = on(x, i, v)
    for reduce in ("add", "multiply"):
        assert close(x.scatter(0, i, v, reduce=reduce), p.scatter(0, j, w, reduce=reduce), 0)
        assert close(x.scatter(0, i, 3, reduce=reduce), p.scatter(0, j, 3, reduce=reduce), 0)
    for reduce in ("sum", "prod", "amax", "amin"):
        both(lambda x, v: x.scatter_reduce(0, i.to(x.device), v, reduce), x, v,  # noqa: B023
             tolerance=1e-6)
    assert F.one_hot(j, 6).tolist() == F.one_hot(i, 6).tolist() and F.one_hot(j).shape == (3, 4, 5)
    with pytest.raises(RuntimeError, match="Class values must be smaller than num_classes"):
        F.one_hot(j, 4)
    with pytest.raises(RuntimeError, match="out of bounds"):
        p.scatter(0, j + 2, w)
    order = torch.tensor([3, 1, 1])
    assert close(x[order], p[order], 0)  # indices of the CPU


@needs_opencl
def test_adaptive_pools():
    x = torch.randn(2, 3, 13, 10)
    for size in ((1, 1), (4, 7), (13, 5)):
        both(lambda x: F.adaptive_avg_pool2d(x, size), x, tolerance=1e-6)  # noqa: B023
        both(lambda x: F.adaptive_max_pool2d(x, size), x, tolerance=0)  # noqa: B023


@needs_opencl
def test_resizing():
    x = torch.randn(2, 3, 5, 4)
    both(lambda x: F.interpolate(x, scale_factor=2), x, tolerance=1e-6)
    both(lambda x: F.interpolate(x, (3, 9), mode="bilinear", align_corners=True), x, tolerance=1e-6)
    both(lambda x: F.interpolate(x, (7, 2), mode="bicubic"), x, tolerance=1e-5)


@needs_opencl
def test_empty_and_single_elements():
    """Nothing to do is no reason to go to the CPU."""
    x = torch.randn(0, 4)
    both(lambda x: F.layer_norm(x, (4,), torch.ones(4).to(x.device)), x, tolerance=0)
    both(lambda x: x.cumsum(0), x, tolerance=0)
    both(lambda x: x.sort(0).values, x, tolerance=0)
    both(lambda x: F.adaptive_avg_pool2d(x.reshape(0, 4, 1, 1), 1), x, tolerance=0)
    one = torch.tensor(2.5)
    both(lambda x: x.max(0).values.reshape(1), one, tolerance=0)
    both(lambda x: x.cummax(0).values.reshape(1), one, tolerance=0)
    row, none = torch.randn(5).to("opencl"), torch.empty(2, 0, dtype=torch.int64).to("opencl")
    assert row.gather(0, none).shape == (2, 0)  # an index of other dims, but empty
    half = torch.randn(2, 3, 4, 5, 6).bfloat16()
    assert close(*(F.adaptive_avg_pool3d(t, (2, 3, 4)) for t in (half, half.to("opencl"))), 0)


@needs_opencl
@pytest.mark.parametrize("make", [
    lambda: nn.LSTM(4, 5, num_layers=2, bidirectional=True), lambda: nn.LSTM(4, 5, proj_size=3),
    lambda: nn.GRU(4, 5, batch_first=True), lambda: nn.RNN(4, 5, nonlinearity="relu"),
    lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)],
    ids=["LSTM", "projected", "GRU", "RNN", "attention"])
def test_layers_in_operators(make):
    torch.manual_seed(0)
    layer, x = make(), torch.randn(6, 3, 4)
    there = copy.deepcopy(layer).to("opencl")
    results = []
    for net, place in ((layer, "cpu"), (there, "opencl")):
        y = net(x.to(place))
        y = y[0] if isinstance(y, tuple) else y
        (y * y).sum().backward()
        results.append([y.detach(), *(p.grad for p in net.parameters())])
    for a, b in zip(*results, strict=True):
        assert close(a, b, 1e-4)


@needs_opencl
def test_attention_with_masks():
    q, k, v = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 6)
    shown = torch.tensor([[True, False, True, True, False], [False] * 5, [True] * 5])
    both(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, shown.to(q.device)), q, k, v)
    both(lambda q, k, v: F.scaled_dot_product_attention(q, k[:, :3], v[:, :3], is_causal=True), q, k, v)


@needs_opencl
def test_what_is_of_the_cpu_alone():
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        torch.zeros(2, device="opencl").pin_memory()


@needs_opencl
def test_warnings_each_time():
    warnings.resetwarnings()
    x = torch.eye(3, device="opencl")
    torch.set_warn_always(True)
    try:
        for _ in range(2):
            assert fallbacks(torch.linalg.inv, x)[1] == ["linalg_inv_ex"]
    finally:
        torch.set_warn_always(False)
