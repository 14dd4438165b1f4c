"""The array API standard: DLPack's keywords, and a namespace for tensors."""

import sys
import types

import pytest

import flambeau as torch
from flambeau import compat


def test_dlpack_keywords():
    x = torch.arange(6.0).reshape(2, 3)
    for keywords in ({}, {"stream": None}, {"stream": -1}, {"max_version": (1, 0)}, {"copy": None},
                     {"dl_device": (1, 0)}, {"dl_device": x.__dlpack_device__(), "copy": False}):  # fmt: skip
        y = torch.from_dlpack(x.__dlpack__(**keywords))
        assert torch.equal(y, x) and y.data_ptr() == x.data_ptr()
    own = torch.from_dlpack(x.__dlpack__(copy=True, max_version=(1, 1)))
    assert torch.equal(own, x) and own.data_ptr() != x.data_ptr()
    for keywords, error, text in [
        ({"stream": 1}, AssertionError, "stream should be None on cpu."),
        ({"stream": "1"}, TypeError, "stream must be ``int`` or ``none``"),
        ({"dl_device": (2, 0)}, BufferError, "Can't export a tensor on the CPU to another device"),
        ({"bad": 1}, TypeError, "bad"),
    ]:
        with pytest.raises(error, match=text):
            x.__dlpack__(**keywords)
    with pytest.raises(BufferError, match="Can't export tensors that require gradient, use"):
        x.requires_grad_().__dlpack__()


def test_from_dlpack_keywords():
    x = torch.arange(4, dtype=torch.int16)
    assert torch.from_dlpack(x, copy=False).data_ptr() == x.data_ptr()
    assert torch.from_dlpack(x, device="cpu").data_ptr() == x.data_ptr()
    assert torch.from_dlpack(x, device=torch.device("cpu"), copy=None).tolist() == [0, 1, 2, 3]
    copied = torch.from_dlpack(x, copy=True)
    assert copied.data_ptr() != x.data_ptr() and torch.equal(copied, x)
    with pytest.raises(AssertionError, match="device and copy kwargs not supported when ext_tensor"):
        torch.from_dlpack(x.__dlpack__(), copy=True)
    with pytest.raises(TypeError):
        torch.from_dlpack(x, None)
    with pytest.raises(TypeError, match="argument 'device' must be torch.device"):
        torch.from_dlpack(x, device=1.5)


class Exporter:
    """Speaks DLPack of version 0, which has no keywords but stream."""

    def __init__(self, tensor):
        self.tensor, self.asked = tensor, []

    def __dlpack__(self, stream=None):
        self.asked.append(stream)
        return self.tensor.__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)


def test_exporters_of_version_0():
    x = Exporter(torch.ones(3))
    assert torch.from_dlpack(x).tolist() == [1, 1, 1] and x.asked == [None]
    with pytest.raises(TypeError):
        torch.from_dlpack(x, copy=True)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128], ids=str)
def test_complex_numbers_travel(dtype, tmp_path):
    x = torch.tensor([[1 + 2j, -3j], [4.5, -0.25 + 1j]], dtype=dtype)
    for y in (torch.from_dlpack(x), torch.from_dlpack(x.T).T, torch.from_dlpack(x, copy=True)):
        assert y.dtype is dtype and torch.equal(y, x)
    for name in ("x.pt", "x.safetensors"):
        path = str(tmp_path / name)
        torch.save({"x": x, "part": x[0]}, path)
        back = torch.load(path)
        assert back["x"].dtype is dtype and torch.equal(back["x"], x)
        assert torch.equal(back["part"], x[0])


def test_namespace(monkeypatch):
    x = torch.ones(3)
    if not compat.installed():
        with pytest.raises(RuntimeError, match=r"call flambeau.compat.install\(\) first"):
            x.__array_namespace__()
    with pytest.raises(ValueError, match="the array API standard '1999.12' is not followed"):
        x.__array_namespace__(api_version="1999.12")
    package, namespace = types.ModuleType("array_api_compat"), types.ModuleType("of_torch")
    package.torch = namespace
    monkeypatch.setattr(compat, "installed", lambda: True)
    monkeypatch.setitem(sys.modules, "array_api_compat", package)
    monkeypatch.setitem(sys.modules, "array_api_compat.torch", namespace)
    assert x.__array_namespace__() is namespace
    assert x.__array_namespace__(api_version="2024.12") is namespace
    monkeypatch.setitem(sys.modules, "array_api_compat.torch", None)
    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    with pytest.raises(ModuleNotFoundError, match="pip install array-api-compat"):
        x.__array_namespace__()


def test_dims_may_be_none():
    x = torch.tensor([[1.0, 5.0], [3.0, 2.0]])
    assert x.roll(1, None).tolist() == [[2.0, 1.0], [5.0, 3.0]]
    assert x.amax(None).item() == 5 and torch.amin(x, dim=None, keepdim=True).tolist() == [[1.0]]


def test_nextafter_promotes():
    y = torch.nextafter(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 1.0], dtype=torch.float64))
    assert y.dtype is torch.float64 and y.tolist() == [1 + 2.0**-52, 2 - 2.0**-52]
    y = torch.nextafter(torch.tensor([1, 2]), torch.tensor([2.0, 1.0]))
    assert y.dtype is torch.float32 and y.tolist() == [1 + 2.0**-23, 2 - 2.0**-23]
    y = torch.nextafter(torch.tensor([1.0]).half(), torch.tensor(2.0))
    assert y.dtype is torch.float16 and y.item() == 1 + 2.0**-10
    with pytest.raises(NotImplementedError, match="\"nextafter_cpu\" not implemented for 'Int'"):
        torch.nextafter(torch.ones(2).int(), torch.ones(2).int())


def test_vander_of_integers():
    y = torch.linalg.vander(torch.tensor([2, 3], dtype=torch.int32), N=3)
    assert y.dtype is torch.int64 and y.tolist() == [[1, 2, 4], [1, 3, 9]]
    with pytest.raises(RuntimeError, match="and integer tensors, but got Half"):
        torch.linalg.vander(torch.ones(2).half())


def test_complex_ranges():
    y = torch.linspace(1 + 1j, 3 - 1j, 5)
    assert y.dtype is torch.complex64 and y.tolist() == [1 + 1j, 1.5 + 0.5j, 2, 2.5 - 0.5j, 3 - 1j]
    assert torch.linspace(0, 1, 3, dtype=torch.complex128).tolist() == [0, 0.5, 1]
    y = torch.logspace(0, 2j, 3, base=2.0, dtype=torch.complex128)
    assert torch.allclose(y, torch.tensor([1, 0.7692389014 + 0.6389612763j, 0.1834569748 + 0.9830277404j],
                                          dtype=torch.complex128))  # fmt: skip
    x = torch.tensor([1 + 2j, -3j])
    assert torch.linalg.vecdot(x, x).item() == 14 and torch.linalg.vecdot(x, x * 1j).item() == 14j
