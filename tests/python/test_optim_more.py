"""Rprop, ASGD, Adafactor, Muon, LBFGS, SparseAdam and swa_utils, against PyTorch's numbers."""

import pytest

import flambeau as torch

optim = torch.optim
swa = torch.optim.swa_utils


def matrices(model):
    return [p for p in model.parameters() if p.dim() == 2]


def train(make, steps=6):
    """The losses of a small net, and the sum of its parameters' sizes in the end."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    x, y = torch.randn(7, 3), torch.randn(7, 2)
    optimizer = make(model)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(steps):
        if isinstance(optimizer, optim.LBFGS):
            loss = optimizer.step(closure)
        else:
            loss = closure()
            optimizer.step()
        losses.append(loss.item())
    fresh = make(model)
    fresh.load_state_dict(optimizer.state_dict())
    assert str(fresh.state_dict()) == str(optimizer.state_dict())
    return losses, sum(p.abs().sum().item() for p in model.parameters())


@pytest.mark.parametrize(
    "make, losses, size",
    [
        (
            lambda m: optim.Rprop(m.parameters()),
            [0.5171695, 0.4901426, 0.4597936, 0.4264241, 0.3907861, 0.3541272],
            8.2643466,
        ),
        (
            lambda m: optim.Rprop(
                m.parameters(), lr=0.1, etas=(0.4, 1.5), step_sizes=(1e-3, 0.2), maximize=True
            ),
            [0.5171695, 0.8634813, 1.685598, 3.7506559, 7.4350233, 13.3278656],
            25.5039508,
        ),
        (
            lambda m: optim.ASGD(m.parameters()),
            [0.5171695, 0.5113419, 0.5057018, 0.5002418, 0.4949554, 0.4898362],
            7.7722983,
        ),
        (
            lambda m: optim.ASGD(m.parameters(), lr=0.1, t0=2, weight_decay=0.1, lambd=0.01),
            [0.5171695, 0.4600168, 0.4209768, 0.3936728, 0.3741426, 0.3598534],
            7.0711287,
        ),
        (
            lambda m: optim.Adafactor(m.parameters()),
            [0.5171695, 0.5094412, 0.5017945, 0.4942358, 0.486774, 0.4794192],
            7.8370718,
        ),
        (
            lambda m: optim.Adafactor(
                m.parameters(), lr=0.1, weight_decay=0.1, eps=(1e-5, 1e-2), d=1.5, maximize=True
            ),
            [0.5171695, 0.6039299, 0.7119282, 0.857801, 1.0656437, 1.3715945],
            10.7398729,
        ),
        (
            lambda m: optim.Muon(matrices(m)),
            [0.5171695, 0.5164804, 0.5157741, 0.5150863, 0.5143993, 0.5137116],
            7.809141,
        ),
    ],
)
def test_losses(make, losses, size):
    got, total = train(make)
    assert got == pytest.approx(losses, rel=1e-4) and total == pytest.approx(size, rel=1e-4)


def test_losses_of_lbfgs():
    """In float64: it magnifies the rounding of float32."""
    torch.set_default_dtype(torch.float64)
    try:
        losses, size = train(lambda m: optim.LBFGS(m.parameters(), lr=0.1, max_iter=5))
    finally:
        torch.set_default_dtype(torch.float32)
    assert losses == pytest.approx(
        [0.55156742, 0.3021715692, 0.1264197769, 0.0859217318, 0.0717323361, 0.0495915607], rel=1e-7
    )
    assert size == pytest.approx(16.4334676037, rel=1e-7)


# Of PyTorch 2.13: the losses, and then calls of the closure and iterations after two steps.
LINE_SEARCH = [
    0.517169479337,
    0.366194668217,
    0.303569473342,
    0.271590751418,
    0.195421968777,
    0.196514144862,
    0.172701924646,
    0.15125008893,
    0.129238779543,
    0.120532744136,
    0.120532744136,
    0.118350752295,
]
COUNTS = (20, 16)


def test_strong_wolfe():
    """The losses of the first calls of the closure, and how many there are."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)
    ).double()
    x, y = torch.randn(7, 3).double(), torch.randn(7, 2).double()
    optimizer = optim.LBFGS(
        model.parameters(), line_search_fn="strong_wolfe", history_size=3, max_iter=8
    )
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        return loss

    optimizer.step(closure)
    optimizer.step(closure)
    assert losses[:12] == pytest.approx(LINE_SEARCH, rel=1e-9)
    state = optimizer.state[next(model.parameters())]
    assert (state["func_evals"], state["n_iter"]) == COUNTS
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS(model.parameters(), line_search_fn="armijo").step(closure)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda p: optim.Rprop([p], etas=(1.5, 2)), "Invalid eta values: 1.5, 2"),
        (lambda p: optim.ASGD([p], lr=-1), "Invalid learning rate: -1"),
        (lambda p: optim.Adafactor([p], beta2_decay=1), "beta2_decay should be <= 0 but is: 1"),
        (lambda p: optim.Adafactor([p], d=0.5), "Clipping threshold d should be >= 1 but is: 0.5"),
        (lambda p: optim.Muon([p[0]]), "non-leaf"),
        (lambda p: optim.Muon([torch.nn.Parameter(torch.ones(2))]), "only supports 2D parameters"),
        (lambda p: optim.Muon([p], momentum=-1), "momentum should be >= 0 but is: -1"),
        (lambda p: optim.Muon([p], adjust_lr_fn="x"), "learning rate function x is not supported"),
        (
            lambda p: optim.LBFGS([{"params": [p]}, {"params": [torch.ones(1)]}]),
            "LBFGS doesn't support per-parameter options",
        ),
        (lambda p: optim.SparseAdam([p], lr=0), "Invalid learning rate: 0"),
        (lambda p: swa.get_ema_avg_fn(2), "Invalid decay value 2 provided"),
        (
            lambda p: swa.SWALR(optim.SGD([p], 0.1), 0.1, anneal_strategy="x"),
            "must be one of 'cos' or 'linear'",
        ),
    ],
)
def test_options_out_of_range(call, text):
    with pytest.raises(ValueError, match=text):
        call(torch.nn.Parameter(torch.ones(2, 2)))


