"""Every optimizer and every learning-rate schedule on one small problem, each from the same
start."""
import torch
from torch import nn
from torch.optim import lr_scheduler as schedules

torch.manual_seed(11)
x, y = torch.randn(64, 6), torch.randn(64, 2)


def train(make_optimizer, make_schedule=None, steps=8, closure=False):
    torch.manual_seed(12)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2, bias=False))
    optimizer = make_optimizer(model.parameters())
    schedule = make_schedule(optimizer) if make_schedule else None

    def evaluate():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(steps):
        if closure:
            loss = optimizer.step(evaluate)
        else:
            loss = evaluate()
            optimizer.step()
        if isinstance(schedule, schedules.ReduceLROnPlateau):
            schedule.step(loss.item())
        elif schedule is not None:
            schedule.step()
    rate = float(optimizer.param_groups[0]["lr"])
    return f"loss {evaluate().item():.7f} rate {rate:.8f}"


for name, options in [
    ("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.02}), ("Adam", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.02}), ("Adamax", {"lr": 0.02}), ("NAdam", {"lr": 0.02}),
    ("RAdam", {"lr": 0.02}), ("Adagrad", {"lr": 0.05}), ("Adadelta", {"lr": 1.0}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True}), ("Rprop", {"lr": 0.01}),
    ("ASGD", {"lr": 0.05}), ("Adafactor", {"lr": 0.05}),
]:
    print(name, *options, train(lambda p: getattr(torch.optim, name)(p, **options)))
print("LBFGS", train(lambda p: torch.optim.LBFGS(p, lr=0.5, max_iter=4), closure=True, steps=3))
print("LBFGS line search", train(
    lambda p: torch.optim.LBFGS(p, max_iter=4, line_search_fn="strong_wolfe"),
    closure=True, steps=3))

for name, *arguments in [
    ("StepLR", 3), ("MultiStepLR", [2, 5]), ("ConstantLR", 0.5, 4), ("LinearLR", 0.25, 1.0, 6),
    ("ExponentialLR", 0.8), ("PolynomialLR", 8, 2.0), ("CosineAnnealingLR", 6),
    ("CosineAnnealingWarmRestarts", 3, 2), ("LambdaLR", lambda step: 1 / (step + 1)),
    ("MultiplicativeLR", lambda step: 0.9), ("ReduceLROnPlateau", "min", 0.5, 0),
    ("CyclicLR", 0.01, 0.1, 3), ("OneCycleLR", 0.3, 10),
]:
    print(name, train(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
                      lambda o: getattr(schedules, name)(o, *arguments)))
print("SequentialLR", train(
    lambda p: torch.optim.SGD(p, lr=0.1),
    lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, 0.1, 1.0, 3), schedules.ExponentialLR(o, 0.9)], [3])))
print("ChainedScheduler", train(
    lambda p: torch.optim.SGD(p, lr=0.1),
    lambda o: schedules.ChainedScheduler(
        [schedules.ConstantLR(o, 0.5, 3), schedules.ExponentialLR(o, 0.9)])))
