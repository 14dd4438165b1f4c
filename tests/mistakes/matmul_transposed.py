"""The second factor of a product is not transposed."""
import torch

queries, keys = torch.randn(10, 64), torch.randn(10, 64)
scores = queries @ keys
