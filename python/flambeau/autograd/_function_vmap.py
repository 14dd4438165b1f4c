"""A Function under vmap: by its own rule, the static method vmap, or as the call that it is on
tensors with lanes (source: torch.autograd.Function.vmap)."""

from typing import NamedTuple

from flambeau import _C
from flambeau.func._vmap import RANDOMNESS
from flambeau.utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten

Tensor = _C.Tensor


class VmapInfo(NamedTuple):
    """What the static method vmap is told of the vmap."""

    batch_size: int
    randomness: str


def apply(kind, args, _):
    """kind.apply(*args), some argument having lanes."""
    if hasattr(kind, "vmap"):
        return _by_rule(kind, args)
    lanes = {lane for x in args if isinstance(x, Tensor) for lane in _C._lanes(x)}
    sizes = {lane: size for lane, size, _ in _C._vmaps()}
    return kind.apply(*(_expanded(x, lanes, sizes) for x in args))


def _expanded(x, lanes, sizes):
    """An argument that asks for a gradient, with all lanes of the call, so that each sample has a
    gradient of its own."""
    if not isinstance(x, Tensor) or not x.requires_grad:
        return x
    for lane in lanes - set(_C._lanes(x)):
        x = _C._lane_enter(_C._lane_leave(x, lane, sizes[lane], 0), lane, 0)
    return x


def _by_rule(kind, args):
    lane = max(lane for x in args if isinstance(x, Tensor) for lane in _C._lanes(x))
    size, randomness = {i: (n, r) for i, n, r in _C._vmaps()}[lane]
    in_dims = tuple(
        0 if isinstance(x, Tensor) and lane in _C._lanes(x) else None for x in args)
    shown = [x if d is None else _C._lane_leave(x, lane, size, 0) for x, d in zip(args, in_dims)]
    outputs, out_dims = kind.vmap(VmapInfo(size, RANDOMNESS[randomness]), in_dims, *shown)
    flat, spec = tree_flatten(outputs)
    dims = _broadcast_to_and_flatten(out_dims, spec)
    if dims is None:
        raise RuntimeError(
            f"{kind.__name__}.vmap: the out_dims {out_dims} do not fit the structure of the "
            "outputs"
        )
    hidden = [y if d is None else _C._lane_enter(y, lane, d) for y, d in zip(flat, dims)]
    return tree_unflatten(hidden, spec)
