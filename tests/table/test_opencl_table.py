"""Walks the operator table on the device "opencl": pointwise operators and reductions run there, and
give what the CPU gives."""
import pathlib
import sys

import pytest

import flambeau as torch
from samples import operators, tensors

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from opencl import fallbacks, needs_opencl  # noqa: E402

pytestmark = needs_opencl
# Functions whose kernels work alike on both devices round alike too; sums have an order of their own.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5}

# Their functions are long, with tables inside: no device is given them (CPU in tools/opgen/element.c).
ON_CPU = {f"special_{name}" for name in (
    "airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 erfcx log_ndtr ndtri zeta modified_bessel_k0 "
    "modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1 chebyshev_polynomial_t "
    "chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w hermite_polynomial_h "
    "hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p shifted_chebyshev_polynomial_t "
    "shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w "
).split()}


def moved(value):
    if isinstance(value, torch.Tensor):
        return value.to("opencl")
    if isinstance(value, (list, tuple)):
        return type(value)(moved(v) for v in value)
    return value


def real(op):
    return "complex" not in op.result_dtype and op.kind in ("pointwise", "reduce")


def agree(here, there, tolerance):
    assert there.device.type == "opencl" and there.dtype == here.dtype
    assert there.shape == here.shape and there.stride() == here.stride()
    there = there.cpu()
    if here.is_floating_point():
        return bool(torch.allclose(here, there, tolerance, tolerance, equal_nan=True))
    return bool((here == there).all())


@pytest.mark.parametrize("op", [op for op in operators() if real(op) and not op.random], ids=str)
def test_same_as_cpu(op):
    for sample in op.samples():
        for dtype in (None, torch.float32):
            args = sample.build(dtype)
            here = tensors(op.call(args))
            if any(t.is_complex() for t in here + tensors(args)):
                continue
            there, lacking = fallbacks(op.call, {k: moved(v) for k, v in args.items()})
            assert not lacking or op.name.split(".")[0] in ON_CPU, f"{sample} ran on the CPU"
            for a, b in zip(here, tensors(there), strict=True):
                assert agree(a, b, TOLERANCE.get(a.dtype, 0)), (sample, dtype)
