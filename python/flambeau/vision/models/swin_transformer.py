"""Swin Transformer (Liu et al., 2021) and its second version (Liu et al., 2022) (source:
torchvision.models.swin_transformer).

Images stay (N, H, W, C). Attention looks at windows of the image, which every other block shifts
by half a window: the image is rolled, and pixels that only the roll made neighbours are masked.
"""
from __future__ import annotations

import math
from functools import partial

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.vision.models._api import register_model
from flambeau.vision.ops.misc import MLP, Permute
from flambeau.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "SwinTransformer", "swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b",
]


class PatchMerging(nn.Module):
    """Squares of 2 x 2 pixels become one: (..., H, W, C) to (..., H/2, W/2, 2C)."""

    _norm_first = True

    def __init__(self, dim, norm_layer=nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim if self._norm_first else 2 * dim)

    def forward(self, x):
        height, width = x.shape[-3:-1]
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        x = flambeau.cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)
        if self._norm_first:
            return self.reduction(self.norm(x))
        return self.norm(self.reduction(x))


class PatchMergingV2(PatchMerging):
    """The same, with the normalisation after the linear layer."""

    _norm_first = False


# ---- Attention by windows ------------------------------------------------------------------------


def shifted_window_attention(input, qkv_weight, proj_weight, relative_position_bias, window_size,
                             num_heads, shift_size, attention_dropout=0.0, dropout=0.0,
                             qkv_bias=None, proj_bias=None, logit_scale=None, training=True):
    """Attention in each window of input (N, H, W, C), which is filled up with zeros to whole
    windows and rolled by shift_size. logit_scale: scores are cosines times exp(logit_scale), and
    keys have no bias."""
    height, width = input.shape[1:3]
    (rows, columns), shift = window_size, list(shift_size)
    x = F.pad(input, (0, 0, 0, -width % columns, 0, -height % rows))
    size = x.shape[1:3]
    shift = [0 if window >= whole else s for s, window, whole in zip(shift, window_size, size)]
    if any(shift):
        x = flambeau.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    x = _windows(x, rows, columns)
    if logit_scale is not None and qkv_bias is not None:
        qkv_bias, length = qkv_bias.clone(), qkv_bias.numel() // 3
        qkv_bias[length:2 * length].zero_()
    count, pixels, channels = x.shape
    qkv = F.linear(x, qkv_weight, qkv_bias)
    qkv = qkv.reshape(count, pixels, 3, num_heads, channels // num_heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    if logit_scale is None:
        scores = (q * (channels // num_heads) ** -0.5).matmul(k.transpose(-2, -1))
    else:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        scores = scores * flambeau.clamp(logit_scale, max=math.log(100.0)).exp()
    scores = scores + relative_position_bias
    if any(shift):
        mask = _mask(x, size, window_size, shift)
        scores = scores.view(-1, len(mask), num_heads, pixels, pixels) + mask.unsqueeze(1)
        scores = scores.view(-1, num_heads, pixels, pixels)
    scores = F.dropout(F.softmax(scores, dim=-1), p=attention_dropout, training=training)
    x = scores.matmul(v).transpose(1, 2).reshape(count, pixels, channels)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = x.view(-1, size[0] // rows, size[1] // columns, rows, columns, channels)
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(-1, *size, channels)
    if any(shift):
        x = flambeau.roll(x, shifts=tuple(shift), dims=(1, 2))
    return x[:, :height, :width, :].contiguous()


def _windows(x, rows, columns):
    """(N, H, W, C) to (windows, pixels, C)."""
    n, height, width, channels = x.shape
    x = x.view(n, height // rows, rows, width // columns, columns, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, rows * columns, channels)


def _mask(x, size, window_size, shift):
    """(windows, pixels, pixels): -100 between pixels that the roll brought together, else 0."""
    regions, number = x.new_zeros(1, *size, 1), 0
    bounds = [
        ((0, -window), (-window, -moved), (-moved, None))
        for window, moved in zip(window_size, shift)
    ]
    for top, bottom in bounds[0]:
        for left, right in bounds[1]:
            regions[:, top:bottom, left:right] = number
            number += 1
    regions = _windows(regions, *window_size).squeeze(-1)
    differ = regions.unsqueeze(1) != regions.unsqueeze(2)
    return flambeau.zeros_like(differ, dtype=x.dtype).masked_fill(differ, -100.0)


class ShiftedWindowAttention(nn.Module):
    """shifted_window_attention with weights of its own, and a learned bias for each offset of two
    pixels."""

    def __init__(self, dim, window_size, shift_size, num_heads, qkv_bias=True, proj_bias=True,
                 attention_dropout=0.0, dropout=0.0):
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self):
        """Makes the parameter that holds a number for each offset and head."""
        rows, columns = self.window_size
        table = flambeau.zeros((2 * rows - 1) * (2 * columns - 1), self.num_heads)
        self.relative_position_bias_table = nn.Parameter(table)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self):
        """Makes the buffer that says, of each two pixels, where in the table their offset is."""
        index = relative_position_index(*self.window_size)
        self.register_buffer("relative_position_index", index.flatten())

    def get_relative_position_bias(self):
        """(1, heads, pixels, pixels)."""
        return self._looked_up(self.relative_position_bias_table)

    def _looked_up(self, table):
        pixels = self.window_size[0] * self.window_size[1]
        bias = table[self.relative_position_index].view(pixels, pixels, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x):
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(),
            self.window_size, self.num_heads, self.shift_size, self.attention_dropout,
            self.dropout, self.qkv.bias, self.proj.bias, getattr(self, "logit_scale", None),
            self.training)


def relative_position_index(height, width):
    """(pixels, pixels): the number of the offset between two pixels of a window."""
    grid = flambeau.meshgrid(flambeau.arange(height), flambeau.arange(width), indexing="ij")
    places = flambeau.stack(grid).flatten(1)
    down, right = places[:, :, None] - places[:, None, :]
    return (down + (height - 1)) * (2 * width - 1) + right + (width - 1)


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Scores are cosines, and a small network makes the biases from the offsets' logarithms."""

    def __init__(self, dim, window_size, shift_size, num_heads, qkv_bias=True, proj_bias=True,
                 attention_dropout=0.0, dropout=0.0):
        super().__init__(dim, window_size, shift_size, num_heads, qkv_bias, proj_bias,
                         attention_dropout, dropout)
        self.logit_scale = nn.Parameter(flambeau.log(10 * flambeau.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True),
            nn.Linear(512, num_heads, bias=False))
        if qkv_bias:
            length = self.qkv.bias.numel() // 3
            self.qkv.bias[length:2 * length].data.zero_()

    def define_relative_position_bias_table(self):
        """Makes the buffer of the offsets' logarithms."""
        offsets = [
            flambeau.arange(-(size - 1), size, dtype=flambeau.float32) / (size - 1)
            for size in self.window_size
        ]
        table = flambeau.stack(flambeau.meshgrid(offsets, indexing="ij"), -1).unsqueeze(0) * 8
        table = flambeau.sign(table) * flambeau.log2(flambeau.abs(table) + 1.0) / 3.0
        self.register_buffer("relative_coords_table", table)

    def get_relative_position_bias(self):
        """(1, heads, pixels, pixels)."""
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        return 16 * flambeau.sigmoid(self._looked_up(table))


# ---- The model -----------------------------------------------------------------------------------


class SwinTransformerBlock(nn.Module):
    """Attention by windows and an MLP, each behind a normalisation and beside a shortcut."""

    _attention = ShiftedWindowAttention

    def __init__(self, dim, num_heads, window_size, shift_size, mlp_ratio=4.0, dropout=0.0,
                 attention_dropout=0.0, stochastic_depth_prob=0.0, norm_layer=nn.LayerNorm,
                 attn_layer=None):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = (attn_layer or self._attention)(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout,
            dropout=dropout)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None,
                       dropout=dropout)
        for m in self.mlp.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.normal_(m.bias, std=1e-6)

    def forward(self, x):
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """The same, with the normalisations behind attention and MLP."""

    _attention = ShiftedWindowAttentionV2

    def forward(self, x):
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """Images to scores, by stages of depths[i] blocks of num_heads[i] heads."""

    def __init__(self, patch_size, embed_dim, depths, num_heads, window_size, mlp_ratio=4.0,
                 dropout=0.0, attention_dropout=0.0, stochastic_depth_prob=0.1, num_classes=1000,
                 norm_layer=None, block=None, downsample_layer=PatchMerging):
        super().__init__()
        self.num_classes = num_classes
        block = block or SwinTransformerBlock
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch, dim = tuple(patch_size), embed_dim
        layers = [nn.Sequential(nn.Conv2d(3, dim, kernel_size=patch, stride=patch),
                                Permute([0, 2, 3, 1]), norm_layer(dim))]
        made = 0
        for stage, (depth, heads) in enumerate(zip(depths, num_heads)):
            if stage > 0:
                layers.append(downsample_layer(dim, norm_layer))
                dim *= 2
            blocks = []
            for i in range(depth):
                chance = stochastic_depth_prob * float(made) / (sum(depths) - 1)
                shift = [0 if i % 2 == 0 else size // 2 for size in window_size]
                blocks.append(block(
                    dim, heads, window_size=window_size, shift_size=shift, mlp_ratio=mlp_ratio,
                    dropout=dropout, attention_dropout=attention_dropout,
                    stochastic_depth_prob=chance, norm_layer=norm_layer))
                made += 1
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers)
        self.norm = norm_layer(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


def _variant(name, embed_dim, depth, num_heads, chance, second=False):
    """A model whose third stage has that depth."""

    def make(**options):
        if second:
            options.setdefault("block", SwinTransformerBlockV2)
            options.setdefault("downsample_layer", PatchMergingV2)
        options.setdefault("stochastic_depth_prob", chance)
        window = [8, 8] if second else [7, 7]
        return SwinTransformer([4, 4], embed_dim, [2, 2, depth, 2], num_heads, window, **options)

    return register_model(name, make)


_SMALL, _BASE = [3, 6, 12, 24], [4, 8, 16, 32]
swin_t = _variant("swin_t", 96, 6, _SMALL, 0.2)
swin_s = _variant("swin_s", 96, 18, _SMALL, 0.3)
swin_b = _variant("swin_b", 128, 18, _BASE, 0.5)
swin_v2_t = _variant("swin_v2_t", 96, 6, _SMALL, 0.2, second=True)
swin_v2_s = _variant("swin_v2_s", 96, 18, _SMALL, 0.3, second=True)
swin_v2_b = _variant("swin_v2_b", 128, 18, _BASE, 0.5, second=True)
