"""Adafactor (source: torch.optim.Adafactor)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau._typeinfo import finfo
from flambeau.optim.optimizer import EachOptimizer, _to_scalar


class Adafactor(EachOptimizer):
    """The gradient over the root of its mean square, which is kept for matrices as the product of a
    column and a row, and a step relative to the parameter's size (Shazeer and Stern, 2018).

    beta2_decay: the mean forgets 1 - step**beta2_decay; eps: the least mean square's root (None:
    the dtype's epsilon) and the least size of a parameter; d: updates whose root mean square is
    greater are cut to it. ValueError for options out of range.
    """

    def __init__(self, params: Iterable, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0,
                 weight_decay=0.0, *, foreach=None, maximize=False):
        if isinstance(lr, _C.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d,
            "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
        })

    _later_options = {"foreach": None}
    _decays = False  # by lr, after the size of the parameter is taken

    def _step_one(self, p, group):
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        super()._step_one(p, group)

    def _start(self, p, group):
        g = p.grad
        if g.dim() <= 1:
            return {"variance": _C.zeros_like(g)}
        *outer, rows, columns = g.shape
        return {
            "row_var": g.new_zeros([*outer, rows, 1]), "col_var": g.new_zeros([*outer, 1, columns])
        }

    def _update(self, p, g, state, group):
        lr, step = _to_scalar(group["lr"]), state["step"].item()
        least, least_size = group["eps"]
        if least is None:
            least = finfo(p.dtype).eps
        fresh = step ** group["beta2_decay"]
        rate = max(least_size, p.norm(2).item() / p.numel() ** 0.5) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if g.dim() > 1:
            rows, columns = state["row_var"], state["col_var"]
            for kept, dim in ((rows, -1), (columns, -2)):
                mean = _C.norm(g, dim=dim, keepdim=True).square_().div_(g.size(dim))
                kept.lerp_(mean, fresh)
            square = rows @ columns
            square.div_(rows.mean(dim=-2, keepdim=True).clamp_(min=least))
        else:
            state["variance"].lerp_(g * g, fresh)
            square = state["variance"].clone()
        update = square.clamp_(min=least * least).rsqrt_().mul_(g)
        cut = max(1.0, update.norm(2).item() / (update.numel() ** 0.5 * group["d"]))
        p.add_(update, alpha=-rate / cut)
