"""vit-pytorch: models of several kinds, losses of two steps."""

import importlib

import torch

COMMON = dict(image_size=32, patch_size=8, num_classes=5, dim=32, depth=2, heads=4, mlp_dim=64)
MODELS = {
    "vit.ViT": dict(COMMON, dropout=0.1, emb_dropout=0.1),
    "simple_vit.SimpleViT": COMMON,
    "deepvit.DeepViT": COMMON,
    "cait.CaiT": dict(COMMON, cls_depth=1, dropout=0.1),
    "parallel_vit.ViT": COMMON,
    "vit_for_small_dataset.ViT": COMMON,
    "simple_vit_with_register_tokens.SimpleViT": COMMON,
    "simple_vit_with_qk_norm.SimpleViT": COMMON,
    "cct.CCT": dict(
        img_size=32, embedding_dim=32, num_layers=2, num_heads=4, mlp_ratio=2, num_classes=5,
        n_conv_layers=1, kernel_size=3, positional_embedding="learnable",
    ),
    "mobile_vit.MobileViT": dict(
        image_size=(64, 64), dims=[96, 120, 144], num_classes=5,
        channels=[16, 32, 48, 48, 64, 64, 80, 80, 96, 96, 384],
    ),
}

for name, options in MODELS.items():
    torch.manual_seed(0)
    try:
        file, kind = name.split(".")
        model = getattr(importlib.import_module(f"vit_pytorch.{file}"), kind)(**options)
        size = 64 if kind == "MobileViT" else 32
        x, y = torch.randn(2, 3, size, size), torch.tensor([1, 3])
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(2):
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(name, *losses, flush=True)
    except Exception as error:
        print(name, "fails:", type(error).__name__, str(error).splitlines()[:1], flush=True)
