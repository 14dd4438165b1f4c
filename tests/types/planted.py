"""Errors, each of which a type checker must find: on every line that ends in "error", and no other."""
import flambeau as torch
from flambeau import nn, optim
from flambeau.nn import functional as F
from flambeau.utils.data import DataLoader, TensorDataset, random_split

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
torch.tensr([1, 2])  # error
x.astype("float32")  # error
x.view("a", 2)  # error
x.sum(axis_=1)  # error
torch.zeros(2, 3, requires_gradient=True)  # error
nn.Conv2d(1, 2)  # error
nn.Conv2d(1, 2, 3, pading=1)  # error
nn.BatchNorm4d(3)  # error
DataLoader(TensorDataset(x), batchsize=4)  # error
DataLoader(TensorDataset(x), batch_size="4")  # error
random_split([1, 2])  # error
optim.SGD(nn.Linear(1, 1).parameters(), momentum="0.9")  # error
optim.Adm([x])  # error
F.relu6x(x)  # error
F.cross_entropy(x)  # error
x.backwards()  # error
z: str = x.shape[0]  # error
x @ "y"  # error
torch.save(x)  # error
torch.load()  # error
torch.cat([x, x], dim="a")  # error
torch.stack(x, x, x)  # error
x.transpose(0)  # error
x.requires_grad_("yes")  # error
torch.no_grad(1, 2)  # error
torch.device(1.5)  # error
optim.lr_scheduler.StepLR(optim.SGD([x], lr=0.1), gama=0.1)  # error
torch.optim.lr_scheduler.StepLRR  # error
torch.linalg.invv(x)  # error
torch.nn.functional.softmaxx(x)  # error
x.to(devise="cpu")  # error
w: torch.Tensor = x.item()  # error
nn.Linear(4, 2).train("yes")  # error
nn.Linear(4, 2).state_dict().weight  # error
nn.ModuleList(3)  # error
nn.Sequential(nn.Linear(1, 1), 3)  # error
nn.Dropout("0.5")  # error
F.dropout(x, p="0.5")  # error
DataLoader(3)  # error
torch.cuda.is_availabel()  # error
optim.lr_scheduler.ReduceLROnPlateau(optim.SGD([x], lr=0.1), patience="2")  # error
