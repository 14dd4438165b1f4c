"""SqueezeNet (Iandola et al., 2016) (source: torchvision.models.squeezenet)."""
from __future__ import annotations

from functools import partial

import flambeau
from flambeau import nn
from flambeau.vision.models._api import register_model

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """Channels squeezed, then widened by convolutions of 1 x 1 and of 3 x 3, side by side."""

    def __init__(self, inplanes, squeeze_planes, expand1x1_planes, expand3x3_planes):
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        wide = self.expand1x1_activation(self.expand1x1(x))
        return flambeau.cat([wide, self.expand3x3_activation(self.expand3x3(x))], 1)


# The first convolution's channels and kernel, then Fire's squeezed planes ("M": the size is
# halved), which are widened eight times.
_VERSIONS = {
    "1_0": (96, 7, [16, 16, 32, "M", 32, 48, 48, 64, "M", 64]),
    "1_1": (64, 3, [16, 16, "M", 32, 32, "M", 48, 48, 64, 64]),
}


class SqueezeNet(nn.Module):
    """Images to scores. version: "1_0" or "1_1"."""

    def __init__(self, version="1_0", num_classes=1000, dropout=0.5):
        super().__init__()
        self.num_classes = num_classes
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        channels, kernel, plan = _VERSIONS[version]
        layers = [nn.Conv2d(3, channels, kernel_size=kernel, stride=2), nn.ReLU(inplace=True)]
        for planes in ["M", *plan]:
            if planes == "M":
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            else:
                layers.append(Fire(channels, planes, 4 * planes, 4 * planes))
                channels = 8 * planes
        self.features = nn.Sequential(*layers)
        final_conv = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            final_conv,
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((1, 1)),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is final_conv:
                    nn.init.normal_(m.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        return flambeau.flatten(self.classifier(self.features(x)), 1)


squeezenet1_0 = register_model("squeezenet1_0", partial(SqueezeNet, "1_0"))
squeezenet1_1 = register_model("squeezenet1_1", partial(SqueezeNet, "1_1"))
