"""Differentiation (source: torch.autograd). The engine is in C; this module checks arguments and
fills in gradients."""

from flambeau import _C
from flambeau.autograd.grad_mode import (  # noqa: F401
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)

Tensor = _C.Tensor

_HOMES = {
    **dict.fromkeys(
        ("Function", "FunctionCtx", "once_differentiable", "InplaceFunction"), "function"
    ),
    **dict.fromkeys(("gradcheck", "gradgradcheck"), "gradcheck"),
    **dict.fromkeys(("detect_anomaly", "set_detect_anomaly"), "anomaly_mode"),
    "Variable": "variable",
}
_MODULES = frozenset(
    "function functional graph anomaly_mode forward_ad grad_mode profiler variable".split()
)


def __getattr__(name):
    home = _HOMES.get(name)
    if home is not None:
        module = __import__("flambeau.autograd." + home, fromlist=[name])
        value = getattr(module, name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return __import__("flambeau.autograd." + name, fromlist=[name])
    raise AttributeError(
        f"Flambeau has no torch.autograd.{name} yet"
        if not name.startswith("__")
        else f"module 'flambeau.autograd' has no attribute '{name}'"
    )


def _tuple_of(tensors):
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)


def _start_gradients(outputs, grads):
    """The gradient each output starts with: the one given, or ones where the output has a single
    element.

    RuntimeError for a shape that differs from its output's, and for an output of several elements
    without a gradient; TypeError for what is neither a tensor nor None.
    """
    if grads is None:
        grads = (None,) * len(outputs)
    elif isinstance(grads, Tensor):
        grads = (grads,)
    else:
        grads = tuple(grads)
    made = []
    for i, (out, grad) in enumerate(zip(outputs, grads)):
        if isinstance(grad, Tensor):
            if grad.shape != out.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {grad.shape} and "
                    f"output[{i}] has a shape of {out.shape}."
                )
        elif grad is None:
            if out.requires_grad:
                if out.numel() != 1:
                    raise RuntimeError("grad can be implicitly created only for scalar outputs")
                if not out.dtype.is_floating_point:
                    raise RuntimeError(
                        "grad can be implicitly created only for real scalar "
                        f"outputs but got {out.dtype}"
                    )
                grad = _C.ones_like(out)
        else:
            raise TypeError(
                "gradients can be either Tensors or None, but got " + type(grad).__name__
            )
        made.append(grad)
    return tuple(made)


def backward(
    tensors,
    grad_tensors=None,
    retain_graph=None,
    create_graph=False,
    grad_variables=None,
    inputs=None,
):
    """Adds the gradients of `tensors` into the .grad of the leaves they depend on, or of `inputs`
    alone (source: torch.autograd.backward).

    grad_tensors: for each tensor, the gradient it starts with, of its shape; may be left out for
    single elements.
    """
    if grad_tensors is None:
        grad_tensors = grad_variables
    if inputs is not None:
        inputs = tuple(inputs.values()) if isinstance(inputs, dict) else _tuple_of(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    tensors = _tuple_of(tensors)
    starts = _start_gradients(tensors, grad_tensors)
    if retain_graph is None:
        retain_graph = create_graph
    if create_graph:
        _warn_of_cycle()
    _C._backward(tensors, starts, retain_graph, create_graph, inputs, True, True)


_warned = []


def _warn_of_cycle():
    """PyTorch's warning, once in a process."""
    if not _warned:
        _warned.append(True)
        import warnings

        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the "
            "parameter and its gradient which can cause a memory leak. We recommend using "
            "autograd.grad when creating the graph to avoid this. If you have to use this "
            "function, make sure to reset the .grad fields of your parameters to None after use "
            "to break the cycle and avoid the leak.",
            stacklevel=3,
        )


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """The gradients of the sum of `outputs` with respect to `inputs`: a tuple, or a dict when
    inputs is one (source: torch.autograd.grad). No .grad changes.

    allow_unused: an input the outputs do not depend on gives None instead of an error;
    materialize_grads: zeros instead of None. is_grads_batched: grad_outputs have one more first
    dimension, over which the gradients are taken.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when "
            "materialize_grads=True, but got: allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    keys = inputs.keys() if isinstance(inputs, dict) else None
    outputs = _tuple_of(outputs)
    inputs = tuple(inputs.values()) if keys is not None else _tuple_of(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if retain_graph is None:
        retain_graph = create_graph
    if is_grads_batched:
        result = _grad_of_batch(
            outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused
        )
    else:
        starts = _start_gradients(outputs, grad_outputs)
        result = _C._backward(
            outputs, starts, retain_graph, create_graph, inputs, False, allow_unused
        )
    if materialize_grads:
        result = tuple(
            _C.zeros_like(x, requires_grad=create_graph) if g is None else g
            for g, x in zip(result, inputs)
        )
    return dict(zip(keys, result)) if keys is not None else tuple(result)


def _grad_of_batch(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused):
    """grad for each slice of grad_outputs along dim 0, stacked: one backward under a vmap."""
    from flambeau.func._vmap import lanes

    batches = _tuple_of(grad_outputs)
    size = next(g for g in batches if g is not None).shape[0]
    with lanes(size) as lane:
        starts = tuple(None if g is None else _C._lane_enter(g, lane, 0) for g in batches)
        starts = _start_gradients(outputs, starts)
        found = _C._backward(
            outputs, starts, retain_graph, create_graph, inputs, False, allow_unused)
        return tuple(None if g is None else _C._lane_leave(g, lane, size, 0) for g in found)