def test_sparse_adam_wants_sparse_gradients():
    p = torch.nn.Parameter(torch.ones(2))
    p.grad = torch.ones(2)
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients"):
        optim.SparseAdam([p]).step()


def test_averages():
    model = torch.nn.Linear(1, 1, bias=False)
    equal = swa.AveragedModel(model)
    moving = swa.AveragedModel(model, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    single = swa.AveragedModel(model, avg_fn=swa.get_ema_avg_fn(0.5))
    for value in (1.0, 2.0, 6.0):
        model.weight.data.fill_(value)
        for average in (equal, moving, single):
            average.update_parameters(model)
    assert equal.module.weight.item() == pytest.approx(3.0)
    assert moving.module.weight.item() == pytest.approx(1.59)
    assert single.module.weight.item() == pytest.approx(3.75)
    assert list(equal.state_dict()) == ["n_averaged", "module.weight"]
    assert equal.n_averaged.item() == 3 and equal(torch.ones(1, 1)).item() == pytest.approx(3.0)


def test_update_bn():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(1)).eval()
    swa.update_bn([(torch.tensor([[1.0], [3.0]]), 0), (torch.tensor([[5.0], [7.0]]), 0)], model)
    assert model[0].running_mean.item() == 4.0 and model[0].running_var.item() == 2.0
    assert model[0].momentum == 0.1 and not model.training


@pytest.mark.parametrize(
    "strategy, epochs, rates",
    [
        ("cos", 4, [0.434099, 0.275, 0.115901, 0.05, 0.05]),
        ("linear", 3, [0.35, 0.2, 0.05, 0.05, 0.05]),
    ],
)
def test_swalr(strategy, epochs, rates):
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    schedule = swa.SWALR(optimizer, 0.05, epochs, strategy)
    got = []
    for _ in rates:
        optimizer.step()
        schedule.step()
        got.append(schedule.get_last_lr()[0])
    assert got == pytest.approx(rates, rel=1e-5)
