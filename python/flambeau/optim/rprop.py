"""Rprop (source: torch.optim.Rprop)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options


class Rprop(EachOptimizer):
    """p -= sign(g) * s, elementwise, where the step s grows by etas[1] while g keeps its sign and
    shrinks by etas[0] when it changes; then p stays for a step (Riedmiller and Braun, 1993).

    lr: the first s; step_sizes: the least and the greatest s. ValueError for options out of range.
    """

    def __init__(self, params: Iterable, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *,
                 capturable=False, foreach=None, maximize=False, differentiable=False):
        refuse_options(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        })

    def _start(self, p, group):
        lr = _to_scalar(group["lr"])
        size = _C.full_like(p.grad, complex(lr, lr) if p.is_complex() else lr)
        return {"prev": _C.zeros_like(p), "step_size": size}

    def _update(self, p, g, state, group):
        (shrink, grow), (least, greatest) = group["etas"], group["step_sizes"]
        before, size = state["prev"], state["step_size"]
        sign = g.mul(before.clone() if group["differentiable"] else before).sign()
        factor = _C.ones_like(sign).masked_fill_(sign.gt(0), grow).masked_fill_(sign.lt(0), shrink)
        size.mul_(factor).clamp_(least, greatest)
        g = g.masked_fill(factor.eq(shrink), 0)
        p.addcmul_(g.sign(), size, value=-1)
        before.copy_(g)
