"""NAdam (source: torch.optim.NAdam)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options, step_dtype


class NAdam(EachOptimizer):
    """Adam with Nesterov's momentum: the step looks ahead by the momentum of the next one (Dozat,
    2016).

    momentum_decay: how fast the momentum rises from beta1 / 2 to beta1; decoupled_weight_decay:
    weight_decay shrinks p itself, as in AdamW. ValueError for options out of range.
    """

    def __init__(self, params: Iterable, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay: float = 0,
                 momentum_decay=4e-3, decoupled_weight_decay=False, *, foreach=None, maximize=False,
                 capturable=False, differentiable=False):
        refuse_options(lr, weight_decay, betas, eps, momentum_decay=momentum_decay)
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        })

    def _start(self, p, group):
        one = _C.ones((), dtype=step_dtype())
        return {"mu_product": one, "exp_avg": _C.zeros_like(p), "exp_avg_sq": _C.zeros_like(p)}

    def _update(self, p, g, state, group):
        (beta1, beta2), lr, t = group["betas"], _to_scalar(group["lr"]), state["step"].item()
        m, v = state["exp_avg"], state["exp_avg_sq"]

        def momentum(step):
            return beta1 * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"]))

        now, after = momentum(t), momentum(t + 1)
        state["mu_product"] *= now
        product = state["mu_product"].item()
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        size = v.div(1 - beta2**t).sqrt().add(group["eps"])
        p.addcdiv_(g, size, value=-lr * (1 - now) / (1 - product))
        p.addcdiv_(m, size, value=-lr * after / (1 - product * after))
