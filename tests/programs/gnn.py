"""A graph convolution by index_add_ on a random graph of communities: normalised degrees, masks for
training and testing."""
import torch
from torch import nn
import torch.nn.functional as F


class GraphConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, edges, weights):
        x = self.linear(x)
        messages = x[edges[0]] * weights.unsqueeze(1)
        return torch.zeros_like(x).index_add_(0, edges[1], messages) + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = GraphConv(16, 24), GraphConv(24, 3)

    def forward(self, x, edges, weights):
        x = F.dropout(F.relu(self.first(x, edges, weights)), 0.3, self.training)
        return F.log_softmax(self.second(x, edges, weights), 1)


torch.manual_seed(10)
labels = torch.arange(90) % 3
same = labels.unsqueeze(0) == labels.unsqueeze(1)
linked = torch.rand(90, 90) < torch.where(same, 0.15, 0.02)
linked = (linked | linked.t()).fill_diagonal_(True) if hasattr(linked, "fill_diagonal_") else (
    linked | linked.t() | torch.eye(90, dtype=torch.bool))
edges = linked.nonzero().t()
degree = torch.zeros(90).scatter_add_(0, edges[1], torch.ones(edges.shape[1])).rsqrt()
weights = degree[edges[0]] * degree[edges[1]]
x = torch.randn(90, 16) + F.one_hot(labels, 16)
train = torch.rand(90) < 0.5

model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=5e-4)
for epoch in range(20):
    model.train()
    loss = F.nll_loss(model(x, edges, weights)[train], labels[train])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        test = F.nll_loss(model(x, edges, weights)[~train], labels[~train])
    print(f"epoch {epoch} loss {loss.item():.7f} test {test.item():.7f}")
