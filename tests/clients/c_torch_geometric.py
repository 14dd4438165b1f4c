"""torch_geometric: GCN, GAT, SAGE and GIN on a small graph, and a batch of graphs."""

import torch
import torch.nn.functional as F
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv, global_mean_pool

torch.manual_seed(0)
edges = torch.randint(20, (2, 60))
graph = Data(x=torch.randn(20, 6), edge_index=edges, y=torch.randint(3, (20,)))
print(graph, graph.has_self_loops(), graph.is_undirected())
LAYERS = {
    "gcn": lambda i, o: GCNConv(i, o),
    "gat": lambda i, o: GATConv(i, o, heads=2, concat=False, dropout=0.1),
    "sage": lambda i, o: SAGEConv(i, o),
    "gin": lambda i, o: GINConv(torch.nn.Linear(i, o)),
}
for name, layer in LAYERS.items():
    torch.manual_seed(0)
    try:
        first, last = layer(6, 8), layer(8, 3)
        optimizer = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=0.01)
        losses = []
        for _ in range(5):
            hidden = F.dropout(first(graph.x, graph.edge_index).relu(), 0.5)
            loss = F.cross_entropy(last(hidden, graph.edge_index), graph.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(name, *losses, flush=True)
    except Exception as error:
        print(name, "fails:", type(error).__name__, str(error).splitlines()[:1], flush=True)

torch.manual_seed(0)
graphs = [Data(x=torch.randn(n, 4), edge_index=torch.randint(n, (2, 9))) for n in (4, 6, 5, 7)]
conv = GCNConv(4, 2)
for batch in DataLoader(graphs, batch_size=2, shuffle=True):
    pooled = global_mean_pool(conv(batch.x, batch.edge_index), batch.batch)
    print("batch", batch.num_graphs, pooled.flatten().tolist())
