"""Stochastic gradient descent (source: torch.optim.SGD)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import GroupOptimizer, _to_scalar, _use_grad_for_differentiable

Tensor = _C.Tensor


class SGD(GroupOptimizer):
    """p -= lr * d, with d the gradient g (+ weight_decay * p), or with momentum the running
    b = momentum * b + (1 - dampening) * g, or with nesterov g + momentum * b.

    maximize: climbs instead. differentiable: the step itself is recorded. foreach and fused are
    accepted: there is one implementation, which updates a whole group in one call. ValueError for
    options out of range.
    """

    _step_in_c = _C._sgd_step
    _takes_sparse = True
    _later_options = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        self._check_fused()

    @_use_grad_for_differentiable
    def _step_by_operators(self, group):
        """The same update in terms of operators: for steps that are recorded, and for what the C
        loop does not take."""
        momentum, decay, lr = group["momentum"], group["weight_decay"], _to_scalar(group["lr"])
        for p in group["params"]:
            g = p.grad
            if g is None:
                continue
            if group["maximize"]:
                g = -g
            if isinstance(decay, Tensor) and decay.requires_grad:
                g = g.addcmul(p.clone(), decay)
            elif decay != 0:
                g = g.add(p, alpha=decay)
            if momentum != 0:
                state = self.state[p]
                b = state.get("momentum_buffer")
                if b is None:
                    b = g.detach().clone()
                else:
                    b.mul_(momentum).add_(g, alpha=1 - group["dampening"])
                state["momentum_buffer"] = b
                g = g.add(b, alpha=momentum) if group["nesterov"] else b
            if isinstance(lr, Tensor) and lr.requires_grad:
                p.addcmul_(g, lr, value=-1)
            else:
                p.add_(g, alpha=-float(lr))
