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
