"""Of several transforms (source: torchvision.transforms.v2._container)."""
from __future__ import annotations

from collections.abc import Sequence

import flambeau
from flambeau.nn import Module
from flambeau.vision.transforms.v2._transform import Transform

__all__ = ["Compose", "RandomApply", "RandomChoice", "RandomOrder"]


class _Several(Transform):
    def __init__(self, transforms):
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence of callables")
        self.transforms = transforms

    @staticmethod
    def _run(transforms, inputs):
        unpacked = len(inputs) > 1
        for transform in transforms:
            outputs = transform(*inputs)
            inputs = outputs if unpacked else (outputs,)
        return inputs if unpacked else inputs[0]


class _Listed(_Several):
    def extra_repr(self):
        return "\n".join(f"    {transform}" for transform in self.transforms)


class Compose(_Listed):
    """Transforms one after another."""

    def __init__(self, transforms):
        super().__init__(transforms)
        if not transforms:
            raise ValueError("Pass at least one transform")

    def forward(self, *inputs):
        return self._run(self.transforms, inputs)


class RandomApply(_Listed):
    """All of the transforms, with probability p, or none."""

    def __init__(self, transforms, p=0.5):
        if not isinstance(transforms, (Sequence, Module)):
            raise TypeError("Argument transforms should be a sequence of callables or a "
                            "`nn.ModuleList`")
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        Transform.__init__(self)
        self.transforms = transforms
        self.p = p

    def forward(self, *inputs):
        if flambeau.rand(1).item() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return self._run(self.transforms, inputs)


class RandomChoice(_Several):
    """One of the transforms, by weights p."""

    def __init__(self, transforms, p=None):
        super().__init__(transforms)
        if p is None:
            p = [1] * len(transforms)
        elif len(p) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(p)} != "
                f"{len(transforms)}"
            )
        self.p = [weight / sum(p) for weight in p]

    def forward(self, *inputs):
        chosen = int(flambeau.multinomial(flambeau.tensor(self.p), 1))
        return self.transforms[chosen](*inputs)


class RandomOrder(_Several):
    """All of the transforms, in a random order."""

    def forward(self, *inputs):
        order = flambeau.randperm(len(self.transforms)).tolist()
        return self._run([self.transforms[i] for i in order], inputs)
