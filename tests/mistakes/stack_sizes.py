"""torch.stack of sequences of different lengths."""
import torch

torch.stack([torch.ones(3), torch.ones(5)])
