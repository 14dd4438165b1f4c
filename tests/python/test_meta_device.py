"""The meta device, default devices and moves between devices, as PyTorch's: literals are its own."""
import io
import warnings

import pytest

import flambeau as torch
from flambeau import nn


def meta(*sizes, **options):
    return torch.empty(*sizes, device="meta", **options)


def test_texts():
    m = torch.ones(2, 3, device="meta")
    assert repr(m) == "tensor(..., device='meta', size=(2, 3))"
    assert repr(m.sum()) == "tensor(..., device='meta', size=())"
    assert repr(m == m) == "tensor(..., device='meta', size=(2, 3), dtype=torch.bool)"
    assert repr(torch.tensor([1, 2], device="meta")) == (
        "tensor(..., device='meta', size=(2,), dtype=torch.int64)"
    )
    assert repr(torch.ones(2, device="meta", requires_grad=True) * 2) == (
        "tensor(..., device='meta', size=(2,), grad_fn=<MulBackward0>)"
    )
    assert repr(nn.Parameter(m)) == (
        "Parameter containing:\ntensor(..., device='meta', size=(2, 3), requires_grad=True)"
    )


def test_what_it_is():
    m = meta(2, 3)
    assert m.device == torch.device("meta") and m.is_meta and not m.is_cpu and not m.is_cuda
    assert not torch.ones(2).is_meta
    assert m.data_ptr() == 0 and m.untyped_storage().nbytes() == 24
    assert meta(2, dtype=torch.int16)[:1].dtype == torch.int16
    assert torch.ones(2, device="meta:1").device == torch.device("meta")


@pytest.mark.parametrize("error, message, ask", [
    (RuntimeError, "Tensor.item() cannot be called on meta tensors", lambda m: m.sum().item()),
    (RuntimeError, "Tensor.item() cannot be called on meta tensors", lambda m: bool(m.sum())),
    (RuntimeError, "Tensor.item() cannot be called on meta tensors", lambda m: int(m.sum())),
    (RuntimeError, "Tensor.item() cannot be called on meta tensors",
     lambda m: torch.allclose(m, m)),
    (NotImplementedError, "Cannot copy out of meta tensor; no data!", lambda m: m.tolist()),
    (NotImplementedError, "Cannot copy out of meta tensor; no data!", lambda m: m.cpu()),
    (NotImplementedError, "Cannot copy out of meta tensor; no data!", lambda m: m.to("cpu")),
    (NotImplementedError, "Cannot copy out of meta tensor; no data!",
     lambda m: torch.ones(2, 3).copy_(m)),
    (TypeError, "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the "
     "tensor to host memory first.", lambda m: memoryview(m)),
    (NotImplementedError, "aten::nonzero: attempted to run this operator with Meta tensors",
     lambda m: torch.nonzero(m)),
    (NotImplementedError, "attempted to run this operator with Meta tensors",
     lambda m: torch.masked_select(m, m > 0)),
    (NotImplementedError, "attempted to run this operator with Meta tensors", lambda m: m[m > 0]),
    (RuntimeError, "Tensor on device cpu is not on the expected device meta!",
     lambda m: m + torch.ones(2, 3)),
    (RuntimeError, "Tensor on device meta is not on the expected device cpu!",
     lambda m: torch.ones(2, 3) + m),
    (RuntimeError, "Tensor on device cpu is not on the expected device meta!",
     lambda m: torch.cat([m, torch.ones(2, 3)])),
    (AssertionError, "Torch not compiled with CUDA enabled", lambda m: m.to("cuda")),
])
def test_refusals(error, message, ask):
    with pytest.raises(error) as caught:
        ask(torch.ones(2, 3, device="meta"))
    assert message in str(caught.value)


def test_numbers_without_dims_join():
    m, s = meta(2, 3), torch.tensor(2.0)
    assert (m + s).is_meta and (s * m).is_meta and (m * 2).is_meta
    assert m.fill_(s) is m
    assert m.copy_(torch.ones(2, 3)) is m
    assert m[torch.tensor([1])].shape == (1, 3)


def test_gradients():
    x = torch.ones(2, 3, device="meta", requires_grad=True)
    (x * 2).sum().backward()
    assert repr(x.grad) == "tensor(..., device='meta', size=(2, 3))"
    w = torch.ones((), requires_grad=True)
    with pytest.raises(NotImplementedError):  # its gradient is on the CPU, and there is none
        (x * w).sum().backward()


