"""Sizes that do not broadcast."""
import torch

images, mean = torch.rand(8, 3, 32, 32), torch.tensor([0.5, 0.4, 0.3])
images - mean
