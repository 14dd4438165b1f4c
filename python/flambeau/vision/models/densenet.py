"""DenseNet (Huang et al., 2017) (source: torchvision.models.densenet)."""
from __future__ import annotations

import re
from collections import OrderedDict
from functools import partial

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.vision.models._api import register_model

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]


class _DenseLayer(nn.Module):
    def __init__(
        self, num_input_features, growth_rate, bn_size, drop_rate, memory_efficient=False
    ):
        super().__init__()
        wide = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, wide, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(
            wide, growth_rate, kernel_size=3, stride=1, padding=1, bias=False
        )
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def _bottleneck(self, *inputs):
        return self.conv1(self.relu1(self.norm1(flambeau.cat(inputs, 1))))

    def forward(self, input):
        inputs = [input] if isinstance(input, flambeau.Tensor) else input
        if self.memory_efficient and any(x.requires_grad for x in inputs):
            from flambeau.utils.checkpoint import checkpoint

            x = checkpoint(self._bottleneck, *inputs, use_reentrant=False)
        else:
            x = self._bottleneck(*inputs)
        x = self.conv2(self.relu2(self.norm2(x)))
        if self.drop_rate > 0:
            x = F.dropout(x, p=self.drop_rate, training=self.training)
        return x


class _DenseBlock(nn.ModuleDict):
    _version = 2

    def __init__(
        self,
        num_layers,
        num_input_features,
        bn_size,
        growth_rate,
        drop_rate,
        memory_efficient=False,
    ):
        super().__init__()
        for i in range(num_layers):
            layer = _DenseLayer(
                num_input_features + i * growth_rate,
                growth_rate=growth_rate,
                bn_size=bn_size,
                drop_rate=drop_rate,
                memory_efficient=memory_efficient,
            )
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features):
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return flambeau.cat(features, 1)


class _Transition(nn.Sequential):
    def __init__(self, num_input_features, num_output_features):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(
            num_input_features, num_output_features, kernel_size=1, stride=1, bias=False
        )
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """Images to scores, by blocks in which every layer sees all before it. growth_rate: channels
    that a layer adds; bn_size: how much wider it is inside; memory_efficient: what is cheap is
    computed again in the backward pass."""

    def __init__(
        self,
        growth_rate=32,
        block_config=(6, 12, 24, 16),
        num_init_features=64,
        bn_size=4,
        drop_rate=0,
        num_classes=1000,
        memory_efficient=False,
    ):
        super().__init__()
        first = nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False)
        self.features = nn.Sequential(
            OrderedDict(
                conv0=first,
                norm0=nn.BatchNorm2d(num_init_features),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            )
        )
        features = num_init_features
        for i, count in enumerate(block_config, 1):
            block = _DenseBlock(count, features, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i}", block)
            features += count * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(features, features // 2))
                features //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(features))
        self.classifier = nn.Linear(features, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        return self.classifier(flambeau.flatten(F.adaptive_avg_pool2d(out, (1, 1)), 1))


def _load(model, state):
    # The files call the layers norm.1, conv.2, ..., which modules cannot be called any more.
    old = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")
    model.load_state_dict({old.sub(r"\1\2", name): value for name, value in state.items()})


def _variant(name, *arguments):
    return register_model(name, partial(DenseNet, *arguments), load=_load)


densenet121 = _variant("densenet121", 32, (6, 12, 24, 16), 64)
densenet161 = _variant("densenet161", 48, (6, 12, 36, 24), 96)
densenet169 = _variant("densenet169", 32, (6, 12, 32, 32), 64)
densenet201 = _variant("densenet201", 32, (6, 12, 48, 32), 64)
