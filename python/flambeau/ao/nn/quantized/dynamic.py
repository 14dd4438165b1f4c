"""Layers whose weights are small and whose inputs are quantized as they come (source:
torch.ao.nn.quantized.dynamic).

A weight is kept as int8, multiples of one scale; an input becomes integers from 0 to 127 by its own
range, as PyTorch's default engine for x86 has it (seven bits, so that no sum of two products can
overflow 16). The products are summed exactly. With dtype float16 the weight is kept in halves and
the products are float32's.
"""

import flambeau
from flambeau import _C
from flambeau._absent import absent
from flambeau._quantized import qint8
from flambeau.nn.modules.module import Module

__all__ = ["Linear"]

_STEPS = 127  # of an input
_EXACT = (1 << 24) // (_STEPS * 128)  # so many products fit float32's whole numbers


def _levels(x):
    """The scale of a tensor's range, which has 0 in it, and the integer that 0 becomes."""
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / _STEPS
    if scale < 1e-38 or scale == float("inf"):
        return 0.1, 0
    from_low, from_high = -low / scale, _STEPS - high / scale
    zero = from_low if -low / scale < _STEPS + abs(high / scale) else from_high
    return scale, round(min(max(zero, 0), _STEPS))


class Linear(Module):
    """nn.Linear with a quantized weight: made by torch.ao.quantization.quantize_dynamic, or by
    Linear.from_float(module).

    The keys of its state_dict() are Flambeau's own (weight_int, weight_scale, bias): PyTorch's
    hold quantized tensors, which there are none of here.
    """

    def __init__(self, in_features, out_features, bias_=True, dtype=qint8):
        super().__init__()
        self.in_features, self.out_features, self.dtype = in_features, out_features, dtype
        kept = _C.int8 if dtype is qint8 else _C.float16
        self.register_buffer("weight_int", flambeau.zeros(out_features, in_features, dtype=kept))
        self.register_buffer("weight_scale", flambeau.ones(()))
        self.register_buffer("bias", flambeau.zeros(out_features) if bias_ else None)

    @classmethod
    def from_float(cls, mod, use_precomputed_fake_quant=False, dtype=qint8):
        """The quantized layer of an nn.Linear."""
        if type(mod).__name__ != "Linear":
            raise AssertionError("nn.quantized.dynamic.Linear.from_float only works for [Linear]")
        own = cls(mod.in_features, mod.out_features, mod.bias is not None, dtype)
        with flambeau.no_grad():
            weight = mod.weight.detach().float()
            if dtype is qint8:
                scale = weight.abs().max() / 127.5
                scale = scale.clamp(min=1.1920928955078125e-07)
                own.weight_scale.copy_(scale)
                weight = (weight * (1 / scale)).round().clamp(-128, 127)
            own.weight_int.copy_(weight)
            if mod.bias is not None:
                own.bias.copy_(mod.bias)
        own.train(mod.training)
        return own

    def weight(self):
        """The weight as float32; PyTorch's is a quantized tensor."""
        return self.weight_int.float() * self.weight_scale

    @flambeau.no_grad()
    def forward(self, x):
        if x.dtype is not _C.float32:
            raise RuntimeError(
                f"DynamicQuantizedLinear wants an input of torch.float32, not {x.dtype}"
            )
        if self.dtype is not qint8 or x.numel() == 0:
            return flambeau.nn.functional.linear(x, self.weight(), self.bias)
        scale, zero = _levels(x)
        wide = _C.float32 if self.in_features <= _EXACT else _C.float64
        steps = (x * (1 / flambeau.tensor(scale))).round().add(zero).clamp(0, _STEPS).sub(zero)
        sums = flambeau.nn.functional.linear(steps.to(wide), self.weight_int.to(wide)).float()
        sums = sums * (self.weight_scale * scale)
        return sums if self.bias is None else sums + self.bias

    def _get_name(self):
        return "DynamicQuantizedLinear"

    def extra_repr(self):
        scheme = ", qscheme=torch.per_tensor_affine" if self.dtype is qint8 else ""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"dtype={self.dtype}{scheme}"
        )


__getattr__ = absent(__name__)
