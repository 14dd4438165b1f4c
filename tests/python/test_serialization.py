"""save and load: what comes back, what is refused, and safetensors files that others wrote."""

import io
import json
import os
import pathlib
import struct

import pytest

import flambeau as torch


def same(a, b):
    if isinstance(a, torch.Tensor):
        return (
            isinstance(b, torch.Tensor)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and torch.equal(a, b)
        )
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def header_of(path):
    content = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def test_state_dict(tmp_path):
    path = tmp_path / "model.safetensors"
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(model.state_dict(), path)
    header, _ = header_of(path)
    assert header["0.weight"] == {
        "dtype": "F32",
        "shape": [4, 3],
        "data_offsets": header["0.weight"]["data_offsets"],
    }
    assert "flambeau" not in header["__metadata__"]
    found = torch.load(path)
    assert same(dict(model.state_dict()), found)
    assert not found["0.weight"].requires_grad
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    other.load_state_dict(torch.load(str(path), map_location="cpu", weights_only=True))
    assert torch.equal(other[0].weight, model[0].weight)


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "int8",
        "uint8",
        "int16",
        "int32",
        "int64",
        "bool",
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3)])
def test_dtypes_and_shapes(tmp_path, dtype, shape):
    x = (torch.rand(shape) * 3).to(getattr(torch, dtype))
    torch.save({"x": x}, tmp_path / "x")
    assert same(torch.load(tmp_path / "x"), {"x": x})


def test_views_are_saved_as_they_look(tmp_path):
    x = torch.arange(6).reshape(2, 3).t()
    torch.save({"x": x, "y": x[1:]}, tmp_path / "x")
    found = torch.load(tmp_path / "x")
    assert torch.equal(found["x"], x) and torch.equal(found["y"], x[1:])


def test_checkpoint(tmp_path):
    p = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.1)
    p.grad = torch.ones(2)
    optimizer.step()
    checkpoint = {
        "epoch": 3,
        "loss": 0.25,
        "best": None,
        "done": False,
        "name": "ünï",
        "model": {"a.b": p.detach()},
        "optimizer": optimizer.state_dict(),
        "list": [1, (2, "x")],
        5: {"x": torch.zeros(1)},
        "inf": float("inf"),
    }
    torch.save(checkpoint, tmp_path / "c")
    found = torch.load(tmp_path / "c")
    assert same(found["optimizer"]["state"], optimizer.state_dict()["state"])
    assert same(
        {k: v for k, v in checkpoint.items() if k != "optimizer"},
        {k: v for k, v in found.items() if k != "optimizer"},
    )
    again = torch.optim.Adam([p], lr=9)
    again.load_state_dict(found["optimizer"])
    assert again.param_groups[0]["lr"] == 0.1 and again.param_groups[0]["betas"] == (0.9, 0.999)


