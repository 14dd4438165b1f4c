"""SparseAdam (source: torch.optim.SparseAdam)."""

from flambeau.optim.optimizer import EachOptimizer, refuse_options


class SparseAdam(EachOptimizer):
    """Adam for parameters whose gradients are sparse: only the rows with a gradient move. Flambeau's
    gradients are dense, and for those it raises RuntimeError, as in PyTorch. ValueError for options
    out of range.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if not isinstance(lr, (int, float)) or lr > 0:
            refuse_options(lr, betas=betas)
        else:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    _later_options = {}

    def _step_one(self, p, group):
        raise RuntimeError(
            "SparseAdam does not support dense gradients, please consider Adam instead"
        )
