"""A bidirectional GRU that classifies sequences of different lengths, packed: embedding with a
padding index, pack_padded_sequence, the last states."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 12, padding_idx=0)
        self.gru = nn.GRU(12, 16, bidirectional=True, batch_first=True)
        self.head = nn.Linear(64, 3)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True,
                                      enforce_sorted=False)
        y, h = self.gru(packed)
        y, lengths = pad_packed_sequence(y, batch_first=True)
        mean = y.sum(1) / lengths.unsqueeze(1)
        return self.head(torch.cat([h[0], h[1], mean], 1))


torch.manual_seed(3)
sequences = [torch.randint(1, 20, (int(torch.randint(3, 12, ())),)) for _ in range(64)]
labels = torch.stack([s.sum() % 3 for s in sequences])
model = Classifier()
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
for epoch in range(5):
    order = torch.randperm(64)
    for rows in order.split(16):
        batch = [sequences[i] for i in rows.tolist()]
        lengths = torch.tensor([len(s) for s in batch])
        loss = nn.functional.cross_entropy(
            model(pad_sequence(batch, batch_first=True), lengths), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.7f}")
print(f"padding {model.embedding.weight[0].abs().sum().item():.7f}")
