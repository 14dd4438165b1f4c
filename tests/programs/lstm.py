"""A two-layer LSTM that predicts the next value of a sum of sines: state carried between pieces of
the sequence, clipped gradients."""
import torch
from torch import nn


class Predictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 24, num_layers=2, batch_first=True, dropout=0.1)
        self.head = nn.Linear(24, 1)

    def forward(self, x, state):
        y, state = self.lstm(x, state)
        return self.head(y), state


torch.manual_seed(2)
t = torch.arange(241) * 0.1
phase = torch.rand(8, 1) * 6
waves = torch.sin(t + phase) + 0.5 * torch.sin(2.7 * t + 2 * phase)
model = Predictor()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for epoch in range(5):
    state = None
    for x, y in zip(waves[:, :-1].split(60, 1), waves[:, 1:].split(60, 1)):
        if state is not None:
            state = tuple(s.detach() for s in state)
        output, state = model(x.unsqueeze(-1), state)
        loss = nn.functional.mse_loss(output.squeeze(-1), y)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.7f} norm {norm.item():.7f}")
