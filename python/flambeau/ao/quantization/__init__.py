"""Models with small weights (source: torch.ao.quantization): quantize_dynamic, of nn.Linear.

Quantization with observers (prepare, prepare_qat, convert) makes models of quantized tensors, which
Flambeau does not have; asking for it is an error that says so. fake_quantize_per_tensor_affine and
fake_quantize_per_channel_affine, which training with rounded weights consists of, are operators.
"""

import copy
import warnings

from flambeau import _C
from flambeau._quantized import qint8
from flambeau.ao.nn.quantized import dynamic
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module

__all__ = [
    "DeQuantStub",
    "QuantStub",
    "default_dynamic_qconfig",
    "float16_dynamic_qconfig",
    "quantize_dynamic",
]

_WITHOUT = ("LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "EmbeddingBag", "Embedding")


class _DynamicQConfig:
    """What is made of a layer's weight."""

    def __init__(self, name, dtype):
        self._name, self.dtype = name, dtype

    def __repr__(self):
        return f"torch.ao.quantization.{self._name}"


default_dynamic_qconfig = _DynamicQConfig("default_dynamic_qconfig", qint8)
float16_dynamic_qconfig = _DynamicQConfig("float16_dynamic_qconfig", _C.float16)


class QuantStub(Module):
    """Where a model's input would be quantized: the identity, as before convert in PyTorch."""

    def __init__(self, qconfig=None):
        super().__init__()
        self.qconfig = qconfig

    def forward(self, x):
        return x


class DeQuantStub(QuantStub):
    """Where a model's output would be numbers again: the identity."""


def _wanted(spec, dtype):
    """From a layer's name or class to a dtype."""
    if dtype is not qint8 and dtype is not _C.float16:
        raise ValueError(
            f"Don't know how to quantize with default settings for {dtype}. Provide full qconfig please"
        )
    if spec is None:
        return dict.fromkeys((Linear, *_WITHOUT[:5]), dtype)
    if isinstance(spec, dict):
        return {k: None if q is None else getattr(q, "dtype", dtype) for k, q in spec.items()}
    return dict.fromkeys(spec, dtype)


def _replace(module, wanted, path, inherited=None):
    for name, child in list(module.named_children()):
        kind, full = type(child), f"{path}.{name}" if path else name
        found = wanted.get(full, wanted.get(kind, wanted.get(kind.__name__, inherited)))
        if found is not None and kind is Linear:
            setattr(module, name, dynamic.Linear.from_float(child, dtype=found))
        elif found is not None and kind.__name__ in _WITHOUT and kind.__module__ != "__main__":
            raise NotImplementedError(
                f"Flambeau quantizes nn.Linear alone, and '{full}' is an nn.{kind.__name__}: name "
                "what to quantize, as in quantize_dynamic(model, {nn.Linear})"
            )
        else:
            _replace(child, wanted, full, found if full in wanted else inherited)


def quantize_dynamic(model, qconfig_spec=None, dtype=qint8, mapping=None, inplace=False):
    """A copy of a model whose nn.Linear layers keep their weights in int8 (or, of dtype float16, in
    halves) and quantize each input as it comes. For running a trained model on the CPU.

    qconfig_spec: classes or names of layers, or a dict from them to default_dynamic_qconfig,
    float16_dynamic_qconfig or None; without it all layers that PyTorch quantizes, of which
    NotImplementedError tells those that are not nn.Linear.
    """
    warnings.warn(
        "torch.ao.quantization is deprecated and will be removed in 2.10. ",
        DeprecationWarning, stacklevel=2,
    )
    if mapping is not None:
        raise NotImplementedError("Flambeau's quantize_dynamic knows no mapping to other classes")
    wanted = _wanted(qconfig_spec, dtype)
    if type(model) is Linear and Linear in wanted:
        return dynamic.Linear.from_float(model, dtype=wanted[Linear])
    model = model if inplace else copy.deepcopy(model)
    model.eval()
    _replace(model, wanted, "")
    return model


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau.ao.quantization' has no attribute '{name}'")
    raise AttributeError(
        f"Flambeau has no torch.ao.quantization.{name}: it has no quantized tensors, and quantizes "
        "nn.Linear dynamically, by quantize_dynamic, alone"
    )
