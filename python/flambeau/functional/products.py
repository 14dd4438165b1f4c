"""Sums of products: einsum, tensordot and their relatives."""

import math

from flambeau import _C
from flambeau._precision import under_autocast
from flambeau.functional._arguments import several, wrap_dim


@under_autocast("float32")
def trace(input):
    """The sum of a matrix's diagonal (source: torch.trace)."""
    if input.dim() != 2:
        raise RuntimeError("trace: expected a matrix, but got tensor with dim " + str(input.dim()))
    return input.diagonal().sum()


def kron(input, other):
    """The Kronecker product (source: torch.kron)."""
    ndim = max(input.dim(), other.dim())
    a = input.reshape((1,) * (ndim - input.dim()) + tuple(input.shape))
    b = other.reshape((1,) * (ndim - other.dim()) + tuple(other.shape))
    sizes = [m * n for m, n in zip(a.shape, b.shape)]
    wide_a = [k for n in a.shape for k in (n, 1)]
    wide_b = [k for n in b.shape for k in (1, n)]
    return (a.reshape(wide_a) * b.reshape(wide_b)).reshape(sizes)


@under_autocast("as it is")
def tensordot(a, b, dims=2):
    """The sum of products over several dims of each (source: torch.tensordot). dims: how many of
    a's last and b's first, or two lists."""
    if isinstance(dims, _C.Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}"
            )
        dims = list(range(a.dim() - dims, a.dim())), list(range(dims))
    of_a = [wrap_dim(d, a.dim()) for d in dims[0]]
    of_b = [wrap_dim(d, b.dim()) for d in dims[1]]
    if len(of_a) != len(of_b):
        raise RuntimeError("both dimension lists should have same length")
    for i, j in zip(of_a, of_b):
        if a.shape[i] != b.shape[j] and a.shape[i] != 1 and b.shape[j] != 1:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
        if a.shape[i] == 1 != b.shape[j]:
            b = b.sum(j, keepdim=True, dtype=b.dtype)
        elif b.shape[j] == 1 != a.shape[i]:
            a = a.sum(i, keepdim=True, dtype=a.dtype)
    keep_a = [d for d in range(a.dim()) if d not in of_a]
    keep_b = [d for d in range(b.dim()) if d not in of_b]
    inner = math.prod(a.shape[d] for d in of_a)
    rows, columns = (math.prod(t.shape[d] for d in k) for t, k in ((a, keep_a), (b, keep_b)))
    left = a.permute(keep_a + of_a).reshape(rows, inner)
    right = b.permute(of_b + keep_b).reshape(inner, columns)
    return (left @ right).reshape([a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b])


def einsum(equation=None, *operands):
    """Sums of products named by letters, 'ij,jk->ik', '...' standing for dims that are broadcast
    (source: torch.einsum). Operands are taken from left to right, two at a time, by bmm."""
    if not operands:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    if not isinstance(equation, str):
        equation, operands = _equation((equation,) + operands)
    operands = list(several(operands))
    if not operands:
        raise ValueError("einsum(): must provide at least one operand")
    arrow, (inputs, output) = "->" in equation, (equation.split("->") + [""])[:2]
    names = [part.replace(" ", "") for part in inputs.split(",")]
    if len(names) != len(operands):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({len(names)}) does not match the "
            f"number of operands ({len(operands)})"
        )
    labels, ellipsis = [], 0
    for term, t in zip(names, operands):
        before, dots, after = term.partition("...")
        if not (before + after).isalpha() and before + after:
            raise RuntimeError(f"einsum(): {term!r} has a subscript that is not in [a-zA-Z]")
        spare = t.dim() - len(before + after)
        if spare < 0 or (spare and not dots):
            raise RuntimeError(
                f"einsum(): the number of subscripts in {term!r} does not match the number of "
                f"dimensions ({t.dim()})"
            )
        ellipsis = max(ellipsis, spare)
        labels.append([*before, *range(-spare, 0), *after])
    wide = list(range(-ellipsis, 0))
    if arrow:
        before, dots, after = output.replace(" ", "").partition("...")
        result = [*before, *(wide if dots else []), *after]
    else:
        letters = [x for own in labels for x in own if isinstance(x, str)]
        result = wide + sorted(x for x in set(letters) if letters.count(x) == 1)
    if len(set(result)) != len(result):
        raise RuntimeError("einsum(): an output subscript appears more than once in the output")
    unknown = set(result) - {x for own in labels for x in own}
    if unknown:
        raise RuntimeError(
            f"einsum(): output subscript {sorted(map(str, unknown))[0]} does not appear in the "
            "equation for any input operand"
        )
    sizes = {}
    pairs = [_diagonals(t, own) for t, own in zip(operands, labels)]
    for t, own in pairs:
        for name, size in zip(own, t.shape):
            if sizes.setdefault(name, size) == 1:
                sizes[name] = size
            elif size not in (1, sizes[name]):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast with remapped shapes: {name} has sizes "
                    f"{sizes[name]} and {size}"
                )
    t, own = pairs[0]
    for i, (other, its) in enumerate(pairs[1:], 1):
        later = {x for _, names in pairs[i + 1 :] for x in names} | set(result)
        t, own = _contract(t, own, other, its, later)
    gone = [d for d, name in enumerate(own) if name not in result]
    t = t.sum(gone) if gone else t
    own = [name for name in own if name in result]
    return t.permute([own.index(name) for name in result])


