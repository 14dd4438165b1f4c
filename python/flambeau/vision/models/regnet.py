"""RegNet (Radosavovic et al., 2020) (source: torchvision.models.regnet)."""
from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from functools import partial

from flambeau import nn
from flambeau.vision.models._api import register_model
from flambeau.vision.models._utils import _make_divisible
from flambeau.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

_SETTINGS = {  # (depth, w_0, w_a, w_m, width of a group); those named y weigh their channels
    "regnet_y_400mf": (16, 48, 27.89, 2.09, 8),
    "regnet_y_800mf": (14, 56, 38.84, 2.4, 16),
    "regnet_y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "regnet_y_3_2gf": (21, 80, 42.63, 2.66, 24),
    "regnet_y_8gf": (17, 192, 76.82, 2.19, 56),
    "regnet_y_16gf": (18, 200, 106.23, 2.48, 112),
    "regnet_y_32gf": (20, 232, 115.89, 2.53, 232),
    "regnet_y_128gf": (27, 456, 160.83, 2.52, 264),
    "regnet_x_400mf": (22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": (16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": (18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": (25, 88, 26.31, 2.25, 48),
    "regnet_x_8gf": (23, 80, 49.56, 2.88, 120),
    "regnet_x_16gf": (22, 216, 55.59, 2.1, 128),
    "regnet_x_32gf": (23, 320, 69.86, 2.0, 168),
}
__all__ = ["RegNet", *_SETTINGS]


class SimpleStemIN(Conv2dNormActivation):
    """The first convolution, which halves the image."""

    def __init__(self, width_in, width_out, norm_layer, activation_layer):
        super().__init__(width_in, width_out, kernel_size=3, stride=2, norm_layer=norm_layer,
                         activation_layer=activation_layer)


class BottleneckTransform(nn.Sequential):
    """Convolutions of 1 x 1, of 3 x 3 by groups, and of 1 x 1; before the last the channels are
    weighed if se_ratio says so."""

    def __init__(self, width_in, width_out, stride, norm_layer, activation_layer, group_width,
                 bottleneck_multiplier, se_ratio):
        width = int(round(width_out * bottleneck_multiplier))
        convolution = partial(Conv2dNormActivation, norm_layer=norm_layer,
                              activation_layer=activation_layer)
        layers = OrderedDict(
            a=convolution(width_in, width, kernel_size=1, stride=1),
            b=convolution(width, width, kernel_size=3, stride=stride, groups=width // group_width),
        )
        if se_ratio:
            squeezed = int(round(se_ratio * width_in))
            layers["se"] = SqueezeExcitation(width, squeezed, activation=activation_layer)
        layers["c"] = convolution(width, width_out, kernel_size=1, stride=1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """BottleneckTransform beside a shortcut, which is a convolution where the shapes differ."""

    def __init__(self, width_in, width_out, stride, norm_layer, activation_layer, group_width=1,
                 bottleneck_multiplier=1.0, se_ratio=None):
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(width_in, width_out, kernel_size=1, stride=stride,
                                             norm_layer=norm_layer, activation_layer=None)
        self.f = BottleneckTransform(width_in, width_out, stride, norm_layer, activation_layer,
                                     group_width, bottleneck_multiplier, se_ratio)
        self.activation = activation_layer(inplace=True)

    def forward(self, x):
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(shortcut + self.f(x))


class AnyStage(nn.Sequential):
    """depth blocks, the first with the stride."""

    def __init__(self, width_in, width_out, stride, depth, block_constructor, norm_layer,
                 activation_layer, group_width, bottleneck_multiplier, se_ratio=None,
                 stage_index=0):
        super().__init__()
        for i in range(depth):
            block = block_constructor(width_in, width_out, stride, norm_layer, activation_layer,
                                      group_width, bottleneck_multiplier, se_ratio)
            self.add_module(f"block{stage_index}-{i}", block)
            width_in, stride = width_out, 1


class BlockParams:
    """What the stages are like: lists with an entry a stage, and the share of channels that
    squeezing leaves (se_ratio)."""

    def __init__(self, depths, widths, group_widths, bottleneck_multipliers, strides,
                 se_ratio=None):
        self.depths, self.widths, self.group_widths = depths, widths, group_widths
        self.bottleneck_multipliers, self.strides = bottleneck_multipliers, strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(cls, depth, w_0, w_a, w_m, group_width, bottleneck_multiplier=1.0,
                         se_ratio=None, **kwargs):
        """The stages of depth blocks whose widths grow along the line w_0 + w_a * i, rounded to
        powers of w_m times w_0 and to multiples of 8: blocks of one width are a stage."""
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        powers = [round(math.log(1 + w_a * i / w_0, w_m)) for i in range(depth)]
        blocks = [round(w_0 * w_m**power / 8) * 8 for power in powers]
        stages = [(width, len(list(same))) for width, same in itertools.groupby(blocks)]
        widths, groups = [], []
        for width, _ in stages:
            inner = int(width * bottleneck_multiplier)
            groups.append(min(group_width, inner))
            widths.append(int(_make_divisible(inner, groups[-1]) / bottleneck_multiplier))
        return cls([count for _, count in stages], widths, groups,
                   [bottleneck_multiplier] * len(stages), [2] * len(stages), se_ratio)

    def _get_expanded_params(self):
        return zip(self.widths, self.strides, self.depths, self.group_widths,
                   self.bottleneck_multipliers)


class RegNet(nn.Module):
    """Images to scores, by the stages of block_params."""

    def __init__(self, block_params, num_classes=1000, stem_width=32, stem_type=None,
                 block_type=None, norm_layer=None, activation=None):
        super().__init__()
        norm_layer, activation = norm_layer or nn.BatchNorm2d, activation or nn.ReLU
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm_layer, activation)
        stages, width = OrderedDict(), stem_width
        for i, (out, stride, depth, group, multiplier) in enumerate(
            block_params._get_expanded_params(), 1
        ):
            stages[f"block{i}"] = AnyStage(
                width, out, stride, depth, block_type or ResBottleneckBlock, norm_layer,
                activation, group, multiplier, block_params.se_ratio, stage_index=i)
            width = out
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_features=width, out_features=num_classes)
        self._initialize()

    def _initialize(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                nn.init.normal_(m.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0.0, std=0.01)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.avgpool(self.trunk_output(self.stem(x)))
        return self.fc(x.flatten(start_dim=1))


def _make(name, norm_layer=None, **options):
    depth, w_0, w_a, w_m, group_width = _SETTINGS[name]
    params = BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width,
                                          se_ratio=0.25 if "_y_" in name else None)
    norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1)
    return RegNet(params, norm_layer=norm_layer, **options)


for _name in _SETTINGS:
    globals()[_name] = register_model(_name, partial(_make, _name))
