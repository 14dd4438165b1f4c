"""timm: models of many families on small images: outputs, losses and gradients, and timm's own
losses, optimizers and schedulers. Arguments: names of models."""

import sys

import timm
import torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler

MODELS = """resnet18 resnet26d resnetv2_50 vit_tiny_patch16_224 deit_tiny_patch16_224
efficientnet_b0 convnext_atto mobilenetv2_050 mobilenetv3_small_050 regnetx_002 regnety_002
mixer_s32_224 gmlp_ti16_224 resmlp_12_224 ghostnet_050 densenet121 vgg11 res2net50_26w_4s
seresnext26d_32x4d dla34 hrnet_w18_small cait_xxs24_224 swin_tiny_patch4_window7_224
poolformer_s12 levit_128s xcit_nano_12_p16_224 mobilevit_xxs tf_efficientnetv2_b0 edgenext_xx_small
rexnet_100""".split()
SIZED = ("224", "levit")  # built for one size of image

for name in sys.argv[1:] or MODELS:
    torch.manual_seed(0)
    size = 224 if any(part in name for part in SIZED) else 64
    try:
        model = timm.create_model(name, num_classes=10)
        model.train()
        x = torch.randn(2, 3, size, size)
        # SGD: the first step of Adam is the sign of a gradient, rounding errors included.
        optimizer = create_optimizer_v2(model, opt="sgd", lr=1e-4, weight_decay=0.05)
        loss = LabelSmoothingCrossEntropy(0.1)(model(x), torch.tensor([1, 7]))
        loss.backward()
        norm = sum(p.grad.double().pow(2).sum() for p in model.parameters() if p.grad is not None)
        optimizer.step()
        scheduler = CosineLRScheduler(optimizer, t_initial=10, warmup_t=2, warmup_lr_init=1e-6)
        scheduler.step(1)
        model.eval()
        with torch.no_grad():
            after = model(x).double().abs().mean()
        print(name, loss.item(), norm.sqrt().item(), after.item(), flush=True)
    except Exception as error:
        print(name, "fails:", type(error).__name__, str(error).splitlines()[:1], flush=True)
