"""torch.tensor of texts, as a CSV reader gives them."""
import torch

torch.tensor(["1.5", "2.0"])
