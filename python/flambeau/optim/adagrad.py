"""Adagrad (source: torch.optim.Adagrad)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar, refuse_options, step_dtype


class Adagrad(EachOptimizer):
    """p -= lr * g / (sqrt(s) + eps), with s the sum of the squares of all gradients (Duchi, Hazan
    and Singer, 2011).

    lr_decay: lr is divided by 1 + steps * lr_decay; initial_accumulator_value: where s begins.
    ValueError for options out of range.
    """

    _takes_sparse = True
    _later_options = {
        "foreach": None, "maximize": False, "differentiable": False, "fused": None
    }

    def __init__(self, params: Iterable, lr=1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps=1e-10, foreach=None, *, maximize=False,
                 differentiable=False, fused=None):
        refuse_options(lr, weight_decay, eps=eps, lr_decay=lr_decay,
                       initial_accumulator_value=initial_accumulator_value)
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused,
        })
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"step": _C.zeros((), dtype=step_dtype()), **self._start(p, group)}

    def _start(self, p, group):
        start = group["initial_accumulator_value"]
        return {"sum": _C.full_like(p, complex(start, start) if p.is_complex() else start)}

    def share_memory(self):
        """Moves the sums to shared memory."""
        for state in self.state.values():
            state["sum"].share_memory_()

    def _step_one(self, p, group):
        if p.grad.is_sparse and group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        super()._step_one(p, group)

    def _update(self, p, g, state, group):
        lr = _to_scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        if g.is_sparse:
            g = g.coalesce()
            state["sum"].add_(g * g)
            size = state["sum"].sparse_mask(g)._values().sqrt_().add_(group["eps"])
            p.add_(g._like(g._values() / size), alpha=-lr)
            return
        state["sum"].addcmul_(g, g)
        p.addcdiv_(g, state["sum"].sqrt().add(group["eps"]), value=-lr)
