"""Makes the .pt files beside it, with PyTorch 2.13: python tests/data/make_pt.py.

tests/python/test_pt_files.py knows what is in them.
"""

from collections import Counter, OrderedDict
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
DTYPES = (
    "float32 float64 float16 bfloat16 int8 uint8 int16 int32 int64 bool complex64 complex128"
).split()
NEWER = (
    "uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu"
).split()


def everything():
    base = torch.arange(12.0)
    tagged = torch.ones(2)
    tagged.tag = "mine"
    return {
        "base": base,
        "part": base[2:5],
        "turned": base.reshape(3, 4).t(),
        "wide": torch.tensor([7.0]).expand(100),
        "images": torch.arange(16.0).reshape(1, 4, 2, 2).to(memory_format=torch.channels_last),
        "number": torch.tensor(3),
        "nothing": torch.empty(0, 3),
        "leaf": torch.ones(2, requires_grad=True),
        "parameter": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "tagged": tagged,
        "ordered": OrderedDict(b=1, a=torch.zeros(1)),
        "counter": Counter("aab"),
        "nested": [1, -2.5, "ünï", None, True, (1, (2, b"\x00\xff")), {3, 4}, {"x": {5: [6]}}],
        "big": 2**80,
        "complex": 1 + 2j,
        "bytearray": bytearray(b"abc"),
        "size": torch.Size([1, 2]),
        "dtype": torch.bfloat16,
        "device": torch.device("cpu"),
        **{name: torch.tensor([0, 1, 2]).to(getattr(torch, name)) for name in DTYPES},
    }


def rare():
    """What few files hold: values that are not those stored, dtypes without a type of storages."""
    z = torch.tensor([1 + 2j, 3 - 4j])
    sparse = torch.sparse_coo_tensor([[0, 1], [1, 2]], [5.0, 7.0], (2, 3))
    return {
        "conj": z.conj(),
        "neg": z.clone().conj().imag,
        "stored": z,
        "sparse": sparse,
        "csr": sparse.to_dense().to_sparse_csr(),
        "meta": torch.empty(2, device="meta"),
        **{name: torch.tensor([1.0, 2.0]).to(getattr(torch, name)) for name in NEWER},
    }


def steps(optimizer, p, count):
    for _ in range(count):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
    return p.item()


def save_optimizers():
    """Their states after two steps, and what p is then and after a third: tests/c/test_pt.c has it."""
    for name, options in (("Adam", {"betas": (0.75, 0.875)}), ("SGD", {"momentum": 0.5})):
        p = torch.nn.Parameter(torch.tensor([2.0]))
        optimizer = getattr(torch.optim, name)([p], lr=0.125, **options)
        before = steps(optimizer, p, 2)
        torch.save(optimizer.state_dict(), HERE / f"{name.lower()}.pt")
        print(name, before, steps(optimizer, p, 1))


if __name__ == "__main__":
    save_optimizers()
    torch.save(rare(), HERE / "rare.pt")
    torch.save(everything(), HERE / "everything.pt")
    torch.save(everything(), HERE / "everything_old.pt", _use_new_zipfile_serialization=False)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(torch.ones(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    torch.save(model, HERE / "module.pt")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, HERE / "run.pt")
