"""Int plus equals float."""
import torch

counts = torch.zeros(3, dtype=torch.long)
counts += torch.tensor([0.5, 1.5, 2.0])
