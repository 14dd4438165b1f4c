"""Pack lengths."""
import torch
from torch.nn.utils.rnn import pack_padded_sequence

x = torch.randn(3, 5, 2)
p = pack_padded_sequence(x, torch.tensor([5, 0, 3]), batch_first=True, enforce_sorted=False)
