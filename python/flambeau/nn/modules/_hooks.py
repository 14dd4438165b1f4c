"""A module's call with hooks, and how full backward hooks get at the gradients (source:
torch.nn.Module._call_impl).

A full backward hook wants the gradients of a module's inputs and outputs together. Both are passed
through an identity function of autograd's: the hook of the output's node keeps its gradients, the
hook of the input's node, which runs last, calls the user's hooks with both.
"""
from __future__ import annotations

import flambeau
from flambeau.autograd import Function
from flambeau.nn.modules import _hook_registry as _registry


def call(module, args, kwargs):
    """module(*args, **kwargs) with its hooks and those of all modules; a hook marked always_call
    runs after errors too."""
    state = _Call(module, args, kwargs)
    try:
        return state.run()
    except Exception:
        state.run_always_called()
        raise


class _Call:
    """One call: its arguments and result as the hooks so far have left them."""

    def __init__(self, module, args, kwargs):
        self.module, self.args, self.kwargs = module, args, kwargs
        self.result = None
        self.done = set()  # ids of the always_call hooks that have run

    def run(self):
        module = self.module
        pre = module._get_backward_pre_hooks()
        full, other = module._get_backward_hooks()
        self.run_pre_hooks()
        backward = BackwardHook(module, full, pre) if full or pre else None
        if backward:
            self.args = backward.setup_input_hook(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        for key, hook in (*_registry._global_forward_hooks.items(), *module._forward_hooks.items()):
            if self.is_always_called(key):
                self.done.add(key)
            self.run_forward_hook(key, hook)
        if backward:
            if not isinstance(self.result, (flambeau.Tensor, tuple)):
                _registry.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple"
                    f" of Tensors but received {type(self.result)}"
                )
            self.result = backward.setup_output_hook(self.result)
        if other:
            grad_fn = _first_tensor(self.result).grad_fn
            if grad_fn is not None:
                for hook in other:
                    grad_fn.register_hook(_registry.WrappedHook(hook, module))
        return self.result

    def run_pre_hooks(self):
        module = self.module
        for key, hook in (
            *_registry._global_forward_pre_hooks.items(),
            *module._forward_pre_hooks.items(),
        ):
            if key in module._forward_pre_hooks_with_kwargs:
                changed = hook(module, self.args, self.kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs),"
                        f" but got {changed}."
                    )
                self.args, self.kwargs = changed
            else:
                changed = hook(module, self.args)
                if changed is not None:
                    self.args = changed if isinstance(changed, tuple) else (changed,)

    def is_always_called(self, key):
        return (
            key in self.module._forward_hooks_always_called
            or key in _registry._global_forward_hooks_always_called
        )

    def run_forward_hook(self, key, hook):
        module = self.module
        if (
            key in module._forward_hooks_with_kwargs
            or key in _registry._global_forward_hooks_with_kwargs
        ):
            changed = hook(module, self.args, self.kwargs, self.result)
        else:
            changed = hook(module, self.args, self.result)
        if changed is not None:
            self.result = changed

    def run_always_called(self):
        """After an error: the always_call hooks that have not run yet. What they raise becomes a
        warning."""
        for hooks, whose in (
            (_registry._global_forward_hooks, "global module"),
            (self.module._forward_hooks, "module"),
        ):
            for key, hook in list(hooks.items()):
                if not self.is_always_called(key) or key in self.done:
                    continue
                try:
                    self.run_forward_hook(key, hook)
                except Exception as error:
                    _registry.warn(
                        f"{whose} forward hook with ``always_call=True`` raised an exception that"
                        f" was silenced as another error was raised in forward: {error}"
                    )


def _first_tensor(value):
    while not isinstance(value, flambeau.Tensor):
        if isinstance(value, dict):
            value = next(v for v in value.values() if isinstance(v, flambeau.Tensor))
        else:
            value = value[0]
    return value


class BackwardHookFunction(Function):
    """Tensors in, the same tensors out: a node to hang hooks on."""

    @staticmethod
    def forward(ctx, *args):
        ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
        return args

    @staticmethod
    def backward(ctx, *grads):
        return grads


class BackwardHook:
    """Runs one call's backward hooks (source: torch.utils.hooks.BackwardHook)."""

    def __init__(self, module, user_hooks, user_pre_hooks):
        self.module, self.user_hooks, self.user_pre_hooks = module, user_hooks, user_pre_hooks
        self.grad_outputs = None
        self.inputs = self.outputs = (
            None  # positions of the tensors; None where nothing wants a gradient
        )
        self.input_count = self.output_count = 0

    def setup_input_hook(self, args):
        """args with its tensors passed through the node that knows the inputs' gradients."""
        args, node, self.inputs = _through_identity(args)
        self.input_count = len(args)
        if node is not None:
            node.register_hook(self._at_inputs)
        return args

    def setup_output_hook(self, result):
        """result with its tensors passed through the node that knows the outputs' gradients."""
        outputs, node, self.outputs = _through_identity(
            result if isinstance(result, tuple) else (result,)
        )
        self.output_count = len(outputs)
        if node is not None:
            node.register_hook(self._at_outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _at_outputs(self, _, grads):
        self.grad_outputs = _spread(self.outputs, grads, self.output_count)
        for hook in self.user_pre_hooks:
            changed = hook(self.module, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != self.output_count:
                raise RuntimeError("Backward pre hook returned an invalid number of grad_output, "
                                   f"got {len(changed)}, but expected {self.output_count}")
            self.grad_outputs = changed
        grads = self.grad_outputs
        if self.inputs is None:
            self._without_input_gradients()
        return tuple(grads[i] for i in self.outputs)

    def _without_input_gradients(self):
        """No input wants a gradient, so no node of theirs will run: the hooks are called here."""
        _registry.warn(
            "Full backward hook is firing when gradients are computed with respect to module"
            " outputs since no inputs require gradients. See"
            " https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details."
        )
        for hook in self.user_hooks:
            result = hook(self.module, (None,) * self.input_count, self.grad_outputs)
            if result is not None and not (
                isinstance(result, tuple) and all(g is None for g in result)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always"
                    " return None or None for all gradients."
                )
        self.grad_outputs = None

    def _at_inputs(self, grads, _):
        if (
            self.grad_outputs is None
        ):  # A gradient that came round the module's output, as in a second derivative.
            return None
        result = _spread(self.inputs, grads, self.input_count)
        for hook in self.user_hooks:
            changed = hook(self.module, result, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != len(result):
                raise RuntimeError("Backward hook returned an invalid number of grad_input, "
                                   f"got {len(changed)}, but expected {len(result)}")
            result = changed
        self.grad_outputs = None
        return tuple(result[i] for i in self.inputs)


def _spread(positions, values, count):
    """A tuple of count with the values at their positions and None elsewhere."""
    spread = [None] * count
    for position, value in zip(positions, values, strict=True):
        spread[position] = value
    return tuple(spread)


def _through_identity(values):
    """(values with its tensors passed through a node, the node, the tensors' positions); no node
    without gradients."""
    positions = [i for i, value in enumerate(values) if isinstance(value, flambeau.Tensor)]
    if not flambeau.is_grad_enabled() or not any(values[i].requires_grad for i in positions):
        return values, None, None
    outputs = BackwardHookFunction.apply(*(values[i] for i in positions))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    node = next(output.grad_fn for output in outputs if output.grad_fn is not None)
    changed = list(values)
    for position, output in zip(positions, outputs):
        changed[position] = output
    return (tuple(changed) if type(values) is tuple else type(values)(*changed)), node, positions
