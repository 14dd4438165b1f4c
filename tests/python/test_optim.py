"""Optimizers and schedules: PyTorch's numbers, layout of state, checks and messages.

The literal numbers are PyTorch 2.13's; where it is importable, whole runs are compared with it as
well.
"""

import copy
import pickle
import random
import warnings

import pytest

import flambeau as torch

try:
    import torch as peer
except ImportError:
    peer = None

L = torch.optim.lr_scheduler


def train(make, steps=4, dtype=torch.float32, scattered=False):
    """Four steps down a bowl that gets steeper."""
    p = torch.tensor([1.0, -2.0, 0.5], dtype=dtype)
    if scattered:
        p = torch.stack([p, p], 1)[:, 0]
    p.requires_grad_()
    optimizer = make([p])
    for i in range(steps):
        optimizer.zero_grad()
        ((p**2).sum() * (i + 1) + p.sum()).backward()
        optimizer.step()
    return p, optimizer


RUNS = [
    ("SGD", dict(lr=0.1), [-0.0944, -0.2096, -0.1136]),
    ("SGD", dict(lr=0.05, momentum=0.9), [-0.53, 0.28, -0.395]),
    (
        "SGD",
        dict(lr=0.05, momentum=0.9, dampening=0.5, weight_decay=0.1),
        [-0.1311882, -0.4229002, -0.1798069],
    ),
    (
        "SGD",
        dict(lr=0.05, momentum=0.9, nesterov=True, maximize=True),
        [7.2367697, -10.4242086, 4.2932734],
    ),
    ("Adam", dict(lr=0.1), [0.6026222, -1.6133696, 0.0997195]),
    ("Adam", dict(lr=0.1, weight_decay=0.5, amsgrad=True), [0.6013612, -1.6089063, 0.099548]),
    ("AdamW", dict(lr=0.1, weight_decay=0.5), [0.44467, -1.2678668, 0.0363514]),
    ("Adam", dict(lr=0.1, betas=(0.3, 0.9), maximize=True), [1.4561086, -2.4619589, 0.9561388]),
]


@pytest.mark.parametrize("name, options, values", RUNS)
@pytest.mark.parametrize(
    "dtype, scattered", [("float32", False), ("float64", False), ("float32", True)]
)
def test_values(name, options, values, dtype, scattered):
    p, _ = train(
        lambda ps: getattr(torch.optim, name)(ps, **options),
        dtype=getattr(torch, dtype),
        scattered=scattered,
    )
    assert p.tolist() == pytest.approx(values, rel=2e-6, abs=1e-6)


@pytest.mark.parametrize("name, options, values", RUNS)
def test_by_operators(name, options, values):
    """The way of recorded steps gives the same numbers, and is differentiable."""
    p, _ = train(
        lambda ps: getattr(torch.optim, name)(ps, **options, differentiable=False), steps=4
    )
    q = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    optimizer = getattr(torch.optim, name)([q], **options)
    for i in range(4):
        optimizer.zero_grad()
        ((q**2).sum() * (i + 1) + q.sum()).backward()
        optimizer._step_by_operators(optimizer.param_groups[0])
    assert q.tolist() == pytest.approx(p.tolist(), rel=2e-6, abs=1e-6)


def test_differentiable_step():
    lr = torch.tensor(0.1, requires_grad=True)
    start = torch.tensor([2.0], requires_grad=True)
    p = start.clone()
    optimizer = torch.optim.SGD([p], lr=lr, differentiable=True)
    p.grad = torch.tensor([3.0])
    optimizer.step()
    p.sum().backward()
    assert lr.grad.item() == -3.0
    assert start.grad.item() == 1.0


def test_steps_write_in_place_and_count_versions():
    p, optimizer = train(lambda ps: torch.optim.Adam(ps, lr=0.1), steps=1)
    address, version = p.data_ptr(), p._version
    p.grad = torch.ones(3)
    optimizer.step()
    assert p.data_ptr() == address
    assert p._version == version + 1
    state = optimizer.state[p]
    assert list(state) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["step"].item() == 2.0 and state["step"].dtype == torch.float32


def test_parameters_without_gradient_are_left_alone():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=0.1)
    a.sum().backward()
    optimizer.step()
    assert b.tolist() == [1, 1] and b not in optimizer.state
    optimizer.zero_grad()
    assert a.grad is None


def test_zero_grad_with_zeros():
    p = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=0.1)
    p.sum().backward()
    grad = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is grad and grad.tolist() == [0, 0]


def test_options_are_read_at_each_step():
    p = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=1.0)
    p.grad = torch.ones(1)
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    optimizer.param_groups[0]["maximize"] = True
    optimizer.step()
    optimizer.step()
    assert p.item() == 0.5
    del optimizer.param_groups[0]["lr"]
    with pytest.raises(KeyError):
        optimizer.step()


