"""Trading computing for memory: a part of a model is run again in backward, instead of keeping what
it computed (source: torch.utils.checkpoint).

The variant that is not reentrant runs the function recorded, finds the leaves that its graph leads
to, and drops the graph. What stays is one node, from those leaves and from the tensors among the
arguments to the results; its backward runs the function again and differentiates that run. The
reentrant variant runs the function unrecorded, and in backward lets a backward of its own put
gradients into the parameters.
"""

import warnings
from contextlib import nullcontext

from flambeau import _C, autograd
from flambeau.amp.autocast_mode import _restored, _state
from flambeau.autograd.function import Function
from flambeau.autograd.grad_mode import enable_grad
from flambeau.random import fork_rng, get_rng_state, set_rng_state
from flambeau.utils._pytree import tree_flatten, tree_unflatten

Tensor = _C.Tensor


class CheckpointError(RuntimeError):
    """The second run differed from the first."""


class DefaultDeviceType:
    """The device whose generators are kept beside the CPU's: accepted."""

    _default_device_type = "cuda"

    @staticmethod
    def set_device_type(device="cuda"):
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type():
        return DefaultDeviceType._default_device_type


def noop_context_fn():
    return nullcontext(), nullcontext()


def get_device_states(*args):
    """([], []): generators of devices."""
    return [], []


def set_device_states(devices, states, *, device_type=None):
    """Nothing to set."""


class set_checkpoint_debug_enabled:
    """A context; accepted."""

    def __init__(self, enabled):
        self.enabled = enabled

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


set_checkpoint_early_stop = set_checkpoint_debug_enabled


def detach_variable(inputs):
    """The inputs without history, asking for gradients as before."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            + type(inputs).__name__
        )
    return tuple(
        x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs
    )


def check_backward_validity(inputs):
    """Warns where no input asks for a gradient: then none comes."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=4
        )


class _Again:
    """A function's second run, under the conditions of the first: the generator's state, autocast,
    and a context."""

    def __init__(self, function, preserve_rng_state, context=None):
        self._function, self._context = function, context
        self._rng = get_rng_state() if preserve_rng_state else None
        self._autocast = _state()

    def __call__(self, *args, **kwargs):
        with fork_rng(enabled=self._rng is not None), enable_grad(), _restored(self._autocast):
            if self._rng is not None:
                set_rng_state(self._rng)
            with self._context or nullcontext():
                return self._function(*args, **kwargs)


# ---- Reentrant -----------------------------------------------------------------------------------


class CheckpointFunction(Function):
    """apply(function, preserve_rng_state, *args): gradients of the tensors among args are returned,
    those of parameters gather by the way."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.again = _Again(run_function, preserve_rng_state)
        ctx.tensors = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx.rest = [None if isinstance(x, Tensor) else x for x in args]
        ctx.save_for_backward(*(args[i] for i in ctx.tensors))
        return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        inputs = list(ctx.rest)
        for i, tensor in zip(ctx.tensors, ctx.saved_tensors):
            inputs[i] = tensor
        inputs = detach_variable(tuple(inputs))
        outputs = ctx.again(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (y, g) for y, g in zip(outputs, grads) if isinstance(y, Tensor) and y.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        autograd.backward([y for y, _ in pairs], [g for _, g in pairs])
        return (None, None, *(x.grad if isinstance(x, Tensor) else None for x in inputs))


# ---- Not reentrant -------------------------------------------------------------------------------


def _leaves_behind(outputs):
    """The leaf tensors that the outputs' graph leads to, each once."""
    found, seen = {}, set()
    waiting = [y.grad_fn for y in outputs]
    for y in outputs:
        if y.grad_fn is None:
            found[y] = None
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            found[variable] = None
        waiting += [following for following, _ in node.next_functions]
    return list(found)


def _differentiable(leaves):
    return [x for x in leaves if isinstance(x, Tensor) and x.requires_grad]


class _Recomputed(Function):
    """apply(run, *tensors): the results of run, whose backward runs it again."""

    @staticmethod
    def forward(ctx, run, *tensors):
        ctx.run = run
        ctx.save_for_backward(*tensors)
        return run.take_results()

    @staticmethod
    def backward(ctx, *grads):
        return (None, *ctx.run.gradients(ctx.saved_tensors, grads))


