"""MaxViT (Tu et al., 2022) (source: torchvision.models.maxvit).

A layer is a convolution and two attentions: in windows of neighbouring pixels, and among pixels of
a grid that lie a window apart. Both are attention over (N, groups, pixels, C).
"""
from __future__ import annotations

from collections import OrderedDict
from functools import partial

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.vision.models._api import fix, register_model
from flambeau.vision.models.swin_transformer import relative_position_index
from flambeau.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from flambeau.vision.ops.stochastic_depth import StochasticDepth

__all__ = ["MaxVit", "maxvit_t"]


def _halved(size):
    """An image's size behind a convolution of 3 x 3 with stride 2."""
    return tuple((side - 1) // 2 + 1 for side in size)


class MBConv(nn.Module):
    """Channels widened, convolved one by one, weighed and narrowed, beside a shortcut."""

    def __init__(self, in_channels, out_channels, expansion_ratio, squeeze_ratio, stride,
                 activation_layer, norm_layer, p_stochastic_dropout=0.0):
        super().__init__()
        self.proj = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            proj = [nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=1, bias=True)]
            if stride == 2:
                proj.insert(0, nn.AvgPool2d(kernel_size=3, stride=stride, padding=1))
            self.proj = nn.Sequential(*proj)
        wide = int(out_channels * expansion_ratio)
        self.stochastic_depth = nn.Identity()
        if p_stochastic_dropout:
            self.stochastic_depth = StochasticDepth(p_stochastic_dropout, mode="row")
        convolution = partial(Conv2dNormActivation, activation_layer=activation_layer,
                              norm_layer=norm_layer, inplace=None)
        self.layers = nn.Sequential(OrderedDict(
            pre_norm=norm_layer(in_channels),
            conv_a=convolution(in_channels, wide, kernel_size=1, stride=1, padding=0),
            conv_b=convolution(wide, wide, kernel_size=3, stride=stride, padding=1, groups=wide),
            squeeze_excitation=SqueezeExcitation(wide, int(out_channels * squeeze_ratio),
                                                 activation=nn.SiLU),
            conv_c=nn.Conv2d(wide, out_channels, kernel_size=1, bias=True),
        ))

    def forward(self, x):
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention over the pixels of x (N, groups, pixels, C), with a learned bias for each offset
    of two pixels of a square."""

    def __init__(self, feat_dim, head_dim, max_seq_len):
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads, self.head_dim = feat_dim // head_dim, head_dim
        self.size, self.max_seq_len = int(max_seq_len**0.5), max_seq_len
        self.to_qkv = nn.Linear(feat_dim, feat_dim * 3)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(feat_dim, feat_dim)
        table = flambeau.empty((2 * self.size - 1) ** 2, self.n_heads, dtype=flambeau.float32)
        self.relative_position_bias_table = nn.Parameter(table)
        index = relative_position_index(self.size, self.size)
        self.register_buffer("relative_position_index", index)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self):
        """(1, heads, pixels, pixels)."""
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        bias = bias.view(self.max_seq_len, self.max_seq_len, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x):
        q, k, v = (
            part.reshape(*x.shape[:3], self.n_heads, self.head_dim).transpose(2, 3)
            for part in flambeau.chunk(self.to_qkv(x), 3, dim=-1)
        )
        scores = q @ (k * self.scale_factor).transpose(-2, -1)
        scores = F.softmax(scores + self.get_relative_positional_bias(), dim=-1)
        return self.merge((scores @ v).transpose(2, 3).reshape(x.shape))


class SwapAxes(nn.Module):
    """torch.swapaxes."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return flambeau.swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """(N, C, H, W) to (N, windows, p * p, C)."""

    def forward(self, x, p):
        n, channels, height, width = x.shape
        x = x.reshape(n, channels, height // p, p, width // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(n, (height // p) * (width // p), p * p, channels)


class WindowDepartition(nn.Module):
    """(N, windows, p * p, C) to (N, C, H, W)."""

    def forward(self, x, p, h_partitions, w_partitions):
        n, channels = x.shape[0], x.shape[-1]
        x = x.reshape(n, h_partitions, w_partitions, p, p, channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, channels, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention and an MLP among the pixels of a "window", or of a "grid"."""

    def __init__(self, in_channels, head_dim, partition_size, partition_type, grid_size, mlp_ratio,
                 activation_layer, norm_layer, attention_dropout, mlp_dropout,
                 p_stochastic_dropout):
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        self.n_heads, self.head_dim = in_channels // head_dim, head_dim
        self.n_partitions = grid_size[0] // partition_size
        self.partition_type, self.grid_size = partition_type, grid_size
        grid = partition_type == "grid"
        self.p, self.g = partition_size, self.n_partitions
        if grid:
            self.p, self.g = self.g, self.p
        self.partition_op, self.departition_op = WindowPartition(), WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, mode="row")

    def forward(self, x):
        height, width = self.grid_size
        flambeau._assert(
            height % self.p == 0 and width % self.p == 0,
            f"Grid size must be divisible by partition size. Got grid size of {self.grid_size} and"
            f" partition size of {self.p}")
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        x = self.departition_swap(x)
        return self.departition_op(x, self.p, height // self.p, width // self.p)


class MaxVitLayer(nn.Module):
    """A convolution, attention in windows and attention in grids."""

    def __init__(self, in_channels, out_channels, squeeze_ratio, expansion_ratio, stride,
                 norm_layer, activation_layer, head_dim, mlp_ratio, mlp_dropout, attention_dropout,
                 p_stochastic_dropout, partition_size, grid_size):
        super().__init__()
        attention = partial(
            PartitionAttentionLayer, in_channels=out_channels, head_dim=head_dim,
            partition_size=partition_size, grid_size=grid_size, mlp_ratio=mlp_ratio,
            activation_layer=activation_layer, norm_layer=nn.LayerNorm,
            attention_dropout=attention_dropout, mlp_dropout=mlp_dropout,
            p_stochastic_dropout=p_stochastic_dropout)
        self.layers = nn.Sequential(OrderedDict(
            MBconv=MBConv(in_channels, out_channels, expansion_ratio, squeeze_ratio, stride,
                          activation_layer, norm_layer, p_stochastic_dropout),
            window_attention=attention(partition_type="window"),
            grid_attention=attention(partition_type="grid"),
        ))

    def forward(self, x):
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """n_layers layers, the first of which halves the image."""

    def __init__(self, in_channels, out_channels, squeeze_ratio, expansion_ratio, norm_layer,
                 activation_layer, head_dim, mlp_ratio, mlp_dropout, attention_dropout,
                 partition_size, input_grid_size, n_layers, p_stochastic):
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(
                f"p_stochastic must have length n_layers={n_layers}, got"
                f" p_stochastic={p_stochastic}.")
        self.grid_size = _halved(input_grid_size)
        self.layers = nn.ModuleList(
            MaxVitLayer(in_channels if i == 0 else out_channels, out_channels, squeeze_ratio,
                        expansion_ratio, 2 if i == 0 else 1, norm_layer, activation_layer,
                        head_dim, mlp_ratio, mlp_dropout, attention_dropout, chance,
                        partition_size, self.grid_size)
            for i, chance in enumerate(p_stochastic))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """Images of input_size to scores."""

    def __init__(self, input_size, stem_channels, partition_size, block_channels, block_layers,
                 head_dim, stochastic_depth_prob, norm_layer=None, activation_layer=nn.GELU,
                 squeeze_ratio=0.25, expansion_ratio=4, mlp_ratio=4, mlp_dropout=0.0,
                 attention_dropout=0.0, num_classes=1000):
        super().__init__()
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        self._check(input_size, len(block_channels), partition_size)
        self.stem = nn.Sequential(
            Conv2dNormActivation(3, stem_channels, 3, stride=2, norm_layer=norm_layer,
                                 activation_layer=activation_layer, bias=False, inplace=None),
            Conv2dNormActivation(stem_channels, stem_channels, 3, stride=1, norm_layer=None,
                                 activation_layer=None, bias=True),
        )
        self.partition_size = partition_size
        self.blocks = nn.ModuleList()
        size, channels, total, made = _halved(input_size), stem_channels, sum(block_layers), 0
        for out, count in zip(block_channels, block_layers):
            step = stochastic_depth_prob / max(total - 1, 1)
            chances = [step * i for i in range(made, made + count)]
            block = MaxVitBlock(channels, out, squeeze_ratio, expansion_ratio, norm_layer,
                                activation_layer, head_dim, mlp_ratio, mlp_dropout,
                                attention_dropout, partition_size, size, count, chances)
            self.blocks.append(block)
            size, channels, made = block.grid_size, out, made + count
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(channels),
            nn.Linear(channels, channels), nn.Tanh(), nn.Linear(channels, num_classes, bias=False))
        self._init_weights()

    @staticmethod
    def _check(input_size, blocks, partition_size):
        sizes, size = [], _halved(input_size)
        for _ in range(blocks):
            size = _halved(size)
            sizes.append(size)
        for i, size in enumerate(sizes):
            if any(side % partition_size for side in size):
                raise ValueError(
                    f"Input size {size} of block {i} is not divisible by partition size"
                    f" {partition_size}. Consider changing the partition size or the input size.\n"
                    f"Current configuration yields the following block input sizes: {sizes}.")

    def _init_weights(self):
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _make(input_size=(224, 224), stochastic_depth_prob=0.2, **options):
    return MaxVit(
        input_size, stem_channels=64, partition_size=7, block_channels=[64, 128, 256, 512],
        block_layers=[2, 2, 5, 2], head_dim=32, stochastic_depth_prob=stochastic_depth_prob,
        **options)


def _adapt(options, weights):
    fix(options, "input_size", weights.meta["min_size"])


maxvit_t = register_model("maxvit_t", _make, _adapt)
