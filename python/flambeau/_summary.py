"""flambeau.summary: a table of a model's layers with their shapes, parameters and costs, found by one
run of the model.

Multiply-adds are counted of layers that multiply matrices: linear, convolutions, recurrent, bilinear
and attention. Memory counts what parameters, buffers and the layers' outputs take.
"""

from math import prod

from flambeau import _C
from flambeau.nn.modules.module import Module

Tensor = _C.Tensor


def _tensors(value):
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [tensor for item in value for tensor in _tensors(item)]


def _bytes(tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


def _convolution(module, inputs, outputs):
    weights = prod(module.kernel_size) * module.in_channels // module.groups
    return outputs[0].numel() * weights


def _transposed(module, inputs, outputs):
    weights = prod(module.kernel_size) * module.out_channels // module.groups
    return inputs[0].numel() * weights


def _recurrent(module, inputs, outputs):
    """Each step of each sequence multiplies with every matrix of weights once."""
    weights = sum(p.numel() for p in module.parameters() if p.dim() == 2)
    sequences = inputs[0].numel() // inputs[0].shape[-1]
    return sequences * weights


def _attention(module, inputs, outputs):
    query, key = inputs[0], inputs[1] if len(inputs) > 1 else inputs[0]
    wide = module.embed_dim
    queries, keys = query.numel() // query.shape[-1], key.numel() // key.shape[-1]
    batch = query.numel() // (query.shape[-1] * query.shape[-2 if module.batch_first else 0])
    pairs = queries * keys // max(1, batch)
    return 2 * queries * wide * wide + 2 * keys * wide * wide + 2 * pairs * wide


_COSTS = {
    "Linear": lambda m, x, y: y[0].numel() * m.in_features,
    "Bilinear": lambda m, x, y: y[0].numel() * m.in1_features * m.in2_features,
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), _convolution),
    **dict.fromkeys(
        ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"), _transposed
    ),
    **dict.fromkeys(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"), _recurrent),
    "MultiheadAttention": _attention,
}


def _cost(module, inputs, outputs):
    """Multiply-adds of one call, by the first class of the module's that is known."""
    for kind in type(module).__mro__:
        if kind.__name__ in _COSTS and kind.__module__.startswith(("flambeau.nn.", "torch.nn.")):
            return _COSTS[kind.__name__](module, inputs, outputs) if outputs else 0
    return 0


class Layer:
    """One call of a module. parameters counts the module's own, not those of modules inside it, and
    is 0 for a module that was called before."""

    def __init__(self, name, kind, depth):
        self.name, self.kind, self.depth = name, kind, depth
        self.input_shapes, self.output_shapes = [], []
        self.parameters = self.trainable = self.multiply_adds = self.output_bytes = 0
        self.inside = False  # whether modules were called inside it


class Summary:
    """What summary found. layers: the calls in their order; print it for a table."""

    def __init__(self, model, layers):
        self.model_name, self.layers = type(model).__name__, layers
        parameters = list(model.parameters())
        self.total_parameters = sum(p.numel() for p in parameters)
        self.trainable_parameters = sum(p.numel() for p in parameters if p.requires_grad)
        self.multiply_adds = sum(layer.multiply_adds for layer in layers)
        self.parameter_bytes = _bytes([*parameters, *model.buffers()])
        self.output_bytes = sum(layer.output_bytes for layer in layers if not layer.inside)

    def __str__(self):
        rows = [("Layer", "Output shape", "Parameters", "Multiply-adds")]
        for layer in self.layers:
            label = layer.kind if not layer.name else f"{layer.name} ({layer.kind})"
            shapes = ", ".join(str(list(shape)) for shape in layer.output_shapes[:3])
            more = ", ..." if len(layer.output_shapes) > 3 else ""
            rows.append((
                "  " * layer.depth + label,
                shapes + more or "-",
                f"{layer.parameters:,}" if layer.parameters else "-",
                f"{layer.multiply_adds:,}" if layer.multiply_adds else "-",
            ))
        wide = [max(len(row[k]) for row in rows) for k in range(4)]
        lines = [
            f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}  {d:>{wide[3]}}" for a, b, c, d in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([
            lines[0], rule, *lines[1:], rule,
            f"Parameters: {self.total_parameters:,} ({self.trainable_parameters:,} trainable)",
            f"Multiply-adds: {self.multiply_adds:,}",
            f"Memory: {_size(self.parameter_bytes)} of parameters and buffers, "
            f"{_size(self.output_bytes)} of outputs",
        ])  # fmt: skip

    __repr__ = __str__


def _size(count):
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.2f} {unit}" if unit != "B" else f"{count} B"
        count /= 1024
    return f"{count:.2f} GiB"


class _Watch:
    """Hooks of a model that write down its calls."""

    def __init__(self, model):
        self.layers, self._open, self._seen, self._handles = [], [], set(), []
        names = {module: name.rpartition(".")[2] for name, module in model.named_modules()}
        for module, name in names.items():
            self._handles.append(module.register_forward_pre_hook(self._entering(name)))
            self._handles.append(module.register_forward_hook(self._leave, with_kwargs=True))

    def _entering(self, name):
        def enter(module, args):
            for above in self._open:
                above.inside = True
            layer = Layer(name, type(module).__name__, len(self._open))
            self.layers.append(layer)
            self._open.append(layer)

        return enter

    def _leave(self, module, args, kwargs, output):
        layer = self._open.pop()
        inputs, outputs = _tensors((args, kwargs)), _tensors(output)
        layer.input_shapes = [t.shape for t in inputs]
        layer.output_shapes = [t.shape for t in outputs]
        layer.output_bytes = _bytes(outputs)
        if module not in self._seen:
            self._seen.add(module)
            known = _COSTS.keys() & {kind.__name__ for kind in type(module).__mro__}
            own = list(module.parameters(recurse=bool(known)))
            layer.parameters = sum(p.numel() for p in own)
            layer.trainable = sum(p.numel() for p in own if p.requires_grad)
        layer.multiply_adds = _cost(module, inputs, outputs)

    def close(self):
        for handle in self._handles:
            handle.remove()


def summary(model, *inputs, **kwargs):
    """A table of a model's layers: shapes, parameters, multiply-adds and memory; print it.

    inputs: what the model is called with; a tuple of ints stands for zeros of that shape. The model
    is called once, in evaluation mode and unrecorded, and left as it was.
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary() takes a module, but got {type(model).__name__}")
    inputs = [
        _C.zeros(list(x)) if isinstance(x, (tuple, list)) and all(isinstance(n, int) for n in x)
        else x
        for x in inputs
    ]  # fmt: skip
    modes = [(module, module.training) for module in model.modules()]
    recorded, state = _C._is_grad_enabled(), _C.default_generator.get_state()
    watch = _Watch(model)
    try:
        model.eval()
        _C._set_grad_enabled(False)
        model(*inputs, **kwargs)
    finally:
        watch.close()
        _C._set_grad_enabled(recorded)
        _C.default_generator.set_state(state)
        for module, mode in modes:
            module.training = mode
    return Summary(model, watch.layers)
