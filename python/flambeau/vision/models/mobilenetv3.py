"""MobileNetV3 (Howard et al., 2019) (source: torchvision.models.mobilenetv3)."""
from __future__ import annotations

from functools import partial

import flambeau
from flambeau import nn
from flambeau.vision.models._api import register_model
from flambeau.vision.models._utils import _make_divisible, init_conv_net
from flambeau.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]


class InvertedResidualConfig:
    """What a block is like; activation: "RE" (relu) or "HS" (hardswish)."""

    def __init__(
        self,
        input_channels,
        kernel,
        expanded_channels,
        out_channels,
        use_se,
        activation,
        stride,
        dilation,
        width_mult,
    ):
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels, width_mult):
        """channels * width_mult as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Channels widened, a depthwise convolution, perhaps weighed, narrowed; beside a shortcut where
    the shape stays."""

    def __init__(
        self,
        cnf,
        norm_layer,
        se_layer=partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid),
    ):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        step = partial(
            Conv2dNormActivation,
            norm_layer=norm_layer,
            activation_layer=nn.Hardswish if cnf.use_hs else nn.ReLU,
        )
        wide, layers = cnf.expanded_channels, []
        if wide != cnf.input_channels:
            layers.append(step(cnf.input_channels, wide, kernel_size=1))
        layers.append(
            step(
                wide,
                wide,
                kernel_size=cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=wide,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(wide, _make_divisible(wide // 4, 8)))
        layers.append(step(wide, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input):
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """Images to scores, by the blocks of inverted_residual_setting."""

    def __init__(
        self,
        inverted_residual_setting,
        last_channel,
        num_classes=1000,
        block=None,
        norm_layer=None,
        dropout=0.2,
        **kwargs,
    ):
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not all(isinstance(cnf, InvertedResidualConfig) for cnf in setting):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        step = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.Hardswish)
        last = setting[-1].out_channels
        self.features = nn.Sequential(
            step(3, setting[0].input_channels, kernel_size=3, stride=2),
            *(block(cnf, norm_layer) for cnf in setting),
            step(last, 6 * last, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        init_conv_net(self, linear=partial(nn.init.normal_, mean=0, std=0.01))

    def forward(self, x):
        return self.classifier(flambeau.flatten(self.avgpool(self.features(x)), 1))


# input channels, kernel, expanded channels, output channels, weighed, activation, stride; the last
# three blocks are narrowed by reduced_tail and dilated by dilated.
_BLOCKS = {
    "mobilenet_v3_large": """
        16 3 16 16 - RE 1; 16 3 64 24 - RE 2; 24 3 72 24 - RE 1; 24 5 72 40 SE RE 2;
        40 5 120 40 SE RE 1; 40 5 120 40 SE RE 1; 40 3 240 80 - HS 2; 80 3 200 80 - HS 1;
        80 3 184 80 - HS 1; 80 3 184 80 - HS 1; 80 3 480 112 SE HS 1; 112 3 672 112 SE HS 1;
        112 5 672 160 SE HS 2; 160 5 960 160 SE HS 1; 160 5 960 160 SE HS 1""",
    "mobilenet_v3_small": """
        16 3 16 16 SE RE 2; 16 3 72 24 - RE 2; 24 3 88 24 - RE 1; 24 5 96 40 SE HS 2;
        40 5 240 40 SE HS 1; 40 5 240 40 SE HS 1; 40 5 120 48 SE HS 1; 48 5 144 48 SE HS 1;
        48 5 288 96 SE HS 2; 96 5 576 96 SE HS 1; 96 5 576 96 SE HS 1""",
}
_LAST = {"mobilenet_v3_large": 1280, "mobilenet_v3_small": 1024}


def _make(name, width_mult=1.0, reduced_tail=False, dilated=False, **options):
    lines = [line.split() for line in _BLOCKS[name].split(";")]
    part, setting = 2 if reduced_tail else 1, []
    for i, (inp, kernel, wide, out, se, activation, stride) in enumerate(lines):
        tail = i - len(lines) + 3  # 0, 1, 2 for the last three
        setting.append(
            InvertedResidualConfig(
                int(inp) // (part if tail > 0 else 1),
                int(kernel),
                int(wide) // (part if tail > 0 else 1),
                int(out) // (part if tail >= 0 else 1),
                se == "SE",
                activation,
                int(stride),
                2 if dilated and tail >= 0 else 1,
                width_mult,
            )
        )
    last = InvertedResidualConfig.adjust_channels(_LAST[name] // part, width_mult)
    return MobileNetV3(setting, last, **options)


mobilenet_v3_large = register_model("mobilenet_v3_large", partial(_make, "mobilenet_v3_large"))
mobilenet_v3_small = register_model("mobilenet_v3_small", partial(_make, "mobilenet_v3_small"))
