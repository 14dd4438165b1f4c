"""The model instead of its parameters."""
import torch

model = torch.nn.Linear(2, 1)
torch.optim.Adam(model, lr=0.1)
