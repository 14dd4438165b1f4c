"""ConvNeXt (Liu et al., 2022) (source: torchvision.models.convnext)."""
from __future__ import annotations

from functools import partial

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.vision.models._api import register_model
from flambeau.vision.ops.misc import Conv2dNormActivation, Permute
from flambeau.vision.ops.stochastic_depth import StochasticDepth

__all__ = ["ConvNeXt", "convnext_tiny", "convnext_small", "convnext_base", "convnext_large"]


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, H, W)."""

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A depthwise convolution of 7 x 7 and two linear layers, beside a shortcut."""

    def __init__(self, dim, layer_scale, stochastic_depth_prob, norm_layer=None):
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm_layer(dim),
            nn.Linear(in_features=dim, out_features=4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(in_features=4 * dim, out_features=dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(flambeau.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input):
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """What a stage of blocks is like; out_channels None: the last."""

    def __init__(self, input_channels, out_channels, num_layers):
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(input_channels={self.input_channels}, "
            f"out_channels={self.out_channels}, num_layers={self.num_layers})"
        )


class ConvNeXt(nn.Module):
    """Images to scores, by the stages of block_setting."""

    def __init__(
        self,
        block_setting,
        stochastic_depth_prob=0.0,
        layer_scale=1e-6,
        num_classes=1000,
        block=None,
        norm_layer=None,
        **kwargs,
    ):
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        if not all(isinstance(cnf, CNBlockConfig) for cnf in block_setting):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        block, norm_layer = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers = [
            Conv2dNormActivation(
                3,
                block_setting[0].input_channels,
                kernel_size=4,
                stride=4,
                padding=0,
                norm_layer=norm_layer,
                activation_layer=None,
                bias=True,
            )
        ]
        total, made = sum(cnf.num_layers for cnf in block_setting), 0
        for cnf in block_setting:
            stage = []
            for _ in range(cnf.num_layers):
                chance = stochastic_depth_prob * made / (total - 1.0)
                stage.append(block(cnf.input_channels, layer_scale, chance))
                made += 1
            layers.append(nn.Sequential(*stage))
            channels = cnf.input_channels
            if cnf.out_channels is not None:
                halve = nn.Conv2d(channels, cnf.out_channels, kernel_size=2, stride=2)
                layers.append(nn.Sequential(norm_layer(channels), halve))
                channels = cnf.out_channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            norm_layer(channels), nn.Flatten(1), nn.Linear(channels, num_classes)
        )
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))


def _make(channels, counts, depth_prob, **options):
    setting = [
        CNBlockConfig(c, out, count)
        for c, out, count in zip(channels, [*channels[1:], None], counts)
    ]
    depth_prob = options.pop("stochastic_depth_prob", depth_prob)
    return ConvNeXt(setting, stochastic_depth_prob=depth_prob, **options)


def _variant(name, *arguments):
    return register_model(name, partial(_make, *arguments))


convnext_tiny = _variant("convnext_tiny", [96, 192, 384, 768], [3, 3, 9, 3], 0.1)
convnext_small = _variant("convnext_small", [96, 192, 384, 768], [3, 3, 27, 3], 0.4)
convnext_base = _variant("convnext_base", [128, 256, 512, 1024], [3, 3, 27, 3], 0.5)
convnext_large = _variant("convnext_large", [192, 384, 768, 1536], [3, 3, 27, 3], 0.5)
