"""dtype="float32"."""
import torch

torch.zeros(3, dtype="float32")
