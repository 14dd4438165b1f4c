"""RMSprop (source: torch.optim.RMSprop)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options


class RMSprop(EachOptimizer):
    """p -= lr * g / (sqrt(v) + eps), with v the running mean of the gradient's square (Tieleman and
    Hinton, 2012).

    alpha: how much of v is kept a step; centered: v less the square of the gradient's running mean;
    momentum: the steps are summed up, so much of the sum being kept. ValueError for options out of
    range.
    """

    def __init__(self, params: Iterable, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay: float = 0,
                 momentum: float = 0, centered=False, capturable=False, foreach=None,
                 maximize=False, differentiable=False):
        refuse_options(lr, weight_decay, eps=eps, momentum=momentum, alpha=alpha)
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable,
        })

    def _start(self, p, group):
        state = {"square_avg": _C.zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = _C.zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = _C.zeros_like(p)
        return state

    def _update(self, p, g, state, group):
        lr, kept, v = _to_scalar(group["lr"]), group["alpha"], state["square_avg"]
        v.mul_(kept).addcmul_(g, g, value=1 - kept)
        if group["centered"]:
            mean = state["grad_avg"]
            mean.lerp_(g, 1 - kept)
            v = v.addcmul(mean, mean, value=-1)
        size = v.sqrt().add(group["eps"])
        if group["momentum"] > 0:
            steps = state["momentum_buffer"]
            steps.mul_(group["momentum"]).addcdiv_(g, size)
            p.add_(steps, alpha=-lr)
        else:
            p.addcdiv_(g, size, value=-lr)
