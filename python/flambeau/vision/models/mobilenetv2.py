"""MobileNetV2 (Sandler et al., 2018) (source: torchvision.models.mobilenetv2)."""
from __future__ import annotations

from functools import partial

import flambeau
from flambeau import nn
from flambeau.vision.models._api import register_model
from flambeau.vision.models._utils import _make_divisible, init_conv_net
from flambeau.vision.ops.misc import Conv2dNormActivation

__all__ = ["MobileNetV2", "mobilenet_v2"]


class InvertedResidual(nn.Module):
    """Channels widened expand_ratio times, a depthwise convolution, channels narrowed; beside a
    shortcut where the shape stays."""

    def __init__(self, inp, oup, stride, expand_ratio, norm_layer=None):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm_layer = norm_layer or nn.BatchNorm2d
        self.stride = stride
        hidden = int(round(inp * expand_ratio))
        self.use_res_connect = stride == 1 and inp == oup
        step = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        layers = [step(inp, hidden, kernel_size=1)] if expand_ratio != 1 else []
        layers += [
            step(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm_layer(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# expansion, channels, blocks, stride of the first
_SETTING = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


class MobileNetV2(nn.Module):
    """Images to scores. width_mult: of all channels, rounded to multiples of round_nearest."""

    def __init__(
        self,
        num_classes=1000,
        width_mult=1.0,
        inverted_residual_setting=None,
        round_nearest=8,
        block=None,
        norm_layer=None,
        dropout=0.2,
    ):
        super().__init__()
        block, norm_layer = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or len(setting[0]) != 4:
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, got "
                f"{inverted_residual_setting}"
            )
        step = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features = [step(3, channels, stride=2)]
        for expansion, c, count, stride in setting:
            out = _make_divisible(c * width_mult, round_nearest)
            for i in range(count):
                features.append(
                    block(
                        channels,
                        out,
                        stride if i == 0 else 1,
                        expand_ratio=expansion,
                        norm_layer=norm_layer,
                    )
                )
                channels = out
        features.append(step(channels, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        init_conv_net(self, linear=partial(nn.init.normal_, mean=0, std=0.01))

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(flambeau.flatten(x, 1))


mobilenet_v2 = register_model("mobilenet_v2", MobileNetV2)
