"""Maps of several sizes, each given what the smaller ones know (source:
torchvision.ops.feature_pyramid_network; Lin et al., "Feature Pyramid Networks", 2017)."""
from __future__ import annotations

from collections import OrderedDict

from flambeau import nn
from flambeau.nn import functional as F
from flambeau.vision.ops.misc import Conv2dNormActivation

__all__ = ["ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7"]


class ExtraFPNBlock(nn.Module):
    """What makes further maps: called with the pyramid's, the network's inputs and the names."""

    def forward(self, results, x, names):
        raise NotImplementedError


class FeaturePyramidNetwork(nn.Module):
    """Maps (N, in_channels_list[i], H, W), the largest first, in a dict: as many with out_channels
    each, in an OrderedDict of the same names, and those of extra_blocks."""

    def __init__(self, in_channels_list, out_channels, extra_blocks=None, norm_layer=None):
        super().__init__()
        self.inner_blocks, self.layer_blocks = nn.ModuleList(), nn.ModuleList()
        for in_channels in in_channels_list:
            if in_channels == 0:
                raise ValueError("in_channels=0 is currently not supported")
            options = {"norm_layer": norm_layer, "activation_layer": None}
            self.inner_blocks.append(
                Conv2dNormActivation(in_channels, out_channels, kernel_size=1, padding=0, **options)
            )
            self.layer_blocks.append(
                Conv2dNormActivation(out_channels, out_channels, kernel_size=3, **options)
            )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(
                f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}"
            )
        self.extra_blocks = extra_blocks

    def forward(self, x):
        names, maps = list(x.keys()), list(x.values())
        above = self.inner_blocks[-1](maps[-1])
        results = [self.layer_blocks[-1](above)]
        for i in range(len(maps) - 2, -1, -1):
            own = self.inner_blocks[i](maps[i])
            above = own + F.interpolate(above, size=own.shape[-2:], mode="nearest")
            results.insert(0, self.layer_blocks[i](above))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *arguments):
        if (local_metadata.get("version") or 1) < 2:  # files of torchvision before 0.13
            for part in ("inner_blocks", "layer_blocks"):
                for i in range(len(getattr(self, part))):
                    for kind in ("weight", "bias"):
                        old = f"{prefix}{part}.{i}.{kind}"
                        if old in state_dict:
                            state_dict[f"{prefix}{part}.{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *arguments)

    _version = 2


class LastLevelMaxPool(ExtraFPNBlock):
    """One map more, every second place of the smallest one: "pool"."""

    def forward(self, x, y, names):
        names.append("pool")
        x.append(F.max_pool2d(x[-1], kernel_size=1, stride=2, padding=0))
        return x, names


class LastLevelP6P7(ExtraFPNBlock):
    """Two maps more by convolutions of stride 2, "p6" and "p7", as RetinaNet has them."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            nn.init.kaiming_uniform_(module.weight, a=1)
            nn.init.constant_(module.bias, 0)
        self.use_P5 = in_channels == out_channels

    def forward(self, p, c, names):
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        p.extend([p6, self.p7(F.relu(p6))])
        names.extend(["p6", "p7"])
        return p, names
