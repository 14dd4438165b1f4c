"""EfficientNet (Tan and Le, 2019) and EfficientNetV2 (2021) (source:
torchvision.models.efficientnet)."""
from __future__ import annotations

import copy
import math
from functools import partial

import flambeau
from flambeau import nn
from flambeau.vision.models._api import register_model
from flambeau.vision.models._utils import _make_divisible, init_conv_net
from flambeau.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from flambeau.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "EfficientNet",
    *(f"efficientnet_b{i}" for i in range(8)),
    *(f"efficientnet_v2_{size}" for size in "sml"),
]


class _Config:
    """What a stage of blocks is like."""

    def __init__(
        self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block
    ):
        self.expand_ratio = expand_ratio
        self.kernel = kernel
        self.stride = stride
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.block = block

    @staticmethod
    def adjust_channels(channels, width_mult, min_value=None):
        """channels * width_mult as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_Config):
    """A stage of MBConv, scaled in width and depth."""

    def __init__(
        self,
        expand_ratio,
        kernel,
        stride,
        input_channels,
        out_channels,
        num_layers,
        width_mult=1.0,
        depth_mult=1.0,
        block=None,
    ):
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers, depth_mult):
        """num_layers * depth_mult, rounded up."""
        return int(math.ceil(num_layers * depth_mult))


class FusedMBConvConfig(_Config):
    """A stage of FusedMBConv."""

    def __init__(
        self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block=None
    ):
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            input_channels,
            out_channels,
            num_layers,
            block or FusedMBConv,
        )


class _Block(nn.Module):
    """Layers beside a shortcut where the shape stays, dropped whole at random."""

    def __init__(self, cnf, stochastic_depth_prob, *arguments, **options):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*self._layers(cnf, *arguments, **options))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input):
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Block):
    """Channels widened, a depthwise convolution, weighed, narrowed."""

    @staticmethod
    def _layers(cnf, norm_layer, se_layer=SqueezeExcitation):
        step = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        wide, layers = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio), []
        if wide != cnf.input_channels:
            layers.append(step(cnf.input_channels, wide, kernel_size=1))
        layers.append(
            step(wide, wide, kernel_size=cnf.kernel, stride=cnf.stride, groups=wide)
        )
        squeezed = max(1, cnf.input_channels // 4)
        layers.append(se_layer(wide, squeezed, activation=partial(nn.SiLU, inplace=True)))
        layers.append(step(wide, cnf.out_channels, kernel_size=1, activation_layer=None))
        return layers


class FusedMBConv(_Block):
    """MBConv whose first two convolutions are one."""

    @staticmethod
    def _layers(cnf, norm_layer):
        step = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        wide = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        how = {"kernel_size": cnf.kernel, "stride": cnf.stride}
        if wide == cnf.input_channels:
            return [step(cnf.input_channels, cnf.out_channels, **how)]
        return [
            step(cnf.input_channels, wide, **how),
            step(wide, cnf.out_channels, kernel_size=1, activation_layer=None),
        ]


class EfficientNet(nn.Module):
    """Images to scores, by the stages of inverted_residual_setting. stochastic_depth_prob: of the
    last block; earlier ones are dropped less."""

    def __init__(
        self,
        inverted_residual_setting,
        dropout,
        stochastic_depth_prob=0.2,
        num_classes=1000,
        norm_layer=None,
        last_channel=None,
    ):
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not all(isinstance(cnf, _Config) for cnf in setting):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm_layer = norm_layer or nn.BatchNorm2d
        step = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers = [step(3, setting[0].input_channels, kernel_size=3, stride=2)]
        total, made = sum(cnf.num_layers for cnf in setting), 0
        for cnf in setting:
            stage = []
            for _ in range(cnf.num_layers):
                own = copy.copy(cnf)
                if stage:
                    own.input_channels, own.stride = own.out_channels, 1
                chance = stochastic_depth_prob * float(made) / total
                stage.append(own.block(own, chance, norm_layer))
                made += 1
            layers.append(nn.Sequential(*stage))
        last = setting[-1].out_channels
        out = 4 * last if last_channel is None else last_channel
        layers.append(step(last, out, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(out, num_classes)
        )
        bound = 1.0 / math.sqrt(num_classes)
        init_conv_net(self, linear=partial(nn.init.uniform_, a=-bound, b=bound))

    def forward(self, x):
        return self.classifier(flambeau.flatten(self.avgpool(self.features(x)), 1))


# expansion, kernel, stride, input channels, output channels, blocks
_B = [
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
]
# The same; the first three stages are fused.
_V2 = {
    "s": [
        (1, 3, 1, 24, 24, 2),
        (4, 3, 2, 24, 48, 4),
        (4, 3, 2, 48, 64, 4),
        (4, 3, 2, 64, 128, 6),
        (6, 3, 1, 128, 160, 9),
        (6, 3, 2, 160, 256, 15),
    ],
    "m": [
        (1, 3, 1, 24, 24, 3),
        (4, 3, 2, 24, 48, 5),
        (4, 3, 2, 48, 80, 5),
        (4, 3, 2, 80, 160, 7),
        (6, 3, 1, 160, 176, 14),
        (6, 3, 2, 176, 304, 18),
        (6, 3, 1, 304, 512, 5),
    ],
    "l": [
        (1, 3, 1, 32, 32, 4),
        (4, 3, 2, 32, 64, 7),
        (4, 3, 2, 64, 96, 7),
        (4, 3, 2, 96, 192, 10),
        (6, 3, 1, 192, 224, 19),
        (6, 3, 2, 224, 384, 25),
        (6, 3, 1, 384, 640, 7),
    ],
}


def _make_b(width, depth, dropout, norm, **options):
    setting = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in _B]
    return _make(setting, dropout, norm, None, options)


def _make_v2(size, dropout, **options):
    setting = [
        (FusedMBConvConfig if i < 3 else MBConvConfig)(*row) for i, row in enumerate(_V2[size])
    ]
    return _make(setting, dropout, {"eps": 1e-03}, 1280, options)


def _make(setting, dropout, norm, last_channel, options):
    if norm:
        options["norm_layer"] = partial(nn.BatchNorm2d, **norm)
    dropout = options.pop("dropout", dropout)
    return EfficientNet(setting, dropout, last_channel=last_channel, **options)


_TENSORFLOW = {"eps": 0.001, "momentum": 0.01}
# width, depth, dropout, normalisation
efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3, efficientnet_b4, \
    efficientnet_b5, efficientnet_b6, efficientnet_b7 = (
        register_model(f"efficientnet_b{i}", partial(_make_b, *scale))
        for i, scale in enumerate(
            (
                (1.0, 1.0, 0.2, None),
                (1.0, 1.1, 0.2, None),
                (1.1, 1.2, 0.3, None),
                (1.2, 1.4, 0.3, None),
                (1.4, 1.8, 0.4, None),
                (1.6, 2.2, 0.4, _TENSORFLOW),
                (1.8, 2.6, 0.5, _TENSORFLOW),
                (2.0, 3.1, 0.5, _TENSORFLOW),
            )
        )
    )
efficientnet_v2_s = register_model("efficientnet_v2_s", partial(_make_v2, "s", 0.2))
efficientnet_v2_m = register_model("efficientnet_v2_m", partial(_make_v2, "m", 0.3))
efficientnet_v2_l = register_model("efficientnet_v2_l", partial(_make_v2, "l", 0.4))
