"""Whole branches dropped at random (source: torchvision.ops.stochastic_depth)."""
from __future__ import annotations

import flambeau
from flambeau.nn import Module


def stochastic_depth(input, p, mode, training=True):
    """input with each sample ("row"), or all of it ("batch"), made 0 with probability p, and the
    others scaled up (Huang et al., 2016)."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    kept = 1.0 - p
    size = [input.shape[0] if mode == "row" else 1] + [1] * (input.ndim - 1)
    noise = flambeau.empty(size[:input.ndim], dtype=input.dtype).bernoulli_(kept)
    return input * (noise.div_(kept) if kept > 0.0 else noise)


class StochasticDepth(Module):
    """stochastic_depth while training."""

    def __init__(self, p, mode):
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input):
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self):
        return f"{self.__class__.__name__}(p={self.p}, mode={self.mode})"