def test_moves_are_differentiated():
    x = torch.ones(3, requires_grad=True)
    y = x.to("meta")
    assert y.is_meta and y.grad_fn.name() == "ToCopyBackward0"
    assert torch.as_tensor(x.detach(), device="meta").is_meta
    assert x.to("cpu") is x and y.to("meta") is y
    assert torch.zeros_like(y).is_meta and y.new_ones(2).is_meta
    assert torch.zeros_like(y, device="cpu").tolist() == [0, 0, 0]


def test_default_device():
    c = torch.ones(2)
    with torch.device("meta"):
        layer = nn.Linear(2, 3)
        made = [torch.ones(2), torch.tensor(3), torch.arange(3), torch.hann_window(3), torch.eye(2),
                torch.randn(2)]
        assert all(t.is_meta for t in made) and layer.weight.is_meta
        assert not c.new_ones(2).is_meta and not torch.ones_like(c).is_meta
        assert not (c * 2).is_meta and not torch.nn.functional.gelu(c).is_meta
        assert torch.get_default_device() == torch.device("meta")
        with torch.device("cpu"):
            assert torch.ones(2).tolist() == [1, 1]
        assert torch.ones(2).is_meta
    assert not torch.ones(2).is_meta
    torch.set_default_device("meta")
    try:
        assert torch.ones(2).is_meta and torch.get_default_device() == torch.device("meta")
    finally:
        torch.set_default_device(None)
    assert torch.get_default_device() == torch.device("cpu")


def test_modules():
    with torch.device("meta"):
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(8 * 9, 4), nn.LayerNorm(4), nn.Softmax(1),
        )
    y = net(meta(5, 3, 8, 8))
    assert y.shape == (5, 4) and y.is_meta
    y.sum().backward()
    assert all(p.grad.is_meta and p.grad.shape == p.shape for p in net.parameters())
    with pytest.raises(NotImplementedError) as caught:
        net.to("cpu")
    assert str(caught.value) == (
        "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
        "torch.nn.Module.to() when moving module from meta to a different device."
    )
    net.zero_grad()
    real = nn.Sequential(nn.Linear(2, 3))
    bare = nn.Sequential(nn.Linear(2, 3, device="meta"))
    with pytest.warns(UserWarning, match="copying from a non-meta parameter in the checkpoint"):
        bare.load_state_dict(real.state_dict())
    assert bare[0].weight.is_meta
    bare.load_state_dict(real.state_dict(), assign=True)
    assert bare[0].weight.tolist() == real[0].weight.tolist()
    assert nn.Linear(2, 3).to("meta").weight.is_meta
    assert not net.to_empty(device="cpu")[0].weight.is_meta


def test_recurrent_and_attention():
    with torch.device("meta"):
        lstm, layer = nn.LSTM(4, 6, 2), nn.TransformerEncoderLayer(8, 2, 16)
        y, (h, c) = lstm(torch.randn(5, 3, 4))
        assert (y.shape, h.shape, c.shape) == ((5, 3, 6), (2, 3, 6), (2, 3, 6)) and y.is_meta
        assert layer(torch.randn(5, 3, 8)).shape == (5, 3, 8)
        loss = nn.functional.cross_entropy(torch.randn(3, 5), torch.zeros(3, dtype=torch.long))
        assert loss.shape == () and loss.is_meta


def test_saving():
    file = io.BytesIO()
    torch.save({"w": torch.ones(2, 3, device="meta")}, file)
    file.seek(0)
    assert repr(torch.load(file)["w"]) == "tensor(..., device='meta', size=(2, 3))"
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    file.seek(0)
    assert torch.load(file, map_location="meta").is_meta


def test_optimizers_and_threads():
    from threading import Thread
    layer = nn.Linear(2, 3, device="meta")
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(meta(4, 2)).sum().backward()
    optimizer.step()
    shown = []
    with torch.device("meta"):
        thread = Thread(target=lambda: shown.append(torch.ones(2).device))
        thread.start()
        thread.join()
    assert shown == [torch.device("cpu")]


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = meta(4, 4)
        torch.linalg.inv(m), torch.linalg.svd(m), m.cumsum(0), m.sort(), m.softmax(0), m @ m


def test_truncated_normal_draws_nothing_without_memory():
    before = torch.get_rng_state()
    w = torch.empty(3, 4, device="meta")
    assert torch.nn.init.trunc_normal_(w) is w
    assert torch.equal(torch.get_rng_state(), before)
