"""Adadelta (source: torch.optim.Adadelta)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options


class Adadelta(EachOptimizer):
    """p -= lr * d, where d = g * sqrt(u + eps) / sqrt(v + eps), and v and u are the running means
    of the squares of g and of d (Zeiler, 2012).

    rho: how much of the means is kept a step. ValueError for options out of range.
    """

    def __init__(self, params: Iterable, lr=1.0, rho=0.9, eps=1e-6, weight_decay: float = 0, foreach=None, *,
                 capturable=False, maximize=False, differentiable=False):
        refuse_options(lr, weight_decay, eps=eps)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        })

    def _start(self, p, group):
        return {"square_avg": _C.zeros_like(p), "acc_delta": _C.zeros_like(p)}

    def _update(self, p, g, state, group):
        rho, eps, v, u = group["rho"], group["eps"], state["square_avg"], state["acc_delta"]
        v.mul_(rho).addcmul_(g, g, value=1 - rho)
        delta = u.add(eps).sqrt() / v.add(eps).sqrt() * g
        u.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-_to_scalar(group["lr"]))
