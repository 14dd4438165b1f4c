"""One action a row, without a column."""
import torch

q = torch.randn(4, 2)
a = torch.tensor([0, 1, 1, 0])
q.gather(1, a)
