"""torch.mm of batches."""
import torch

torch.mm(torch.randn(2, 3, 4), torch.randn(2, 4, 5))
