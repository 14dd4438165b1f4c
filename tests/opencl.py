"""Whether tests on OpenCL can run here, and why not."""
import os
import warnings

import pytest

import flambeau as torch


def _missing():
    try:
        torch.empty(1, device="opencl")
        return None
    except RuntimeError as error:
        return str(error).splitlines()[0]


MISSING = _missing()
# The part of CI that installs a driver sets this: what is skipped there is a failure.
if MISSING and os.environ.get("FLAMBEAU_OPENCL") == "required":
    raise RuntimeError(MISSING)
needs_opencl = pytest.mark.skipif(bool(MISSING), reason=f"no OpenCL device: {MISSING}")


def fallbacks(function, *args, **kwargs):
    """What a call gives, and the operators that ran on the CPU for want of a kernel.

    The warning comes once for each operator of a process."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*args, **kwargs)
    return result, [str(w.message).split()[0] for w in caught if "has no kernel" in str(w.message)]


@pytest.fixture(autouse=True)
def no_warnings():
    """A fallback is a warning: where none is expected, it fails the test."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*has no kernel.*")
        yield


def on(*tensors):
    return [t.to("opencl") for t in tensors]


def close(here, there, tolerance=1e-5):
    assert there.device.type == "opencl" and there.dtype == here.dtype and there.shape == here.shape
    return torch.allclose(here.double(), there.cpu().double(), tolerance, tolerance)


def both(function, *tensors, tolerance=1e-4):
    """Values and gradients of function(*tensors) here and there."""
    results = []
    for place in ("cpu", "opencl"):
        args = [t.detach().to(place) for t in tensors]
        for t in args:
            t.requires_grad_(t.is_floating_point())
        y = function(*args)
        y.backward(torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(place))
        results.append([y.detach()] + [t.grad for t in args if t.is_floating_point()])
    for here, there in zip(*results, strict=True):
        assert close(here, there, tolerance)
