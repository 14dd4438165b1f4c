"""torch.tensor of a list of tensors."""
import torch

batch = [torch.zeros(3), torch.ones(3)]
torch.tensor(batch)
