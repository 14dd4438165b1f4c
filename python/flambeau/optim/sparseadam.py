"""SparseAdam (source: torch.optim.SparseAdam)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, Optimizer, _to_scalar, refuse_options


class SparseAdam(EachOptimizer):
    """Adam for parameters whose gradients are sparse: the averages, and the parameter, move at the
    places of the gradient alone. RuntimeError for dense gradients; ValueError for options out of
    range.
    """

    _takes_sparse = True
    _later_options = {}

    def __init__(self, params: Iterable, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if not isinstance(lr, (int, float)) or lr > 0:
            refuse_options(lr, betas=betas)
        else:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        places = [[i, k] for i, group in enumerate(self.param_groups)
                  for k, p in enumerate(group["params"]) if p.is_complex()]
        if places:
            raise ValueError(f"Complex params at indices {places}: SparseAdam does not support"
                             " complex parameters")

    def __setstate__(self, state):
        Optimizer.__setstate__(self, state)

    def _step_one(self, p, group):
        g, state = p.grad, self.state[p]
        if not g.is_sparse:
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
        if not state:
            state.update(step=0, exp_avg=_C.zeros_like(p), exp_avg_sq=_C.zeros_like(p))
        state["step"] += 1
        g = g.coalesce()
        values = -g._values() if group["maximize"] else g._values()
        if values.numel():
            self._move(p, g, values, state, group)

    def _move(self, p, g, values, state, group):
        """g: the gradient, of whose places alone the averages are read and written."""
        beta1, beta2 = group["betas"]
        means = []
        for average, new, beta in (
            (state["exp_avg"], values, beta1), (state["exp_avg_sq"], values.pow(2), beta2)
        ):
            old = average.sparse_mask(g)._values()
            change = new.sub(old).mul_(1 - beta)
            average.add_(g._like(change))
            means.append(change.add_(old))
        m, v = means
        t = state["step"]
        size = _to_scalar(group["lr"]) * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
        p.add_(g._like(m.div_(v.sqrt_().add_(group["eps"])).mul_(-size)))
