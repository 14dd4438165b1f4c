"""Muon (source: torch.optim.Muon)."""

import math
from collections.abc import Iterable

from flambeau import _C
from flambeau.optim.optimizer import EachOptimizer, _to_scalar


def _orthogonal(g, coefficients, steps, eps):
    """About U V^T of the singular value decomposition U S V^T of g, by a Newton-Schulz iteration in
    bfloat16 (Jordan, 2024)."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = g.bfloat16()
    tall = g.size(0) > g.size(1)
    if tall:
        x = x.T
    x.div_(x.norm().clamp(min=eps))
    for _ in range(steps):
        gram = x @ x.T
        x = _C.addmm(x, _C.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def _rate(lr, rule, shape):
    """The learning rate for a matrix of that shape."""
    rows, columns = shape
    if rule == "match_rms_adamw":
        return lr * 0.2 * math.sqrt(max(rows, columns))
    return lr * math.sqrt(max(1, rows / columns))


class Muon(EachOptimizer):
    """p -= lr * O, with O the momentum made orthogonal; for matrices of hidden layers (Jordan, 2024).

    adjust_lr_fn: "original", lr times sqrt(max(1, rows / columns)), or "match_rms_adamw", lr times
    0.2 sqrt(max(rows, columns)). ValueError for options out of range and parameters that are no
    matrices.
    """

    def __init__(self, params: Iterable, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True,
                 ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5,
                 adjust_lr_fn=None):
        if isinstance(lr, _C.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (
            ("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)
        ):
            if not 0.0 <= value:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        })
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.size()}"
                    )

    _later_options = {}

    def _step_one(self, p, group):
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        state, g, momentum = self.state[p], p.grad, group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = _C.zeros_like(g)
        kept, lr = state["momentum_buffer"], _to_scalar(group["lr"])
        kept.lerp_(g, 1 - momentum)
        update = g.lerp(kept, momentum) if group["nesterov"] else kept
        update = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(update, alpha=-_rate(lr, group["adjust_lr_fn"], p.shape))
