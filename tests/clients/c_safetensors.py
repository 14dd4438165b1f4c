"""safetensors.torch: files, bytes and models there and back."""

import os
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

torch.manual_seed(0)
folder = tempfile.mkdtemp()
path = os.path.join(folder, "x.safetensors")
tensors = {
    "float": torch.randn(3, 4),
    "half": torch.randn(5).half(),
    "bfloat": torch.randn(5).bfloat16(),
    "double": torch.randn(2, 2, dtype=torch.float64),
    "int": torch.randint(9, (4,)),
    "bool": torch.tensor([True, False]),
    "empty": torch.empty(0, 3),
    "number": torch.tensor(2.5),
}
save_file(tensors, path, metadata={"by": "test"})
for back in (load_file(path), load(save(tensors))):
    for name, tensor in tensors.items():
        assert back[name].dtype is tensor.dtype and torch.equal(back[name], tensor), name
with safe_open(path, framework="pt") as file:
    print(file.metadata(), sorted(file.keys()), file.get_slice("float")[1:, :2].sum().item())

model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))
x = torch.randn(6, 4)
loss = model(x).pow(2).mean()
save_model(model, path)
other = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))
print(load_model(other, path), loss.item(), other.eval()(x).sum().item(), os.path.getsize(path))
try:
    save_file({"a": x, "b": x}, path)
except RuntimeError as error:
    print("shared memory is refused:", str(error).split("\n")[1].strip()[:40])
