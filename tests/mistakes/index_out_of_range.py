"""An index behind the end."""
import torch

scores = torch.randn(10, 3)
scores[:, 3]