def test_a_tensor_alone_and_one_in_two_places(tmp_path):
    torch.save(torch.ones(3), tmp_path / "t")
    assert torch.load(tmp_path / "t").tolist() == [1, 1, 1]
    x = torch.ones(2)
    torch.save({"a": x, "b": x}, tmp_path / "s")
    found = torch.load(tmp_path / "s")
    assert found["a"] is found["b"]
    torch.save({"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1)}, tmp_path / "n")
    found = torch.load(tmp_path / "n")
    assert found["a"]["b"].item() == 1 and found["a.b"].item() == 0


def test_file_objects():
    buffer = io.BytesIO()
    torch.save({"x": torch.arange(3)}, buffer)
    buffer.seek(0)
    assert torch.load(buffer)["x"].tolist() == [0, 1, 2]


def test_data_are_aligned(tmp_path):
    path = tmp_path / "x.safetensors"
    torch.save(
        {
            "flag": torch.tensor([True]),
            "x": torch.ones(3, dtype=torch.float64),
            "h": torch.ones(1).half(),
        },
        path,
    )
    header, data = header_of(path)
    assert (os.path.getsize(path) - len(data)) % 64 == 0
    assert header["x"]["data_offsets"][0] % 8 == 0 and header["h"]["data_offsets"][0] % 2 == 0


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    torch.save({"x": torch.ones(1)}, path)
    with pytest.raises(AttributeError, match="pickle"):
        torch.save({"f": lambda: 0}, path)
    assert torch.load(path)["x"].item() == 1
    assert os.listdir(tmp_path) == ["x"]
    with pytest.raises(RuntimeError, match="Parent directory .*missing does not exist."):
        torch.save({"x": torch.ones(1)}, tmp_path / "missing" / "x")
    with pytest.raises(AttributeError, match="'write' attribute"):
        torch.save({}, 5)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "nothing")
    (tmp_path / "m.pt").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(RuntimeError, match="failed finding central directory"):
        torch.load(tmp_path / "m.pt")
    (tmp_path / "old.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(RuntimeError, match="Invalid magic number"):
        torch.load(tmp_path / "old.pt")
    with pytest.raises(EOFError):
        torch.load(io.BytesIO())
    with pytest.raises(OSError):
        torch.load(tmp_path)
    with pytest.raises(AttributeError, match="no attribute 'read'"):
        torch.load(5)


def file_with(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


TWO = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", "needs at least 8"),
        (b"\x00\x01", "needs at least 8"),
        (file_with({}, length=1 << 60), "beyond the limit"),
        (file_with({}, length=500), "the file ends after"),
        (file_with({"a": TWO}, bytes(7)), "cut short"),
        (file_with({"a": TWO}, bytes(9)), "too long"),
        (file_with({"a": TWO, "b": TWO}, bytes(8)), "overlap"),
        (file_with({"a": TWO, "b": {**TWO, "data_offsets": [12, 20]}}, bytes(20)), "a gap"),
        (file_with({"a": {**TWO, "shape": [3]}}, bytes(8)), "needs 12 bytes"),
        (file_with({"a": {**TWO, "shape": [-1]}}, bytes(8)), "expected a whole number"),
        (file_with({"a": {**TWO, "shape": [1 << 62, 1 << 62]}}, bytes(8)), "too large"),
        (
            file_with({"a": {**TWO, "dtype": "F99"}}, bytes(8)),
            "dtype 'F99' of 'a' is not supported",
        ),
        (file_with({"a": {"dtype": "F32"}}), "lacks its shape"),
        (
            file_with(
                b'{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},'
                b'"a":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}',
                b"xy",
            ),
            "given twice",
        ),
        (file_with(b"{"), "of the header"),
        (file_with(b"\xff"), "not valid UTF-8"),
    ],
)
def test_damaged_files(tmp_path, content, text):
    (tmp_path / "x").write_bytes(content)
    for source in (tmp_path / "x", io.BytesIO(content)):
        if source.__class__ is io.BytesIO and not content:
            continue  # EOFError, as PyTorch says
        with pytest.raises(RuntimeError) as caught:
            torch.load(source)
        assert text in str(caught.value)


def test_damaged_structure(tmp_path):
    for structure in ("{", '{"tensor":"nothing"}', '{"zork":1}', '{"dict":[[1]]}', "[" * 100000):
        content = file_with({"__metadata__": {"flambeau": structure}})
        with pytest.raises(RuntimeError, match="structure"):
            torch.load(io.BytesIO(content))


def test_structures_of_earlier_versions():
    structure = (
        '{"dict":[["w",{"tensor":"w"}],[{"tuple":[1,"a"]},{"list":[1.5,null,{"set":[3]}]}],'
        '["s",{"size":[2]}],["d",{"dtype":"int8"}],["b",{"bytes":"00ff"}]]}'
    )
    content = file_with({"__metadata__": {"flambeau": structure}, "w": TWO}, bytes(8))
    found = torch.load(io.BytesIO(content))
    assert found.pop("w").tolist() == [0, 0]
    assert found == {
        (1, "a"): [1.5, None, {3}], "s": torch.Size([2]), "d": torch.int8, "b": b"\x00\xff"
    }  # fmt: skip


def test_keys_of_one_hash_are_refused():
    keys = ",".join(f"[{i * (2**61 - 1)},1]" for i in range(12000))
    content = file_with({"__metadata__": {"flambeau": '{"dict":[' + keys + "]}"}})
    with pytest.raises(RuntimeError, match="same hash"):
        torch.load(io.BytesIO(content))


def test_files_of_others():
    content = file_with(
        {
            "__metadata__": {"made": "elsewhere"},
            "b": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]},
        },
        b"\x00\x07",
    )
    found = torch.load(io.BytesIO(content))
    assert found["b"].tolist() == [False, True]
    assert found["b"].to(torch.int64).sum().item() == 1


def test_a_header_as_long_as_a_pickle_begins(tmp_path):
    """The first byte of a file is the lowest of its header's length, and may be a pickle's."""
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(128)
    content = struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1, 2)
    (tmp_path / "w.safetensors").write_bytes(content)
    assert torch.load(tmp_path / "w.safetensors")["w"].tolist() == [1, 2]
    assert torch.load(io.BytesIO(content))["w"].tolist() == [1, 2]
