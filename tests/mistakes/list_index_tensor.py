"""List index tensor."""
import torch

names = ['cat', 'dog']
pred = torch.tensor([[0.1, 0.9], [0.7, 0.3]]).argmax(1)
print(names[pred])
