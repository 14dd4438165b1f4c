"""Bad input: PyTorch's exception and first line, a hint in the reader's language, and on it goes."""

import json
import os
import struct
import subprocess
import sys

import pytest

import flambeau as torch
import flambeau.nn.functional as F

BAD = [
    # shapes, ranks
    ("torch.ones(2, 3) + torch.ones(4)", RuntimeError,
     "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1"),
    ("torch.ones(2, 3) @ torch.ones(2, 3)", RuntimeError,
     "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
    ("torch.ones(3) @ torch.ones(4)", RuntimeError,
     "inconsistent tensor size, expected tensor [3] and src [4] to have the same number of "
     "elements, but got 3 and 4 elements respectively"),
    ("torch.mm(torch.ones(3), torch.ones(3, 3))", RuntimeError, "self must be a matrix"),
    ("torch.ones(2, 3).view(4)", RuntimeError, "shape '[4]' is invalid for input of size 6"),
    ("torch.ones(2, 3).reshape(-1, 4)", RuntimeError,
     "shape '[-1, 4]' is invalid for input of size 6"),
    ("torch.ones(2, 3).expand(3, 3)", RuntimeError,
     "The expanded size of the tensor (3) must match the existing size (2) at non-singleton "
     "dimension 0.  Target sizes: [3, 3].  Tensor sizes: [2, 3]"),
    ("torch.cat([torch.ones(2, 3), torch.ones(2, 4)])", RuntimeError,
     "Sizes of tensors must match except in dimension 0. Expected size 3 but got size 4 for "
     "tensor number 1 in the list."),
    ("torch.stack([torch.ones(2), torch.ones(3)])", RuntimeError,
     "stack expects each tensor to be equal size, but got [2] at entry 0 and [3] at entry 1"),
    ("torch.ones(2).sum(3)", IndexError,
     "Dimension out of range (expected to be in range of [-1, 0], but got 3)"),
    ("F.linear(torch.ones(2, 3), torch.ones(4, 5))", RuntimeError,
     "mat1 and mat2 shapes cannot be multiplied (2x3 and 5x4)"),
    ("F.conv2d(torch.ones(1, 2, 5, 5), torch.ones(4, 3, 3, 3))", RuntimeError,
     "Given groups=1, weight of size [4, 3, 3, 3], expected input[1, 2, 5, 5] to have 3 channels, "
     "but got 2 channels instead"),
    # dtypes
    ("torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.float64)", RuntimeError,
     "expected m1 and m2 to have the same dtype, but got: float != double"),
    ("torch.ones(3, dtype=torch.int64).add_(1.5)", RuntimeError,
     "result type Float can't be cast to the desired output type Long"),
    ("torch.ones(3, dtype=torch.int64).mean()", RuntimeError, "mean(): could not infer output"),
    ("torch.ones(3, dtype=torch.int64).requires_grad_()", RuntimeError,
     "only Tensors of floating point dtype can require gradients"),
    ("torch.ones(3)[torch.tensor([0.5])]", IndexError,
     "tensors used as indices must be long, int, byte or bool tensors"),
    # indices
    ("torch.ones(3)[5]", IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
    ("torch.ones(3)[0, 0]", IndexError, "too many indices for tensor of dimension 1"),
    ("torch.ones(3)[torch.tensor([0, 7])]", IndexError,
     "index 7 is out of bounds for dimension 0 with size 3"),
    ("torch.ones(3)[torch.tensor([True, False])]", IndexError,
     "The shape of the mask [2] at index 0 does not match the shape of the indexed tensor [3] at "
     "index 0"),
    ("torch.ones(3).index_select(0, torch.tensor([4]))", IndexError, "index out of range in self"),
    ("F.embedding(torch.tensor([9]), torch.ones(3, 2))", IndexError, "index out of range in self"),
    # devices, numbers
    ("torch.ones(2, device='nonsense')", RuntimeError,
     "Expected one of cpu, "),
    ("torch.tensor(2**70)", ValueError, "Overflow when unpacking long long"),
    ("torch.tensor([300], dtype=torch.uint8)", RuntimeError,
     "value cannot be converted to type uint8 without overflow"),
    ("torch.ones(-1)", RuntimeError,
     "Trying to create tensor with negative dimension -1: [-1]"),
    ("torch.ones(2**31, 2**31, 4)", RuntimeError, None),
    ("torch.empty(2**60, dtype=torch.uint8)", torch.OutOfMemoryError,
     "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1152921504606846976 "
     "bytes."),
    ("torch.empty(2**62, dtype=torch.uint8)", torch.OutOfMemoryError, None),
    # the graph
    ("torch.ones(2, requires_grad=True).backward()", RuntimeError,
     "grad can be implicitly created only for scalar outputs"),
    ("torch.ones(()).backward()", RuntimeError,
     "element 0 of tensors does not require grad and does not have a grad_fn"),
    ("y = (torch.ones(2, requires_grad=True) ** 2).sum(); y.backward(); y.backward()", RuntimeError,
     "Trying to backward through the graph a second time"),
    ("torch.ones(2, requires_grad=True).add_(1)", RuntimeError,
     "a leaf Variable that requires grad is being used in an in-place operation."),
    ("y = torch.ones(2, requires_grad=True).exp(); y += 1; y.sum().backward()", RuntimeError,
     "one of the variables needed for gradient computation has been modified by an inplace "
     "operation"),
    # labels
    ("F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 3]))", IndexError,
     "Target 3 is out of bounds."),
    ("F.cross_entropy(torch.ones(2, 3), torch.tensor([0, -1]))", IndexError,
     "Target -1 is out of bounds."),
    ("F.cross_entropy(torch.ones(2, 3), torch.tensor([0., float('nan')]))", RuntimeError,
     None),
    ("F.cross_entropy(torch.ones(2, 3), torch.tensor([0]))", ValueError,
     "Expected input batch_size (2) to match target batch_size (1)."),
    ("F.nll_loss(torch.ones(2, 3), torch.tensor([0, 5]))", IndexError,
     "Target 5 is out of bounds."),
]


@pytest.mark.parametrize("code, kind, line", BAD, ids=[row[0] for row in BAD])
def test_bad_input(code, kind, line):
    with pytest.raises(kind) as caught:
        exec(code, {"torch": torch, "F": F})
    assert type(caught.value) is kind
    first = str(caught.value).split("\n")[0]
    assert first
    if line is not None:
        assert first.startswith(line)
    assert (torch.ones(2) + 1).tolist() == [2, 2]


def test_labels_of_nan_probability():
    soft = torch.tensor([[float("nan"), 0.5]])
    assert F.cross_entropy(torch.ones(1, 2), soft).isnan().item()


LANGUAGES = """
import sys
sys.path[:0] = {path!r}
import flambeau as torch
try:
    torch.ones(3, requires_grad=True).add_(1)
except RuntimeError as e:
    sys.stdout.buffer.write(str(e).encode())
"""


@pytest.mark.parametrize("language, words", [("en", "torch.no_grad()"), ("zh", "请")])
def test_hints(language, words):
    env = dict(os.environ, FLAMBEAU_LANG=language)
    code = LANGUAGES.format(path=sys.path)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, timeout=60)
    first, *rest = ran.stdout.decode().split("\n")
    assert first == (
        "a leaf Variable that requires grad is being used in an in-place operation."
    ), ran.stderr
    assert words in "\n".join(rest)
    if language == "en":
        assert "\n".join(rest).isascii()


def entry(begin, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def packed(header, data=b"\0" * 16):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


FILES = {
    "empty": b"",
    "truncated length": b"\1\2\3",
    "oversized header": struct.pack("<Q", 2**62) + b"{}",
    "header past the end": struct.pack("<Q", 100) + b"{}",
    "not JSON": packed(b"nonsense"),
    "truncated data": packed({"a": entry(0, 8)}, b"\0" * 4),
    "overlapping": packed({"a": entry(0, 8), "b": entry(4, 12)}),
    "lying shape": packed({"a": entry(0, 8, (3,))}, b"\0" * 8),
    "product overflows": packed({"a": entry(0, 8, (2**40, 2**40))}, b"\0" * 8),
    "backwards": packed({"a": entry(8, 0)}),
    "negative": packed({"a": entry(-8, 0)}),
    "unknown dtype": packed({"a": entry(0, 8, dtype="F99")}, b"\0" * 8),
    "deep": packed(b'{"a":' + b"[" * 100000),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files(tmp_path, name):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(FILES[name])
    with pytest.raises((RuntimeError, ValueError, EOFError)) as caught:
        torch.load(path)
    assert str(caught.value)
    assert torch.ones(2).sum().item() == 2


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        torch.load(tmp_path / "nowhere.safetensors")
