"""Every in-place form there is, with what shares its memory as operand, beside its functional form:
the gradient is the same, or backward refuses. And every result, when what it was made from or it
itself is written afterwards."""

import functools

import pytest

import flambeau as torch

SHAPE = (3, 3)
REFUSALS = (
    "modified by an inplace operation",
    "refer to a single memory location",
    "refers to a single memory location",
    "is not implemented",
)
# Their names end in _ or their functional forms do something else.
APART = {"apply", "map", "requires_grad", "detach", "share_memory", "rename", "resize", "set", "data"}
# What an operand may be: q is another leaf.
OPERANDS = {
    "other": lambda x, q: q,
    "destination": lambda x, q: x,
    "view": lambda x, q: x.view(-1).view(x.shape),
    "alias": lambda x, q: x[:],
    "transposed": lambda x, q: x.t(),
    "row": lambda x, q: x[0],
    "detached": lambda x, q: x.detach(),
}
OPERAND = object()
INDEX = torch.tensor([0, 2, 1])
MASK = torch.tensor([[True, False, True], [False, False, True], [True, True, False]])
ARGUMENTS = (
    (),
    (OPERAND,),
    (OPERAND, OPERAND),
    (0.4,),
    (0.3, 0.6),
    (OPERAND, 0.25),
    (0,),
    (1,),
    (0, 1),
    (2, 0, 1.0),
    (0, INDEX, OPERAND),
    (0, INDEX, 0.5),
    (0, INDEX.expand(3, 3), OPERAND),
    (0, INDEX.expand(3, 3), 0.5),
    (0, INDEX.expand(3, 3), OPERAND, "prod"),
    (MASK, OPERAND),
    (MASK, 0.5),
    ((INDEX, INDEX), 0.5 * torch.ones(3, dtype=torch.float64)),
)


def leaves():
    p = torch.linspace(0.2, 0.9, 9, dtype=torch.float64).reshape(SHAPE).requires_grad_()
    q = torch.linspace(0.8, 0.3, 9, dtype=torch.float64).reshape(SHAPE).requires_grad_()
    return p, q


def weights(y):
    return torch.linspace(0.5, 1.5, max(y.numel(), 1), dtype=torch.float64)[: y.numel()].reshape(
        y.shape
    )


def gradients(y, p, q):
    """Those of both leaves of a weighted sum of y, zeros where nothing arrives."""
    if not y.requires_grad:
        return [[0.0] * 9] * 2
    (y * weights(y)).sum().backward()
    return [[0.0] * 9 if t.grad is None else t.grad.flatten().tolist() for t in (p, q)]


def close(a, b):
    return all(
        x == y or x != x or abs(x - y) <= 1e-9 * max(1, abs(x)) for x, y in zip(sum(a, []), sum(b, []))
    )


def outcome(function, wants=None):
    """The gradients, or the refusal as text."""
    p, q = leaves()
    torch.manual_seed(0)
    try:
        return gradients(function(p, q), p, q)
    except (RuntimeError, NotImplementedError) as error:
        text = str(error)
        if any(refusal in text for refusal in REFUSALS):
            return text
        raise


def calls():
    """(functional name, arguments) that the functional form takes and that keep floats."""
    for name in dir(torch.Tensor):
        base = name[:-1]
        if not name.endswith("_") or name.startswith("_") or base in APART:
            continue
        if not hasattr(torch.Tensor, base):
            continue
        for number, arguments in enumerate(ARGUMENTS):
            p, q = leaves()
            given = [q if a is OPERAND else a for a in arguments]
            try:
                y = getattr(p * 1, base)(*given)
                getattr((p * 1).detach(), name)(*[g.detach() if g is q else g for g in given])
            except (TypeError, AttributeError, RuntimeError, IndexError, ValueError):
                continue
            if isinstance(y, torch.Tensor):
                yield base, number


CALLS = list(calls())


def test_the_walk_finds_them():
    assert len({name for name, _ in CALLS}) > 90


@pytest.mark.parametrize("operand", OPERANDS)
def test_in_place_as_functional(operand):
    wrong = []
    make = OPERANDS[operand]
    for name, number in CALLS:
        arguments = ARGUMENTS[number]
        if operand != "other" and OPERAND not in arguments:
            continue

        def run(p, q, form, where):
            whole = p * 1
            x = whole if where == "whole" else whole.t() if where == "view" else whole[1:2]
            if where == "row":
                whole, x = x, x
            given = [make(x, q if x.shape == q.shape else q[1:2]) if a is OPERAND else a
                     for a in arguments]
            if form == "functional":
                return getattr(x, name)(*given)
            getattr(x, name + "_")(*given)
            return x

        for where in ("whole", "view"):
            try:
                want = outcome(functools.partial(run, form="functional", where=where))
            except (RuntimeError, IndexError, ValueError, TypeError):
                continue  # such operands do not fit
            got = outcome(functools.partial(run, form="in place", where=where))
            if isinstance(got, str):
                continue
            if isinstance(want, str) or not close(want, got):
                wrong.append((name, arguments, where, want, got))
    assert not wrong


WRITES = {
    "input": lambda x, y: x.add_(1),
    "input's row": lambda x, y: x[0].mul_(3),
    "input, shown detached": lambda x, y: x.detach().mul_(3),
    "input, turned": lambda x, y: x.t_(),
    "input, longer": lambda x, y: x.unsqueeze_(0),
    "result": lambda x, y: y.add_(1),
    "result, turned": lambda x, y: y.unsqueeze_(0),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_after_is_noticed_or_harmless(write):
    wrong = []
    for name, number in CALLS:
        arguments = ARGUMENTS[number]

        def run(p, q, writes):
            x = p * 1
            y = getattr(x, name)(*[q if a is OPERAND else a for a in arguments])
            kept = weights(y)
            shared = y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
            if shared or not y.is_floating_point():
                raise IndexError  # a view: the write is meant to show
            if writes:
                WRITES[write](x, y)
            return y.reshape(kept.shape)

        try:
            want = outcome(functools.partial(run, writes=False))
        except IndexError:
            continue
        got = outcome(functools.partial(run, writes=True))
        if not isinstance(got, str) and (isinstance(want, str) or not close(want, got)):
            wrong.append((name, arguments, want, got))
    assert not wrong


def test_a_kernel_that_fails_in_place_frees_its_result_once():
    """A sanitizer tells, which runs this file in CI."""

    def failing():
        x, index = torch.zeros(64, 64), torch.full((1, 64), 64)
        for call in (x.scatter_reduce_, x.scatter_reduce):
            with pytest.raises(RuntimeError, match="index 64 is out of bounds"):
                call(0, index, torch.ones(1, 64), "amax")

    failing()
    before = torch._C.memory_stats()["allocated"]
    for _ in range(20):
        failing()
    assert torch._C.memory_stats()["allocated"] == before
