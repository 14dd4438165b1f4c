"""Device types that PyTorch knows and this build has no driver for: made and compared as any other,
refused where a tensor is to live there, in PyTorch's words."""

import copy
import pickle

import pytest

import flambeau as torch

OTHERS = (
    "mps xpu xla hpu mtia privateuseone ipu hip ve fpga maia lazy vulkan mkldnn opengl ideep"
).split()


@pytest.mark.parametrize("name", OTHERS)
def test_a_device_of_another_type_is_made(name):
    device = torch.device(f"{name}:1")
    assert (device.type, device.index, str(device)) == (name, 1, f"{name}:1")
    assert repr(torch.device(name)) == f"device(type='{name}')"
    assert device == torch.device(name, 1) != torch.device(name)
    assert {device: 2}[torch.device(name, 1)] == 2
    assert pickle.loads(pickle.dumps(device)) == copy.deepcopy(device) == device
    assert torch.ones(2).device != torch.device(name)


@pytest.mark.parametrize("name", OTHERS)
def test_no_tensor_lives_there(name):
    error = (RuntimeError, AssertionError, ModuleNotFoundError)
    for use in (
        lambda: torch.zeros(2, device=name),
        lambda: torch.tensor([1.0], device=torch.device(name)),
        lambda: torch.ones(2).to(name),
        lambda: torch.nn.Linear(2, 2).to(torch.device(name)),
        lambda: torch.zeros_like(torch.ones(2), device=name),
        lambda: torch.Generator(name),
        lambda: torch.FloatTensor(2, device=name),
        lambda: torch.device(name).__enter__(),
        lambda: torch.set_default_device(name),
    ):
        with pytest.raises(error):
            use()
    assert torch.get_default_device().type == "cpu"


def test_the_words_of_the_refusals():
    with pytest.raises(NotImplementedError, match="^Could not run 'aten::empty.memory_format' wit"):
        torch.zeros(2, device="mps")
    with pytest.raises(RuntimeError, match="^PyTorch is not linked with support for mps devices"):
        torch.ones(2).to("mps")
    with pytest.raises(AssertionError, match="^Torch not compiled with XPU enabled"):
        torch.ones(2).to("xpu")
    with pytest.raises(ModuleNotFoundError, match="^No module named 'torch.hpu'"):
        torch.ones(2, device="hpu")
    with pytest.raises(RuntimeError, match="getNewGenerator.. without MPS backend"):
        torch.Generator("mps")
    with pytest.raises(RuntimeError, match="^legacy constructor expects device type: cpu but"):
        torch.FloatTensor(2, device="mps")
    with pytest.raises(RuntimeError, match="^Expected one of cpu, cuda, .*string: npu"):
        torch.device("npu")
    with pytest.raises(RuntimeError, match="^unknown device type for autocast"):
        torch._C._autocast_enabled("vulkan")


def test_a_program_may_name_the_device_it_would_like():
    device = torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
    assert torch.ones(2, device=device).device.type == "cpu"
    assert [d.type for d in map(torch.device, ("mps", "xpu", "cpu"))] == ["mps", "xpu", "cpu"]
    with pytest.warns(DeprecationWarning, match="is_pinned"):
        assert not torch.ones(1).is_pinned("mps")
    assert not torch.ones(1).is_pinned()
