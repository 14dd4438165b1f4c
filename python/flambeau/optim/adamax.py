"""Adamax (source: torch.optim.Adamax)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options


class Adamax(EachOptimizer):
    """p -= lr / (1 - beta1^t) * m / u, with m the running mean of the gradient and u the largest
    |g| so far, each step worth beta2 of itself (Kingma and Ba, 2015, section 7).

    ValueError for options out of range.
    """

    def __init__(self, params: Iterable, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay: float = 0,
                 foreach=None, *, maximize=False, differentiable=False, capturable=False):
        refuse_options(lr, weight_decay, betas, eps)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })

    def _start(self, p, group):
        return {"exp_avg": _C.zeros_like(p), "exp_inf": _C.zeros_like(p)}

    def _update(self, p, g, state, group):
        (beta1, beta2), m, u = group["betas"], state["exp_avg"], state["exp_inf"]
        m.lerp_(g, 1 - beta1)
        u.copy_(_C.maximum(u * beta2, g.abs().add(group["eps"])))
        correction = 1 - beta1 ** state["step"].item()
        p.addcdiv_(m, u.clone() if group["differentiable"] else u,
                   value=-_to_scalar(group["lr"]) / correction)
