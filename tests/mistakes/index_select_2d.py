"""Index select 2d."""
import torch

x = torch.randn(4, 3)
i = torch.tensor([[0, 1], [2, 3]])
print(x.index_select(0, i).shape)
