"""Choices and loops that a compiler could keep (source: torch._higher_order_ops), run as they are;
and numbers that one could trace."""

import builtins
import math

from flambeau import _C


def cond(pred, true_fn, false_fn, operands=()):
    """true_fn(*operands) where pred holds, else false_fn(*operands) (source: torch.cond)."""
    if not isinstance(pred, (builtins.bool, _C.Tensor)):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if isinstance(pred, _C.Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of "
            f"tensor leaves, but got {operands}."
        )
    return true_fn(*operands) if pred else false_fn(*operands)


def while_loop(cond_fn, body_fn, carried_inputs):
    """What body_fn makes of the inputs, again and again while cond_fn of them holds."""
    values = tuple(carried_inputs)
    while cond_fn(*values):
        made = body_fn(*values)
        values = tuple(made) if isinstance(made, (tuple, list)) else (made,)
    return values


def sym_int(a):
    """a without what stands behind its point (source: torch.sym_int)."""
    return math.trunc(a)


def sym_float(a):
    return builtins.float(a)


def sym_not(a):
    return not a


def sym_max(a, b):
    """The larger (source: torch.sym_max); a float where either is one."""
    return _joined(builtins.max(a, b), a, b)


def sym_min(a, b):
    return _joined(builtins.min(a, b), a, b)


def _joined(number, a, b):
    """A number as what a and b promote to."""
    floats = isinstance(a, builtins.float) or isinstance(b, builtins.float)
    return builtins.float(number) if floats else number


def sym_ite(b, t, f):
    return t if b else f


def sym_sum(args):
    """The sum of numbers (source: torch.sym_sum)."""
    return builtins.sum(args)


def sym_sqrt(a):
    """The square root of a number."""
    return math.sqrt(a)
