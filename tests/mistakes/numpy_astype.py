"""x.astype of a tensor."""
import torch

x = torch.randn(3)
x.astype("float32")
