"""Limits on gradients (source: torch.nn.utils.clip_grad)."""
from __future__ import annotations

import types
import warnings

import flambeau

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _as_list(parameters):
    return [parameters] if isinstance(parameters, flambeau.Tensor) else list(parameters)


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all elements of the tensors together, as a 0-dim tensor."""
    norm_type, tensors = float(norm_type), _as_list(tensors)
    with flambeau.no_grad():
        if not tensors:
            return flambeau.tensor(0.0)
        norms = [tensor.norm(norm_type) for tensor in tensors]
        total = flambeau.stack([norm.to(norms[0].device) for norm in norms]).norm(norm_type)
        if error_if_nonfinite and not bool(total.isfinite()):
            raise RuntimeError(
                f"The total norm of order {norm_type} for gradients from `parameters` is"
                " non-finite, so it cannot be clipped. To disable this error and scale the"
                " gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
            )
        return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scales the gradients so that a total norm becomes at most max_norm."""
    with flambeau.no_grad():
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for parameter in _as_list(parameters):
            if parameter.grad is not None:
                parameter.grad.mul_(scale)


def _advise():
    from flambeau import _advice
    from flambeau._hint import speaks_chinese

    _advice.warn(
        "clip_without_gradients",
        "clip_grad_norm_ 在所有参数里都找不到梯度，什么也没有裁剪。\n"
        "提示：请在 loss.backward() 之后、optimizer.step() 之前调用它。"
        if speaks_chinese()
        else "clip_grad_norm_ finds no gradient in any of the parameters, so it clips nothing.\n"
        "hint: call it after loss.backward() and before optimizer.step().",
    )


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scales the gradients of all parameters so that their norm together is at most max_norm;
    returns what it was."""
    given, parameters = parameters, _as_list(parameters)
    if not parameters and isinstance(given, types.GeneratorType):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads and any(parameter.requires_grad for parameter in parameters):
        _advise()
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(*args, **kwargs):
    """The old name of clip_grad_norm_."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of"
        " `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(*args, **kwargs)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Holds every gradient between -clip_value and clip_value."""
    clip_value = float(clip_value)
    grads = [p.grad for p in _as_list(parameters) if p.grad is not None]
    if not grads:
        raise RuntimeError(
            "Expected !nested_tensorlist[0].empty() to be true, but got false.  (Could this error "
            "message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    with flambeau.no_grad():
        for grad in grads:
            grad.clamp_(min=-clip_value, max=clip_value)
