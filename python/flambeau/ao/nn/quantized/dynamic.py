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
        if self.dtype is not qint8:
            return flambeau.nn.functional.linear(x, self.weight(), self.bias)
        return _C._quantized_linear_dynamic(
            x, self.weight_int, self.weight_scale, self.bias, reduce_range=True
        )

    def _get_name(self):
        return "DynamicQuantizedLinear"

    def extra_repr(self):
        scheme = ", qscheme=torch.per_tensor_affine" if self.dtype is qint8 else ""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"dtype={self.dtype}{scheme}"
        )


__getattr__ = absent(__name__)
