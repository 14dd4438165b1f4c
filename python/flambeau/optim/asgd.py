"""ASGD (source: torch.optim.ASGD)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options, step_dtype


class ASGD(EachOptimizer):
    """p -= eta * (g + lambd * p), with eta = lr / (1 + lambd * lr * steps)^alpha, and in state "ax"
    the mean of all p after step t0 (Polyak and Juditsky, 1992). ValueError for options out of
    range.
    """

    def __init__(self, params: Iterable, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay: float = 0,
                 foreach=None, maximize=False, differentiable=False, capturable=False):
        refuse_options(lr, weight_decay)
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        })

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            for p in group["params"]:
                known = self.state.get(p)
                for name in ("eta", "mu") if known else ():
                    if not isinstance(known[name], _C.Tensor):
                        known[name] = _C.tensor(float(known[name]), dtype=step_dtype())

    def _start(self, p, group):
        return {
            "eta": _C.tensor(float(_to_scalar(group["lr"])), dtype=step_dtype()),
            "mu": _C.ones((), dtype=step_dtype()),
            "ax": _C.zeros_like(p),
        }

    def _update(self, p, g, state, group):
        lr, lambd = _to_scalar(group["lr"]), group["lambd"]
        eta, mu, mean = state["eta"].item(), state["mu"].item(), state["ax"]
        p.mul_(1 - lambd * eta)
        p.add_(g, alpha=-eta)
        if mu != 1:
            mean.add_(p.sub(mean).mul_(state["mu"]))
        else:
            mean.copy_(p)
        step = state["step"].item()
        state["eta"].fill_(lr / (1 + lambd * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
