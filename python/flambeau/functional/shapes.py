"""Shapes broadcast, grids, blocks and splits."""

import itertools

import flambeau as fl
from flambeau import _C
from flambeau.functional._arguments import check_input, check_tensors


def nonzero_static(input, *, size, fill_value=-1):
    """nonzero, cut or filled with fill_value to `size` rows (source: torch.nonzero_static)."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = _C.nonzero(input)[:size]
    rest = _C.full((size - found.shape[0], input.dim()), fill_value, dtype=fl.int64)
    return _C.cat([found, rest])


def block_diag(*tensors):
    """A matrix with the matrices on its diagonal, zeros elsewhere (source: torch.block_diag)."""
    blocks = [_C.atleast_2d(t) for t in check_tensors(tensors)] or [fl.empty(1, 0)]
    for block in blocks:
        if block.dim() != 2:
            raise RuntimeError("block_diag: Input tensors must have 2 or fewer dimensions")
    dtype = blocks[0].dtype
    for block in blocks[1:]:
        dtype = fl.promote_types(dtype, block.dtype)
    width, at, rows = sum(b.shape[1] for b in blocks), 0, []
    for block in blocks:
        height, own = block.shape
        left = fl.zeros(height, at, dtype=dtype)
        right = fl.zeros(height, width - at - own, dtype=dtype)
        rows.append(_C.cat([left, block.to(dtype), right], 1))
        at += own
    return _C.cat(rows, 0)


def cartesian_prod(*tensors):
    """All tuples of one element of each vector, as rows (source: torch.cartesian_prod)."""
    check_tensors(tensors)
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([t.flatten() for t in _C.meshgrid(*tensors)], 1)


def combinations(input, r=2, with_replacement=False):
    """All choices of r elements of a vector, as rows (source: torch.combinations)."""
    check_input("combinations", input)
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    if r == 0:
        return input.new_empty((0,))
    rows = list(choose(range(input.shape[0]), r))
    return input[fl.tensor(rows, dtype=fl.int64).reshape(len(rows), r)]


def unravel_index(indices, shape):
    """The coordinates, a tensor for each dim, of positions in a shape (source:
    torch.unravel_index)."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if indices.is_floating_point() or indices.dtype == fl.bool:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if any(size < 0 for size in shape):
        raise ValueError("'shape' cannot have negative values")
    coordinates, left = [], indices.to(fl.int64)
    for size in reversed(shape):
        coordinates.append(left % size)
        left = _C.floor_divide(left, size)
    return tuple(reversed(coordinates))


def _of_dim(name, least):
    def split(input, indices_or_sections):
        if input.dim() < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a "
                f"tensor with {input.dim()} dimensions!"
            )
        dim = {"hsplit": min(input.dim() - 1, 1), "vsplit": 0, "dsplit": 2}[name]
        if isinstance(indices_or_sections, int) and (
            indices_or_sections <= 0 or input.shape[dim] % indices_or_sections
        ):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                f"dimension {input.shape[dim]} is not divisible by the split_size "
                f"{indices_or_sections}!"
            )
        return _C.tensor_split(input, indices_or_sections, dim)

    split.__name__ = split.__qualname__ = name
    split.__doc__ = f"tensor_split along the dim that {name} means (source: torch.{name})."
    return split


hsplit, vsplit, dsplit = _of_dim("hsplit", 1), _of_dim("vsplit", 2), _of_dim("dsplit", 3)
