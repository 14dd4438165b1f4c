"""Adam (source: torch.optim.Adam)."""

from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import (
    GroupOptimizer,
    _to_scalar,
    _use_grad_for_differentiable,
    as_real,
    step_dtype,
)

Tensor = _C.Tensor


class Adam(GroupOptimizer):
    """p -= lr * m / (sqrt(v) + eps), with m and v the running means of the gradient and of its
    square, corrected for their start at zero.

    betas: how much of m and v is kept a step; weight_decay: added to the gradient, or, with
    decoupled_weight_decay, taken from p (AdamW); amsgrad: uses the largest v so far; maximize:
    climbs instead. differentiable: the step itself is recorded. foreach, fused and capturable are
    accepted: there is one implementation, which updates a whole group in one call. ValueError for
    options out of range.
    """

    _step_in_c = _C._adam_step
    _later_options = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps=1e-8,
        weight_decay: float = 0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
        decoupled_weight_decay=False,
    ):
        if isinstance(lr, Tensor):
            if foreach and not capturable:
                raise ValueError(
                    "lr as a Tensor is not supported for capturable=False and foreach=True"
                )
            if lr.numel() != 1:
                raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not (
            all(isinstance(b, float) for b in betas[:2])
            or all(isinstance(b, Tensor) for b in betas[:2])
        ):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas[:2]):
            if isinstance(beta, Tensor):
                if not capturable and foreach:
                    raise ValueError(
                        f"betas[{i}] as a Tensor is not supported for "
                        "capturable=False and foreach=True"
                    )
                if beta.numel() != 1:
                    raise ValueError(f"Tensor betas[{i}] must be 1-element")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(map(_to_scalar, betas)),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )
        self._check_fused()

    @_use_grad_for_differentiable
    def _step_by_operators(self, group):
        """The same update in terms of operators: for steps that are recorded, and for what the C
        loop does not take."""
        lr, (beta1, beta2) = _to_scalar(group["lr"]), group["betas"]
        recorded = group["differentiable"]
        for p in group["params"]:
            g = p.grad
            if g is None:
                continue
            state = self.state[p]
            if not state:
                state["step"] = _C.zeros((), dtype=step_dtype())
                state["exp_avg"] = _C.zeros_like(p)
                state["exp_avg_sq"] = _C.zeros_like(p)
                if group["amsgrad"]:
                    state["max_exp_avg_sq"] = _C.zeros_like(p)
            if group["capturable"] and p.device.type == "cpu":
                raise AssertionError(
                    "If capturable=True, params and state_steps must be on "
                    "supported devices: ['cuda', 'xpu', 'hpu', 'privateuseone', 'xla']."
                )
            if group["maximize"]:
                g = -g
            step = state["step"]
            step += 1
            p, g = as_real(p), as_real(g)
            m, v = as_real(state["exp_avg"]), as_real(state["exp_avg_sq"])
            if group["weight_decay"] != 0:
                if group["decoupled_weight_decay"]:
                    p.mul_(1 - lr * group["weight_decay"])
                else:
                    g = g.add(p, alpha=group["weight_decay"])
            m.lerp_(g, 1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            t = step if recorded else step.item()
            size, correction = lr / (1 - beta1**t), (1 - beta2**t) ** 0.5
            if group["amsgrad"]:
                top = as_real(state["max_exp_avg_sq"])
                top.copy_(_C.maximum(top.clone() if recorded else top, v))
                v = top
            if recorded:
                p.addcdiv_(m.clone(), (v.sqrt() / (correction * -size)).add_(group["eps"] / -size))
            else:
                p.addcdiv_(m, (v.sqrt() / correction).add_(group["eps"]), value=-float(size))
