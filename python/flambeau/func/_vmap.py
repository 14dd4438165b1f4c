"""vmap: a function of single samples becomes one of batches (source: torch.vmap).

The extension hides a dim of each input as a lane (src/core/lanes.h); this module checks how the
caller describes inputs and results, and turns dims into lanes and back.
"""
from __future__ import annotations

from functools import partial, wraps

from flambeau import _C
from flambeau.func._arguments import name_of
from flambeau.utils._pytree import (
    _broadcast_to_and_flatten,
    tree_flatten,
    tree_map_,
    tree_unflatten,
)

Tensor = _C.Tensor
RANDOMNESS = ("error", "same", "different")


class lanes:
    """A vmap at work: a context whose value is the number of its lane."""

    def __init__(self, size, randomness="error"):
        self.size, self.randomness = size, RANDOMNESS.index(randomness)

    def __enter__(self):
        self.id = _C._vmap_begin(self.size, self.randomness)
        return self.id

    def __exit__(self, *exception):
        _C._vmap_end(self.id)


def _samples(in_dims, flat):
    sizes = [x.size(d) for d, x in zip(in_dims, flat) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0]


def _check_in_dim(where, x, d):
    """The dim of an input counted from 0, or None."""
    if not isinstance(d, int) and d is not None:
        raise ValueError(
            f"{where}: Got in_dim={d} for an input but in_dim must be either an integer dimension "
            "or None."
        )
    if isinstance(d, int) and not isinstance(x, Tensor):
        raise ValueError(
            f"{where}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot "
            "vmap over non-Tensor arguments, please use None as the respective in_dim"
        )
    if d is not None and not -x.dim() <= d < x.dim():
        raise ValueError(
            f"{where}: Got in_dim={d} for some input, but that input is a Tensor of "
            f"dimensionality {x.dim()} so expected in_dim to satisfy -{x.dim()} <= in_dim < "
            f"{x.dim()}."
        )
    return d if d is None else d % x.dim()


def _inputs(func, in_dims, args):
    """(flat inputs, the dim of each or None, their spec)."""
    name = name_of(func)
    where = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{where}: expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs. The latter is unsupported."
        )
    flat, spec = tree_flatten(args)
    dims = _broadcast_to_and_flatten(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{where}: in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {tree_flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    return flat, [_check_in_dim(where, x, d) for x, d in zip(flat, dims)], spec


def _output_dims(func, out_dims, outputs, spec):
    """The dim of each output, or None."""
    if isinstance(outputs, Tensor):
        if isinstance(out_dims, int) or out_dims is None:
            return [out_dims]
        dims = list(out_dims) if isinstance(out_dims, tuple) and len(out_dims) == 1 else None
    else:
        dims = _broadcast_to_and_flatten(out_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible"
            f" with the structure of `outputs`. out_dims has structure {tree_flatten(out_dims)[1]}"
            f" but outputs has structure {spec}."
        )
    return dims


def _leave(name, y, lane, size, d):
    if d is None:
        if isinstance(y, Tensor) and lane in _C._lanes(y):
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return y
    if not isinstance(y, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(y)}. Did you "
            "mean to set out_dims= to None for output?"
        )
    if not -y.dim() - 1 <= d <= y.dim():
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-y.dim() - 1}, {y.dim()}], but "
            f"got {d})"
        )
    return _C._lane_leave(y, lane, size, d)


def _run(func, size, flat, in_dims, spec, out_dims, randomness, kwargs):
    """The function on one batch."""
    with lanes(size, randomness) as lane:
        inputs = [x if d is None else _C._lane_enter(x, lane, d) for x, d in zip(flat, in_dims)]
        outputs = func(*tree_unflatten(inputs, spec), **kwargs)
        ys, output_spec = tree_flatten(outputs)
        dims = _output_dims(func, out_dims, outputs, output_spec)
        name = name_of(func)
        ys = [_leave(name, y, lane, size, d) for y, d in zip(ys, dims)]
    return tree_unflatten(ys, output_spec)


def _run_chunks(func, size, flat, in_dims, spec, out_dims, randomness, chunk_size, kwargs):
    ends = [*range(chunk_size, size, chunk_size), size]
    state = _C.default_generator.get_state() if randomness == "same" else None
    results = []
    for start, end in zip([0, *ends], ends):
        if state is not None:
            _C.default_generator.set_state(state)
        chunk = [x if d is None else x.narrow(d, start, end - start)
                 for x, d in zip(flat, in_dims)]
        results.append(
            _run(func, end - start, chunk, in_dims, spec, out_dims, randomness, kwargs))
    columns, output_spec = zip(*[tree_flatten(r)[0] for r in results]), tree_flatten(results[0])[1]
    dims = _broadcast_to_and_flatten(out_dims, output_spec)
    joined = [column[0] if d is None else _C.cat(list(column), d)
              for column, d in zip(columns, dims)]
    return tree_unflatten(joined, output_spec)


def _check_out_dim(d, func, out_dims):
    if not isinstance(d, int) and d is not None:
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a"
            " python collection of ints representing where in the outputs the vmapped dimension "
            "should appear."
        )


def vmap(func, in_dims: object = 0, out_dims: object = 0, randomness="error", *, chunk_size=None):
    """A function that runs `func` on all samples of a batch at once (source: torch.vmap).

    in_dims: the dim of each input over which to run, None for inputs that are the same for all
    samples; an int for all, or a tree like the inputs. out_dims: likewise where that dim stands in
    the results. randomness: whether random operators are an "error", draw the "same" for all
    samples or "different" numbers. chunk_size: at most so many samples at once. ValueError for
    what does not fit.
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(
            f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})"
        )

    @wraps(func)
    def wrapped(*args, **kwargs):
        if not isinstance(out_dims, int):
            tree_map_(partial(_check_out_dim, func=func, out_dims=out_dims), out_dims)
        flat, dims, spec = _inputs(func, in_dims, args)
        size = _samples(dims, flat)
        if chunk_size is None or chunk_size >= size:
            return _run(func, size, flat, dims, spec, out_dims, randomness, kwargs)
        return _run_chunks(func, size, flat, dims, spec, out_dims, randomness, chunk_size, kwargs)

    return wrapped
