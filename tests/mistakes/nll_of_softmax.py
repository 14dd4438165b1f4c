"""NLLLoss of probabilities instead of their logarithms."""
import torch
import torch.nn.functional as F

model = torch.nn.Linear(4, 3)
loss = F.nll_loss(F.softmax(model(torch.randn(8, 4)), dim=1), torch.randint(3, (8,)))
