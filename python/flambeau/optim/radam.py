"""RAdam (source: torch.optim.RAdam)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options


class RAdam(EachOptimizer):
    """Adam whose adaptive size is left out while its variance is not yet tractable, and rectified
    after (Liu et al., 2020).

    decoupled_weight_decay: weight_decay shrinks p itself, as in AdamW. ValueError for options out
    of range.
    """

    def __init__(self, params: Iterable, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay: float = 0,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False):
        refuse_options(lr, weight_decay, betas, eps)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        })

    def _start(self, p, group):
        return {"exp_avg": _C.zeros_like(p), "exp_avg_sq": _C.zeros_like(p)}

    def _update(self, p, g, state, group):
        (beta1, beta2), lr, t = group["betas"], _to_scalar(group["lr"]), state["step"].item()
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        step = m / (1 - beta1**t)
        correction = 1 - beta2**t
        limit = 2 / (1 - beta2) - 1  # the length of the approximated simple moving average
        length = limit - 2 * t * beta2**t / correction
        if length > 5:
            rectified = ((length - 4) * (length - 2) * limit
                         / ((limit - 4) * (limit - 2) * length)) ** 0.5
            step = step * (correction**0.5 / v.sqrt().add(group["eps"])) * rectified
        p.add_(step, alpha=-lr)
