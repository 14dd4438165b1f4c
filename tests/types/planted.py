"""Errors, each of which a type checker must find: on every line that ends in "error", and no other."""
import flambeau as torch
from flambeau import nn, optim

x = torch.randn(8, 4)
x.reshap(2, -1)  # error
torch.randnn(3)  # error
x.reshape("2")  # error
x + "one"  # error
"one" * x.shape[0]
x.softmax()  # error
x.sum(dim="0")  # error
torch.cat(x, 0)  # error
torch.cat([1, 2])  # error
torch.zeros(2, 3, dtype="float32")  # error
torch.float33  # error
nn.Linear(4, 2, bais=False)  # error
nn.Linear(4)  # error
nn.Linaer(4, 2)  # error
optim.Adam(nn.Linear(4, 2).parameters(), learning_rate=0.1)  # error
optim.Adamm  # error
y: int = x.mean()  # error
n: int = x.numel()
x.size(0).bit_length()
x.max(1).value  # error
x.max(1).values.exp()
torch.linalg.sovle(x, x)  # error
torch.special.expitt(x)  # error
torch.manual_seed()  # error
x.backward(retain=True)  # error
x.item(3)  # error
