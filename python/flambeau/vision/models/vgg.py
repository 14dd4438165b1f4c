"""VGG (Simonyan and Zisserman, 2015) (source: torchvision.models.vgg)."""
from __future__ import annotations

from functools import partial

import flambeau
from flambeau import nn
from flambeau.vision.models._api import register_model
from flambeau.vision.models._utils import init_conv_net

__all__ = [
    "VGG",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]


class VGG(nn.Module):
    """Images to scores: convolutions, then three linear layers."""

    def __init__(self, features, num_classes=1000, init_weights=True, dropout=0.5):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            init_conv_net(self, linear=partial(nn.init.normal_, mean=0, std=0.01))

    def forward(self, x):
        return self.classifier(flambeau.flatten(self.avgpool(self.features(x)), 1))


def make_layers(cfg, batch_norm=False):
    """Convolutions of 3 x 3 with the channels that cfg lists; "M": the size is halved."""
    layers, channels = [], 3
    for v in cfg:
        if v == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, v, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(v))
        layers.append(nn.ReLU(inplace=True))
        channels = v
    return nn.Sequential(*layers)


def _stages(*counts):
    """The list of make_layers that has that many convolutions a stage."""
    widths = (64, 128, 256, 512, 512)
    return [v for width, count in zip(widths, counts) for v in [width] * count + ["M"]]


cfgs = {
    "A": _stages(1, 1, 2, 2, 2),
    "B": _stages(2, 2, 2, 2, 2),
    "D": _stages(2, 2, 3, 3, 3),
    "E": _stages(2, 2, 4, 4, 4),
}


def _make(cfg, batch_norm, **options):
    return VGG(make_layers(cfgs[cfg], batch_norm=batch_norm), **options)


def _adapt(options, weights):
    options["init_weights"] = False


def _variant(name, cfg, batch_norm=False):
    return register_model(name, partial(_make, cfg, batch_norm), adapt=_adapt)


vgg11 = _variant("vgg11", "A")
vgg11_bn = _variant("vgg11_bn", "A", batch_norm=True)
vgg13 = _variant("vgg13", "B")
vgg13_bn = _variant("vgg13_bn", "B", batch_norm=True)
vgg16 = _variant("vgg16", "D")
vgg16_bn = _variant("vgg16_bn", "D", batch_norm=True)
vgg19 = _variant("vgg19", "E")
vgg19_bn = _variant("vgg19_bn", "E", batch_norm=True)