def _equation(args):
    """The form einsum(a, [0, 1], b, [1, 2], [0, 2]) as an equation and its operands."""
    def letter(i):
        return "..." if i is Ellipsis else chr(ord("A") + i if i < 26 else ord("a") + i - 26)

    operands, lists = args[: len(args) // 2 * 2 : 2], args[1::2]
    text = ",".join("".join(map(letter, one)) for one in lists)
    if len(args) % 2:
        text += "->" + "".join(map(letter, args[-1]))
    return text, operands


def _diagonals(t, names):
    """t with each name once: a name that stands twice means a diagonal."""
    names = list(names)
    for name in set(names):
        while names.count(name) > 1:
            i = names.index(name)
            j = names.index(name, i + 1)
            if t.shape[i] != t.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated but the sizes don't match, "
                    f"{t.shape[j]} != {t.shape[i]}"
                )
            t = t.diagonal(0, i, j)
            names = [n for k, n in enumerate(names) if k not in (i, j)] + [name]
    return t, names


def _contract(a, of_a, b, of_b, later):
    """The product of a and b, summed over the names that nothing later needs: (tensor, names)."""
    summed = []
    for t, own, others in ((a, of_a, of_b), (b, of_b, of_a)):
        drop = [d for d, n in enumerate(own) if n not in others and n not in later]
        t = t.sum(drop) if drop else t
        summed.append((t, [n for d, n in enumerate(own) if d not in drop]))
    (a, of_a), (b, of_b) = summed
    both = [n for n in of_a if n in of_b]
    size_a, size_b = dict(zip(of_a, a.shape)), dict(zip(of_b, b.shape))
    for n in both:  # a size of 1 is broadcast
        size_a[n] = size_b[n] = max(size_a[n], size_b[n]) if 0 not in (size_a[n], size_b[n]) else 0
    batch = [n for n in both if n in later]
    inner = [n for n in both if n not in later]
    left = [n for n in of_a if n not in both]
    right = [n for n in of_b if n not in both]

    def three(t, own, size, order, shape):
        t = t.expand([size[n] for n in own]).permute([own.index(n) for n in order])
        return t.reshape(shape)

    n_batch, n_inner = (math.prod(size_a[n] for n in k) for k in (batch, inner))
    n_left = math.prod(size_a[n] for n in left)
    n_right = math.prod(size_b[n] for n in right)
    x = three(a, of_a, size_a, batch + left + inner, [n_batch, n_left, n_inner])
    y = three(b, of_b, size_b, batch + inner + right, [n_batch, n_inner, n_right])
    names = batch + left + right
    return _C.bmm(x, y).reshape([{**size_b, **size_a}[n] for n in names]), names