def test_tensor_lr():
    p = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=torch.tensor(0.5))
    p.grad = torch.ones(1)
    optimizer.step()
    assert p.item() == -0.5


def test_many_parameters_and_large_ones():
    params = [torch.full((n,), 1.0, requires_grad=True) for n in [1, 3, 70000] + [2] * 60]
    optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
    for _ in range(2):
        for p in params:
            p.grad = torch.ones_like(p)
        optimizer.step()
    for p in params:
        assert torch.allclose(p, torch.full_like(p.detach(), 1 - 0.1 - 0.19))


def test_state_dict_round_trip():
    p, optimizer = train(lambda ps: torch.optim.Adam([{"params": ps, "lr": 0.1}], amsgrad=True))
    saved = optimizer.state_dict()
    assert set(saved) == {"state", "param_groups"}
    assert saved["param_groups"][0]["params"] == [0]
    assert list(saved["state"][0]) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    q = p.detach().clone().requires_grad_()
    other = torch.optim.Adam([q], lr=9.0)
    other.load_state_dict(copy.deepcopy(saved))
    assert other.param_groups[0]["lr"] == 0.1
    p.grad = torch.ones(3)
    q.grad = torch.ones(3)
    optimizer.step()
    other.step()
    assert p.tolist() == q.tolist()
    again = pickle.loads(pickle.dumps(other))
    assert again.param_groups[0]["lr"] == 0.1
    with pytest.raises(ValueError, match="different number of parameter groups"):
        torch.optim.SGD([{"params": [p]}, {"params": [q]}], lr=1).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        torch.optim.SGD([p, q], lr=1).load_state_dict(saved)


def test_hooks_and_closure():
    p = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=0.1)
    seen = []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))

    def closure():
        optimizer.zero_grad()
        loss = (p * 2).sum()
        loss.backward()
        seen.append("closure")
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 2.0
    before.remove()
    optimizer.step()
    assert seen == ["before", "closure", "after", "after"]


def test_own_optimizer():
    class Signs(torch.optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad.sign(), alpha=-group["lr"])
                    self.state[p]["seen"] = True

    p = torch.ones(1, requires_grad=True)
    optimizer = Signs([p])
    seen = []
    optimizer.register_step_post_hook(lambda *args: seen.append(1))
    (p * 5).sum().backward()
    optimizer.step()
    assert p.item() == pytest.approx(0.9) and optimizer.state[p]["seen"] and seen == [1]


def test_repr():
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
    assert repr(optimizer) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: "
        "None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    "
        "weight_decay: 0\n)"
    )


P = torch.ones(1, requires_grad=True)


