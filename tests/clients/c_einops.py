"""einops: rearrange, reduce, repeat, einsum, packing and its layers, forward and backward."""

import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange, Reduce

torch.manual_seed(0)
x = torch.randn(2, 3, 8, 8, requires_grad=True)
patches = rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=4, q=4)
print("patches", (patches.sin() * patches).sum().item())
print("reduce", reduce(x, "b c h w -> b c", "max").sum().item())
print("mean", reduce(x, "b c (h 2) (w 2) -> b c h w", "mean").pow(2).sum().item())
print("repeat", repeat(x[0], "c h w -> c (h a) w", a=3).cos().sum().item())
print("einsum", einsum(x, x, "b c h w, b d h w -> b c d").sum().item())
packed, shapes = pack([x, x[:, :1]], "b * h w")
print("pack", packed.shape, [part.shape for part in unpack(packed, shapes, "b * h w")])
net = torch.nn.Sequential(
    Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=4, q=4),
    EinMix("b n i -> b n o", weight_shape="i o", bias_shape="o", i=48, o=16),
    Reduce("b n o -> b o", "mean"),
)
loss = net(x).pow(2).mean()
loss.backward()
print("loss", loss.item())
print("grad", x.grad.abs().sum().item(), net[1].weight.grad.abs().sum().item())
