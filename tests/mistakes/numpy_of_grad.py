"""numpy() of a tensor of the graph."""
import torch

w = torch.randn(3, requires_grad=True)
(w * 2).numpy()