@pytest.mark.parametrize(
    "make, kind, text",
    [
        (lambda: torch.optim.SGD([], lr=1), ValueError, "optimizer got an empty parameter list"),
        (
            lambda: torch.optim.SGD(P, lr=1),
            TypeError,
            "params argument given to the optimizer should be an iterable",
        ),
        (
            lambda: torch.optim.SGD([1], lr=1),
            TypeError,
            "optimizer can only optimize Tensors, but one of the params is int",
        ),
        (lambda: torch.optim.SGD([P * 2], lr=1), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: torch.optim.SGD([P], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda: torch.optim.SGD([P], lr=1, momentum=-1), ValueError, "Invalid momentum value: -1"),
        (
            lambda: torch.optim.SGD([P], lr=1, nesterov=True),
            ValueError,
            "Nesterov momentum requires",
        ),
        (
            lambda: torch.optim.SGD([P], fused=True, foreach=True),
            RuntimeError,
            "cannot be `True` together",
        ),
        (
            lambda: torch.optim.SGD([{"params": [P]}, {"params": [P]}], lr=1),
            ValueError,
            "more than one parameter group",
        ),
        (lambda: torch.optim.SGD([{"params": {P}}], lr=1), TypeError, "ordered collections"),
        (
            lambda: torch.optim.Adam([P], betas=(1.0, 0.9)),
            ValueError,
            "Invalid beta parameter at index 0: 1.0",
        ),
        (lambda: torch.optim.Adam([P], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda: torch.optim.Adam([P], betas=(0, 0.9)), ValueError, "both floats or both Tensors"),
        (lambda: L.StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (lambda: torch.optim.Zork, AttributeError, "Flambeau has no torch.optim.Zork yet"),
    ],
)
def test_errors(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)


SCHEDULES = [
    ("StepLR(o, 3)", [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01]),
    ("MultiStepLR(o, [2, 5], gamma=0.5)", [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]),
    ("ConstantLR(o, 0.5, 3)", [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ("LinearLR(o, 0.25, total_iters=4)", [0.25, 0.4375, 0.625, 0.8125, 1.0, 1.0, 1.0, 1.0]),
    ("ExponentialLR(o, 0.9)", [1.0, 0.9, 0.81, 0.729, 0.6561, 0.59049, 0.531441, 0.478297]),
    ("PolynomialLR(o, 5, 2.0)", [1.0, 0.64, 0.36, 0.16, 0.04, 0.0, 0.0, 0.0]),
    ("CosineAnnealingLR(o, 4)", [1.0, 0.853553, 0.5, 0.146447, 0.0, 0.146447, 0.5, 0.853553]),
    ("CosineAnnealingWarmRestarts(o, 3)", [1.0, 0.75, 0.25, 1.0, 0.75, 0.25, 1.0, 0.75]),
    (
        "LambdaLR(o, lambda e: 1 / (e + 1))",
        [1.0, 0.5, 0.333333, 0.25, 0.2, 0.166667, 0.142857, 0.125],
    ),
    (
        "MultiplicativeLR(o, lambda e: 0.5)",
        [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125],
    ),
    (
        "OneCycleLR(o, 1.0, total_steps=9)",
        [0.04, 0.651358, 0.994415, 0.898567, 0.705645, 0.462637, 0.22873, 0.060893],
    ),
    ("CyclicLR(o, 0.1, 1.0, 3)", [0.1, 0.4, 0.7, 1.0, 0.7, 0.4, 0.1, 0.4]),
    ("ReduceLROnPlateau(o, patience=1)", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.1]),
    (
        "SequentialLR(o, [L.ConstantLR(o, 0.1, 9), L.ExponentialLR(o, 0.5)], [3])",
        [0.1, 0.1, 0.1, 1.0, 0.5, 0.25, 0.125, 0.0625],
    ),
    (
        "ChainedScheduler([L.ConstantLR(o, 0.1, 3), L.ExponentialLR(o, 0.5)])",
        [0.1, 0.05, 0.025, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125],
    ),
]


@pytest.mark.parametrize("code, rates", SCHEDULES)
def test_schedule(code, rates):
    def make():
        o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
        return o, eval("L." + code, {"L": L, "o": o})

    optimizer, scheduler = make()
    found = []
    for i in range(len(rates)):
        optimizer.step()
        found.append(optimizer.param_groups[0]["lr"])
        if isinstance(scheduler, L.ReduceLROnPlateau):
            scheduler.step(1 - 0.1 * min(i, 3))
        else:
            scheduler.step()
        if i == 3:  # saved and taken up again by others
            states = optimizer.state_dict(), scheduler.state_dict()
            optimizer, scheduler = make()
            scheduler.load_state_dict(states[1])
            optimizer.load_state_dict(states[0])
            optimizer.step()
    assert found == pytest.approx(rates, abs=1e-6)


def test_schedule_warns_when_it_goes_first():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = L.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


@pytest.mark.peer
@pytest.mark.skipif(peer is None, reason="PyTorch is not installed")
def test_runs_beside_pytorch():
    random.seed(0)
    peer.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(40):
            name = random.choice(["SGD", "Adam", "AdamW"])
            options = dict(
                lr=random.choice([0.1, 0.01]),
                weight_decay=random.choice([0, 0.1]),
                maximize=random.random() < 0.3,
            )
            if name == "SGD":
                options.update(momentum=random.choice([0, 0.9]), dampening=random.choice([0, 0.3]))
                options["nesterov"] = options["momentum"] > 0 and options["dampening"] == 0
            else:
                options.update(
                    amsgrad=random.random() < 0.5, betas=random.choice([(0.9, 0.999), (0.3, 0.9)])
                )
            starts = [peer.randn(n) for n in (1, 7, 300)]
            theirs = [x.clone().requires_grad_() for x in starts]
            ours = [torch.tensor(x.tolist(), requires_grad=True) for x in starts]
            a = getattr(peer.optim, name)(theirs, **options)
            b = getattr(torch.optim, name)(ours, **options)
            for _ in range(5):
                for x, y in zip(theirs, ours):
                    x.grad = peer.randn(x.shape)
                    y.grad = torch.tensor(x.grad.tolist())
                a.step()
                b.step()
            for x, y in zip(theirs, ours):
                assert y.tolist() == pytest.approx(x.tolist(), rel=1e-4, abs=1e-6)


# Eight steps of each, as PyTorch 2.13 takes them.
OTHERS = [
    ("RMSprop", {},
     [-0.65074, -0.1869, -0.47567, 0.47567, 0.1869, 0.65074]),
    ("RMSprop", {'momentum': 0.9, 'centered': True, 'weight_decay': 0.1},
     [-0.04491, 0.80208, -0.5195, 0.5195, -0.80208, 0.04491]),
    ("Adagrad", {'lr_decay': 0.1},
     [-0.96504, -0.56471, -0.23473, 0.23473, 0.56471, 0.96504]),
    ("Adadelta", {'rho': 0.8},
     [-0.9801, -0.57995, -0.21979, 0.21979, 0.57995, 0.9801]),
    ("Adamax", {'lr': 0.01, 'maximize': True},
     [-1.07771, -0.6792, -0.1232, 0.1232, 0.6792, 1.07771]),
    ("NAdam", {'weight_decay': 0.1, 'decoupled_weight_decay': True},
     [-0.98565, -0.58625, -0.21241, 0.21241, 0.58625, 0.98565]),
    ("RAdam", {'lr': 0.01, 'betas': (0.8, 0.9)},
     [-0.93986, -0.58221, -0.24406, 0.24406, 0.58221, 0.93986]),
]


@pytest.mark.parametrize("name, options, expected", OTHERS)
def test_steps_of_the_other_optimizers(name, options, expected):
    w = torch.linspace(-1, 1, 6).reshape(2, 3).requires_grad_()
    x = torch.linspace(-2, 2, 8).reshape(4, 2)
    optimizer = getattr(torch.optim, name)([w], **options)
    for _ in range(8):
        optimizer.zero_grad()
        ((x @ w + 0.5) ** 2).mean().backward()
        optimizer.step()
    assert w.detach().flatten().tolist() == pytest.approx(expected, abs=2e-5)
    again = getattr(torch.optim, name)([w], **options)
    again.load_state_dict(optimizer.state_dict())
    assert again.state[w]["step"] == 8
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        getattr(torch.optim, name)([w], lr=-1)


# Six steps on complex numbers, whose parts are updated one by one; PyTorch 2.13's.
OF_COMPLEX = [
    ("Adam", {}, [0.45257 + 1.40384j, -0.40844 + 0.05461j]),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}, [0.44996 + 1.40387j, -0.40848 + 0.05265j]),
    ("AdamW", {}, [0.44903 + 1.39346j, -0.40405 + 0.0542j]),
    ("SGD", {"momentum": 0.9}, [0.31775 - 1.41125j, -0.50833 + 0.39464j]),
    ("RMSprop", {"centered": True}, [0.50368 - 0.30183j, 0.39906 + 0.20115j]),
    ("Adagrad", {"initial_accumulator_value": 0.1}, [0.69829 + 1.64637j, -0.65505 + 0.24687j]),
    ("Adadelta", {}, [0.99802 + 1.99802j, -0.99802 + 0.49802j]),
    ("Adamax", {}, [0.54802 + 1.43095j, -0.45553 + 0.1311j]),
    ("NAdam", {}, [0.61416 + 1.53382j, -0.54722 + 0.19596j]),
    ("RAdam", {}, [0.37249 - 1.13382j, 0.84995 + 0.10436j]),
    ("Rprop", {}, [0.5496 + 1.00701j, -0.00701 + 0.208j]),
    ("ASGD", {}, [0.52332 - 0.38335j, 0.4 + 0.2j]),
    ("LBFGS", {}, [0.50001 - 0.49997j, 0.39998 + 0.2j]),
]


@pytest.mark.parametrize("name, options, expected", OF_COMPLEX)
def test_steps_on_complex_parameters(name, options, expected):
    w = torch.tensor([1 + 2j, -1 + 0.5j]).requires_grad_()
    optimizer = getattr(torch.optim, name)([w], lr=0.1, **options)

    def closure():
        optimizer.zero_grad()
        loss = (w * torch.tensor([1 + 1j, 2 - 1j]) - 1).abs().pow(2).sum()
        loss.backward()
        return loss

    for _ in range(6):
        optimizer.step(closure)
    assert w.tolist() == pytest.approx(expected, abs=3e-5)
    kept = [v for v in optimizer.state[w].values() if isinstance(v, torch.Tensor) and v.shape == w.shape]
    assert all(v.dtype == torch.complex64 for v in kept)


def test_optimizers_that_refuse_complex_parameters():
    w = torch.ones(2, 2, dtype=torch.complex64).requires_grad_()
    w.grad = torch.ones_like(w)
    for name in ("Adafactor", "Muon"):
        with pytest.raises(RuntimeError, match=f"{name} does not support complex parameters"):
            getattr(torch.optim, name)([w]).step()
    with pytest.raises(ValueError, match=r"Complex params at indices \[\[0, 0\]\]: SparseAdam"):
        torch.optim.SparseAdam([w])
