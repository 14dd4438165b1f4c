"""The model is moved to a GPU that is not there."""
import torch

torch.nn.Linear(2, 1).to("cuda")
