"""torch.utils.checkpoint: the same gradients, computed again."""

import pytest

import flambeau as torch
from flambeau.utils.checkpoint import checkpoint, checkpoint_sequential

KINDS = [True, False]


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2)
    )


def gradients(run):
    model = net()
    x = torch.linspace(-1, 1, 12).view(3, 4).requires_grad_()
    torch.manual_seed(5)
    loss = run(model, x * 1).pow(2).sum()
    loss.backward()
    return [loss.item(), x.grad.tolist(), *(p.grad.tolist() for p in model.parameters())]


@pytest.mark.parametrize("reentrant", KINDS)
def test_gradients_are_the_same(reentrant):
    plain = gradients(lambda model, x: model(x))
    assert gradients(lambda model, x: checkpoint(model, x, use_reentrant=reentrant)) == plain
    segments = gradients(
        lambda model, x: checkpoint_sequential(model, 2, x, use_reentrant=reentrant)
    )
    assert segments == plain


@pytest.mark.parametrize("reentrant", KINDS)
def test_runs_twice_and_leaves_the_generator(reentrant):
    calls = []

    def function(x):
        calls.append(torch.is_grad_enabled())
        return torch.nn.functional.dropout(x, 0.5) * x

    x = torch.ones(100, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=reentrant)
    state = torch.get_rng_state()
    y.sum().backward()
    assert len(calls) == 2 and calls[1] and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x.grad, 2 * y.detach())


def test_not_reentrant_takes_structures():
    model = torch.nn.Linear(2, 2)

    def function(pair, *, scale):
        return {"y": model(pair[0]) * scale, "n": 3, "z": pair[1].detach()}

    a, b = torch.ones(1, 2), torch.ones(2, requires_grad=True) * 2
    result = checkpoint(function, (a, b), scale=b, use_reentrant=False)
    assert result["n"] == 3 and not result["z"].requires_grad
    result["y"].sum().backward()
    assert model.weight.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_not_reentrant_with_autograd_grad_and_second_derivatives():
    w = torch.tensor([3.0], requires_grad=True)
    x = torch.tensor([2.0], requires_grad=True)
    y = checkpoint(lambda x: w * x**3, x * 1, use_reentrant=False)
    (gw, gx) = torch.autograd.grad(y, (w, x), create_graph=True)
    assert gw.item() == 8.0 and gx.item() == 36.0
    assert torch.autograd.grad(gx, (x, w), retain_graph=True)[0].item() == 36.0
    assert torch.autograd.grad(gx, w)[0].item() == 12.0


def test_nested_and_without_gradients():
    model = net()
    x = torch.ones(1, 4)

    def outer(x):
        return checkpoint(model, x, use_reentrant=False) * 2

    checkpoint(outer, x, use_reentrant=False).sum().backward()
    assert model[0].weight.grad.shape == (8, 4)
    with torch.no_grad():
        assert not checkpoint(model, x, use_reentrant=False).requires_grad
    assert not checkpoint(lambda t: t * 2, x, use_reentrant=False).requires_grad
    with pytest.raises(RuntimeError, match="second time"):
        y = checkpoint(model, x, use_reentrant=False).sum()
        y.backward()
        y.backward()


def test_autocast_is_kept():
    seen = []

    def function(x):
        y = x @ x
        seen.append(y.dtype)
        return y

    with torch.autocast("cpu"):
        y = checkpoint(function, torch.ones(2, 2, requires_grad=True), use_reentrant=False)
    y.float().sum().backward()
    assert seen == [torch.bfloat16, torch.bfloat16]


def test_complaints():
    x = torch.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(lambda t: t * 2, x)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: scale"):
        checkpoint(lambda t: t, x, use_reentrant=True, scale=2)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(lambda t: t * 2, torch.ones(1), use_reentrant=True)
    count = iter((2, 3))
    y = checkpoint(lambda t: t.repeat(next(count)), x, use_reentrant=False)
    with pytest.raises(torch.utils.checkpoint.CheckpointError, match="different metadata"):
        y.sum().backward()
