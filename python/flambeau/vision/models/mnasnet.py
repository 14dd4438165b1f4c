"""MNASNet (Tan et al., 2019) (source: torchvision.models.mnasnet)."""
from __future__ import annotations

from functools import partial

from flambeau import nn
from flambeau.vision.models._api import register_model
from flambeau.vision.models._utils import _make_divisible, init_conv_net

__all__ = ["MNASNet", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]

_BN_MOMENTUM = 1 - 0.9997  # TensorFlow's 0.9997


def _conv(inp, out, kernel=1, stride=1, groups=1, relu=True):
    layers = [
        nn.Conv2d(
            inp, out, kernel, padding=kernel // 2, stride=stride, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out, momentum=_BN_MOMENTUM),
    ]
    return [*layers, nn.ReLU(inplace=True)] if relu else layers


class _InvertedResidual(nn.Module):
    def __init__(self, inp, out, kernel, stride, expansion):
        super().__init__()
        wide = inp * expansion
        self.apply_residual = inp == out and stride == 1
        self.layers = nn.Sequential(
            *_conv(inp, wide),
            *_conv(wide, wide, kernel, stride, groups=wide),
            *_conv(wide, out, relu=False),
        )

    def forward(self, input):
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _stack(inp, out, kernel, stride, expansion, repeats):
    first = _InvertedResidual(inp, out, kernel, stride, expansion)
    others = [_InvertedResidual(out, out, kernel, 1, expansion) for _ in range(repeats - 1)]
    return nn.Sequential(first, *others)


class MNASNet(nn.Module):
    """Images to scores; alpha: how wide."""

    _version = 2

    def __init__(self, alpha, num_classes=1000, dropout=0.2):
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        d = [_make_divisible(depth * alpha, 8) for depth in (32, 16, 24, 40, 80, 96, 192, 320)]
        self.layers = nn.Sequential(
            *_conv(3, d[0], 3, 2),
            *_conv(d[0], d[0], 3, groups=d[0]),
            *_conv(d[0], d[1], relu=False),
            _stack(d[1], d[2], 3, 2, 3, 3),
            _stack(d[2], d[3], 5, 2, 3, 3),
            _stack(d[3], d[4], 5, 2, 6, 3),
            _stack(d[4], d[5], 3, 1, 6, 2),
            _stack(d[5], d[6], 5, 2, 6, 4),
            _stack(d[6], d[7], 3, 1, 6, 1),
            *_conv(d[7], 1280),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes)
        )
        init_conv_net(
            self,
            linear=partial(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid"),
        )

    def forward(self, x):
        return self.classifier(self.layers(x).mean([2, 3]))


mnasnet0_5 = register_model("mnasnet0_5", partial(MNASNet, 0.5))
mnasnet0_75 = register_model("mnasnet0_75", partial(MNASNet, 0.75))
mnasnet1_0 = register_model("mnasnet1_0", partial(MNASNet, 1.0))
mnasnet1_3 = register_model("mnasnet1_3", partial(MNASNet, 1.3))
