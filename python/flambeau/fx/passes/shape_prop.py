"""The shapes of a graph's results, found by running it once (source:
torch.fx.passes.shape_prop)."""

from typing import NamedTuple

from flambeau import _C
from flambeau.fx.interpreter import Interpreter
from flambeau.fx.node import map_aggregate


class TensorMetadata(NamedTuple):
    """What is known of a tensor without its elements."""

    shape: _C.Size
    dtype: _C.dtype
    requires_grad: bool
    stride: tuple
    memory_format: object
    is_quantized: bool
    qparams: dict


def _metadata(value):
    if not isinstance(value, _C.Tensor):
        return value
    dense = value.layout == _C.strided
    formats = (_C.contiguous_format, _C.channels_last, _C.channels_last_3d) if dense else ()
    layout = next((f for f in formats if value.is_contiguous(memory_format=f)), None)
    return TensorMetadata(value.shape, value.dtype, value.requires_grad,
                          value.stride() if dense else (), layout, False, {})


class ShapeProp(Interpreter):
    """propagate(*args) runs the module and leaves in each node's meta "type" and, where the result
    holds tensors, "tensor_meta". RuntimeError that names the node which fails."""

    def run_node(self, n):
        try:
            result = super().run_node(n)
        except Exception as error:
            raise RuntimeError(
                f"ShapeProp error for: node={n.format_node()} with meta={n.meta}") from error
        seen = []
        map_aggregate(result, lambda x: seen.append(x) if isinstance(x, _C.Tensor) else None)
        if seen:
            n.meta["tensor_meta"] = map_aggregate(result, _metadata)
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args):
        return self.run(*args)
