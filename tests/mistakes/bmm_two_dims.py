"""Bmm two dims."""
import torch

q = torch.randn(2, 5, 8)
k = torch.randn(5, 8)
s = torch.bmm(q, k.t())
