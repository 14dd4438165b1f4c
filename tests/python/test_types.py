"""dtype, device, Size, memory_format, Generator."""

import copy
import pickle

import pytest

import flambeau as torch


def test_dtypes():
    assert repr(torch.float32) == "torch.float32" and str(torch.int64) == "torch.int64"
    assert (
        torch.float is torch.float32 and torch.half is torch.float16 and torch.long is torch.int64
    )
    assert torch.float32.is_floating_point and not torch.int8.is_floating_point
    assert torch.int8.is_signed and not torch.uint8.is_signed and torch.bfloat16.itemsize == 2
    assert isinstance(torch.float32, torch.dtype) and torch.complex64.is_complex
    assert pickle.loads(pickle.dumps(torch.bfloat16)) is torch.bfloat16
    assert copy.deepcopy(torch.int32) is torch.int32
    assert torch.promote_types(torch.int8, torch.float16) is torch.float16
    assert torch.result_type(torch.ones(2, dtype=torch.int32), 1.0) is torch.float32
    assert torch.can_cast(torch.int32, torch.float32) and not torch.can_cast(
        torch.float32, torch.int32
    )
    with pytest.raises(TypeError):
        torch.dtype()


def test_default_dtype():
    with pytest.raises(
        TypeError, match="only floating-point types are supported as the default type"
    ):
        torch.set_default_dtype(torch.int32)
    with pytest.raises(TypeError, match="invalid dtype object"):
        torch.set_default_dtype("x")


def test_devices():
    cpu = torch.device("cpu")
    assert repr(cpu) == "device(type='cpu')" and str(cpu) == "cpu" and cpu.index is None
    one = torch.device("cuda:1")
    assert repr(one) == "device(type='cuda', index=1)" and str(one) == "cuda:1" and one.index == 1
    assert torch.device("cuda", 1) == one and hash(torch.device("cuda", 1)) == hash(one)
    assert torch.device("cuda") != torch.device("cuda:0") and cpu != "cpu"
    assert torch.device(cpu) is cpu and torch.device(type="cpu") == cpu
    assert pickle.loads(pickle.dumps(one)) == one
    assert torch.ones(1).device == cpu
    with cpu:
        assert torch.ones(1).device == cpu
    for text in ("foo", "cuda:", "cuda:x", "cuda:-1", "cpu:999999999999", ""):
        with pytest.raises(RuntimeError):
            torch.device(text)
    with pytest.raises(TypeError):
        torch.device(1.5)


def test_sizes():
    size = torch.Size([2, 3])
    assert repr(size) == "torch.Size([2, 3])" and size == (2, 3) and size.numel() == 6
    assert type(size + (4,)) is torch.Size and type((1,) + size) is torch.Size
    assert type(size[0:1]) is torch.Size and size[0] == 2 and type(size * 2) is torch.Size
    assert isinstance(size, tuple) and hash(size) == hash((2, 3)) and {size: 1}[(2, 3)] == 1
    assert type(torch.ones(2, 3).shape) is torch.Size and torch.Size().numel() == 1
    assert pickle.loads(pickle.dumps(size)) == size and type(copy.deepcopy(size)) is torch.Size
    a, b = size
    assert (a, b) == (2, 3)
    with pytest.raises(
        TypeError, match="torch.Size.. takes an iterable of 'int' .item 0 is 'float'"
    ):
        torch.Size((1.0,))
    with pytest.raises(TypeError):
        size + [1]


def test_formats():
    assert (
        repr(torch.channels_last) == "torch.channels_last"
        and repr(torch.strided) == "torch.strided"
    )
    assert isinstance(torch.contiguous_format, torch.memory_format)
    assert pickle.loads(pickle.dumps(torch.preserve_format)) is torch.preserve_format


def test_generators():
    g = torch.Generator()
    assert g.manual_seed(3) is g and g.initial_seed() == 3 and str(g.device) == "cpu"
    state = g.get_state()
    assert state.dtype is torch.uint8 and state.shape == (5056,)
    a = torch.rand(5, generator=g)
    g.set_state(state)
    b = torch.rand(5, generator=g)
    assert a.tolist() == b.tolist()
    assert isinstance(g.seed(), int) and g.clone_state().initial_seed() == g.initial_seed()
    assert torch.manual_seed(-1).initial_seed() == 2**64 - 1
    assert torch.manual_seed(0) is torch.default_generator
    with pytest.raises(RuntimeError, match="manual_seed expected a long, but got str"):
        g.manual_seed("x")
    with pytest.raises(ValueError):
        g.manual_seed(2**70)
    with pytest.raises(TypeError):
        torch.rand(2, generator=3)
    with pytest.raises(TypeError):
        g.set_state(torch.ones(3))
    with pytest.raises(RuntimeError):
        g.set_state(torch.ones(3, dtype=torch.uint8))


def test_threads_and_memory():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
    with pytest.raises(RuntimeError, match="set_num_threads expects a positive integer"):
        torch.set_num_threads(0)
    with pytest.raises(RuntimeError, match="set_num_threads expects an int"):
        torch.set_num_threads("a")
    held = torch.ones(1000, 1000)
    stats = torch._C.memory_stats()
    assert stats["peak"] >= stats["allocated"] > 0
    del held
    torch._C.empty_cache()


def test_a_number_names_a_device_of_an_accelerator():
    for make in (lambda: torch.device(0), lambda: torch.ones(2, device=0), lambda: torch.tensor([1], device=1),
                 lambda: torch.ones(2).to(0), lambda: torch.ones(2).cuda(0), lambda: torch.nn.Linear(2, 2).to(0)):
        with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available."):
            make()
    with pytest.raises(RuntimeError, match="Device index must not be negative"):
        torch.device(-1)
    with pytest.raises(RuntimeError, match="Invalid device string: 'cuda:01'"):
        torch.device("cuda:01")


def test_modules_of_devices():
    assert torch.get_device_module() is torch.cpu and torch.get_device_module("cuda:1") is torch.cuda
    assert torch.get_device_module(torch.device("cuda")).is_available() is False
    with pytest.raises(RuntimeError, match="Device 'meta' does not have a corresponding module registered"):
        torch.get_device_module("meta")
    with pytest.raises(RuntimeError, match="Invalid value of device '0', expect torch.device, str, or None"):
        torch.get_device_module(0)
