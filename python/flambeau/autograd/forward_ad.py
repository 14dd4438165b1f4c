"""Forward mode: dual tensors, which carry a tangent through all that is computed from them (source:
torch.autograd.forward_ad)."""

from typing import NamedTuple, Optional

from flambeau import _C
from flambeau.autograd.grad_mode import _Context

__all__ = ["UnpackedDualTensor", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual",
           "dual_level"]

_levels = []  # what the extension calls the levels; level 0 is the only one that may be


def enter_dual_level():
    """Begins a level: 0 (source: torch.autograd.forward_ad.enter_dual_level). RuntimeError inside
    another one."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(_C._dual_begin())
    return 0


def exit_dual_level(*, level=None):
    """Ends the level: its tangents are gone (source: torch.autograd.forward_ad.exit_dual_level)."""
    current = len(_levels) - 1
    if current < 0 or (level is not None and level != current):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    _C._dual_end(_levels.pop())


def _number(level):
    """The extension's number of a level, None where there is none."""
    if level is None:
        level = len(_levels) - 1
    return _levels[level] if 0 <= level < len(_levels) else None


def make_dual(tensor, tangent, *, level=None):
    """A view of `tensor` with a tangent of its sizes (source:
    torch.autograd.forward_ad.make_dual). RuntimeError outside of a level and for other sizes,
    ValueError for integers."""
    number = _number(level)
    if number is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(
                f"Expected {name} to be floating point or complex, but got: {t.dtype}"
            )
    return _C._make_dual(tensor, tangent, number)


class UnpackedDualTensor(NamedTuple):
    """What unpack_dual gives."""

    primal: _C.Tensor
    tangent: Optional[_C.Tensor]


def unpack_dual(tensor, *, level=None):
    """(primal, tangent): a view of the tensor without its tangent, and that, None where it has none
    (source: torch.autograd.forward_ad.unpack_dual)."""
    number = _number(level)
    if number is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*_C._unpack_dual(tensor, number))


class dual_level(_Context):
    """A context in which dual tensors can be made and unpacked (source:
    torch.autograd.forward_ad.dual_level)."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *exception):
        exit_dual_level()
