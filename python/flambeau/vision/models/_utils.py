"""What several models need (source: torchvision.models._utils)."""
from __future__ import annotations

from collections import OrderedDict

from flambeau import nn


def _make_divisible(v, divisor, min_value=None):
    """The multiple of divisor nearest to v, at least min_value and at least nine tenths of v."""
    least = divisor if min_value is None else min_value
    rounded = max(least, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


def init_conv_net(model, linear=None, fan="fan_out"):
    """Fills the weights of a model's layers in their order: convolutions by Kaiming's rule,
    normalisations with 1 and 0, linear layers by linear(weight); biases with 0."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode=fan)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
            if m.weight is not None:
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear) and linear is not None:
            linear(m.weight)
            nn.init.zeros_(m.bias)


class IntermediateLayerGetter(nn.ModuleDict):
    """Runs a model's children in turn up to the last of return_layers {child: name}; returns what
    these give, by name."""

    def __init__(self, model, return_layers):
        if not set(return_layers).issubset(name for name, _ in model.named_children()):
            raise ValueError("return_layers are not present in model")
        left, layers = {str(k) for k in return_layers}, OrderedDict()
        for name, module in model.named_children():
            layers[name] = module
            left.discard(name)
            if not left:
                break
        super().__init__(layers)
        self.return_layers = {str(k): str(v) for k, v in return_layers.items()}

    def forward(self, x):
        out = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out
