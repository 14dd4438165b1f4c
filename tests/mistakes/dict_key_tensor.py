"""Dict key tensor."""
import torch

names = {0: 'cat', 1: 'dog'}
pred = torch.tensor([[0.1, 0.9]]).argmax(1)
print(names[pred[0]])
