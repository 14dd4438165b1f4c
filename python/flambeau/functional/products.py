"""Sums of products as PyTorch's Python takes their arguments; the operators are in the table."""

from flambeau import _C

__all__ = ["einsum", "tensordot"]


def tensordot(a, b, dims=2, out=None):
    """The sum of products over several dims of each (source: torch.tensordot). dims: how many of
    a's last and b's first, or two lists."""
    if isinstance(dims, _C.Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = list(range(-dims, 0)), list(range(dims))
    of_a, of_b = ([d] if isinstance(d, int) else d for d in dims)
    y = _C.tensordot_dims(a, b, of_a, of_b)
    return y if out is None else out.resize_(y.shape).copy_(y)


def einsum(*args):
    """Sums of products named by letters, 'ij,jk->ik', '...' standing for dims that are broadcast
    (source: torch.einsum). Operands are taken from left to right, two at a time, by bmm."""
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    equation, operands = args[0], args[1:]
    if not isinstance(equation, str):
        equation, operands = _equation(args)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if _C._has_torch_function(tuple(operands)):
        return _C._handle_torch_function(einsum, operands, (equation, *operands), {})
    return _C.einsum_letters(equation, operands)


def _equation(args):
    """The form einsum(a, [0, 1], b, [1, 2], [0, 2]) as an equation and its operands."""
    def letter(i):
        return "..." if i is Ellipsis else chr(ord("A") + i if i < 26 else ord("a") + i - 26)

    operands, lists = args[: len(args) // 2 * 2 : 2], args[1::2]
    text = ",".join("".join(map(letter, one)) for one in lists)
    if len(args) % 2:
        text += "->" + "".join(map(letter, args[-1]))
    return text, operands