class _Run:
    """One call under checkpoint: its arguments, and how to run it again."""

    def __init__(self, function, args, kwargs, context_fn, check, preserve_rng_state):
        first, second = context_fn()
        self._again = _Again(function, preserve_rng_state, second)
        self._check = check
        self._arguments, self._spec = tree_flatten((args, kwargs))
        # Where tensors with a history stand: they are cut from it for the run.
        self._cut = [
            i
            for i, x in enumerate(self._arguments)
            if isinstance(x, Tensor) and x.requires_grad and not x.is_leaf
        ]
        self.inputs = [self._arguments[i] for i in self._cut]
        inside = [x.detach().requires_grad_() for x in self.inputs]
        with first:
            self.output = function(*args, **kwargs) if not inside else self._call(function, inside)
        results, self.output_spec = tree_flatten(self.output)
        self.results = results
        wanted = _differentiable(results)
        known = {id(x) for x in inside}
        self.parameters = [x for x in _leaves_behind(wanted) if id(x) not in known]
        for i in self._cut:  # the node keeps them, so that they go when it goes
            self._arguments[i] = None

    def _call(self, function, tensors):
        arguments = list(self._arguments)
        for i, tensor in zip(self._cut, tensors):
            arguments[i] = tensor
        args, kwargs = tree_unflatten(arguments, self._spec)
        return function(*args, **kwargs)

    def take_results(self):
        """The differentiable results, without the graph; it ends here."""
        wanted = _differentiable(self.results)
        self._shapes = [(y.shape, y.dtype) for y in wanted]
        return tuple(y.detach() for y in wanted)

    def gradients(self, saved, grads):
        """Runs again; the gradients of inputs and parameters."""
        create_graph = _C._is_grad_enabled()
        count = len(self._cut)
        inputs = [x if create_graph else x.detach().requires_grad_() for x in saved[:count]]
        outputs = _differentiable(tree_flatten(self._call(self._again, inputs))[0])
        shapes = [(y.shape, y.dtype) for y in outputs]
        if shapes != self._shapes and self._check:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have "
                f"different metadata than during the forward pass: {self._shapes} first, then "
                f"{shapes}"
            )
        pairs = [(y, g) for y, g in zip(outputs, grads) if g is not None]
        wanted = [*inputs, *saved[count:]]
        return autograd.grad(
            [y for y, _ in pairs],
            wanted,
            [g for _, g in pairs],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )


def _without_reentrant(function, args, kwargs, context_fn, check, preserve_rng_state):
    if not _C._is_grad_enabled():
        with context_fn()[0]:
            return function(*args, **kwargs)
    run = _Run(function, args, kwargs, context_fn, check, preserve_rng_state)
    results, spec = run.results, run.output_spec
    if not _differentiable(results):
        return run.output
    made = iter(_Recomputed.apply(run, *run.inputs, *run.parameters))
    joined = [
        next(made) if isinstance(y, Tensor) and y.requires_grad else y for y in results
    ]
    run.output = run.results = None
    return tree_unflatten(joined, spec)


# ---- What programs call --------------------------------------------------------------------------


def _decided(use_reentrant, name):
    if use_reentrant is None:
        warnings.warn(
            f"{name}: the use_reentrant parameter should be passed explicitly. Starting in PyTorch "
            "2.9, calling checkpoint without use_reentrant will raise an exception. "
            "use_reentrant=False is recommended, but if you need to preserve the current default "
            "behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
            "differences between the two variants.",
            stacklevel=3,
        )
        return True
    return use_reentrant


def checkpoint(
    function,
    *args,
    use_reentrant=None,
    context_fn=noop_context_fn,
    determinism_check="default",
    debug=False,
    early_stop=True,
    **kwargs,
):
    """function(*args, **kwargs), whose intermediate results are computed again in backward (source:
    torch.utils.checkpoint.checkpoint).

    preserve_rng_state=True: random numbers of the second run are those of the first. ValueError for
    other keywords, a context_fn or debug together with use_reentrant=True.
    """
    use_reentrant = _decided(use_reentrant, "torch.utils.checkpoint")
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        check = determinism_check != "none"
        return _without_reentrant(function, args, kwargs, context_fn, check, preserve)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """Calls modules one after the other, in segments of which all but the last are checkpointed
    (source: torch.utils.checkpoint.checkpoint_sequential)."""
    use_reentrant = _decided(use_reentrant, "torch.utils.checkpoint.checkpoint_sequential")
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    from flambeau.nn.modules.container import Sequential

    functions = list(functions.children()) if isinstance(functions, Sequential) else functions

    def chain(start, end):
        def forward(x):
            for function in functions[start:end]:
                x = function(x)
            return x

        return forward

    size, start = len(functions) // segments, 0
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(
            chain(start, start + size),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
    return chain(start + size if segments > 1 else 0, len(functions))(input)


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """NotImplementedError: a checkpoint keeps all or nothing."""
    raise NotImplementedError(
        "Flambeau has no torch.utils.checkpoint.create_selective_checkpoint_contexts yet"
    )
