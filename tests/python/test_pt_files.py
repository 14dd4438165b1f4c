"""PyTorch's .pt files: those that PyTorch 2.13 wrote (tests/data), ours, and hostile ones."""

import ctypes
import io
import os
import pickle
import random
import struct
import zipfile
import zlib
from collections import Counter, OrderedDict
from pathlib import Path

import pytest

import flambeau as torch
from flambeau.serialization import add_safe_globals, clear_safe_globals, safe_globals

DATA = Path(__file__).resolve().parents[1] / "data"
DTYPES = (
    "float32 float64 float16 bfloat16 int8 uint8 int16 int32 int64 bool complex64 complex128"
).split()

NEWER = (
    "uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu"
).split()


# ---- what PyTorch wrote ------------------------------------------------------------------------


def check_everything(found):
    """The object of tests/data/make_pt.py."""
    base, part, turned = found["base"], found["part"], found["turned"]
    assert base.tolist() == list(range(12))
    assert part.tolist() == [2, 3, 4] and part.storage_offset() == 2
    assert turned.shape == (4, 3) and turned.stride() == (1, 4)
    base[2] = 50
    assert part[0] == 50 and turned[2, 0] == 50
    assert found["wide"].stride() == (0,) and found["wide"].untyped_storage().nbytes() == 4
    images = found["images"]
    assert images.stride() == (16, 1, 8, 4) and images.flatten().tolist() == list(range(16))
    assert found["number"].shape == () and found["number"] == 3
    assert found["nothing"].shape == (0, 3)
    assert found["leaf"].requires_grad and type(found["leaf"]) is torch.Tensor
    parameter = found["parameter"]
    assert type(parameter) is torch.nn.Parameter and not parameter.requires_grad
    assert found["tagged"].tag == "mine" and found["tagged"].tolist() == [1, 1]
    ordered = found["ordered"]
    assert type(ordered) is OrderedDict and list(ordered) == ["b", "a"] and ordered["a"] == 0
    assert found["counter"] == Counter("aab") and type(found["counter"]) is Counter
    assert found["nested"] == [
        1, -2.5, "ünï", None, True, (1, (2, b"\x00\xff")), {3, 4}, {"x": {5: [6]}}
    ]  # fmt: skip
    assert found["big"] == 2**80 and found["complex"] == 1 + 2j
    assert found["bytearray"] == bytearray(b"abc") and type(found["bytearray"]) is bytearray
    assert found["size"] == torch.Size([1, 2]) and type(found["size"]) is torch.Size
    assert found["dtype"] is torch.bfloat16 and found["device"] == torch.device("cpu")
    for name in DTYPES:
        assert found[name].dtype is getattr(torch, name)
        assert found[name].tolist() == ([False, True, True] if name == "bool" else [0, 1, 2])


@pytest.mark.parametrize("name", ["everything.pt", "everything_old.pt"])
def test_files_of_pytorch(name, tmp_path):
    check_everything(torch.load(DATA / name))
    check_everything(torch.load(str(DATA / name), weights_only=False))
    check_everything(torch.load(io.BytesIO((DATA / name).read_bytes()), map_location="cpu"))
    with open(DATA / name, "rb") as file:
        check_everything(torch.load(file))
    again = tmp_path / "again.pt"
    torch.save(torch.load(DATA / name), again, _use_new_zipfile_serialization="old" not in name)
    check_everything(torch.load(again))
    assert b"flambeau" not in again.read_bytes()


def test_what_few_files_hold():
    """The object rare() of tests/data/make_pt.py."""
    for trusted in (False, True):
        found = torch.load(DATA / "rare.pt", weights_only=not trusted)
        assert found["stored"].tolist() == [1 + 2j, 3 - 4j]
        assert found["conj"].tolist() == [1 - 2j, 3 + 4j]
        assert found["neg"].tolist() == [-2, 4] and found["neg"].stride() == (2,)
        sparse = [[0, 5, 0], [0, 0, 7]]
        assert found["sparse"].to_dense().tolist() == found["csr"].to_dense().tolist() == sparse
        assert found["meta"].is_meta and found["meta"].shape == (2,)
        for name in NEWER:
            assert found[name].dtype is getattr(torch, name)
            assert found[name].to(torch.float64).tolist() == [1, 2]
    again = torch.load(saved({"conj": found["conj"]}))
    assert again["conj"].tolist() == [1 - 2j, 3 + 4j]


def test_a_module_and_a_run_of_pytorch():
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.container.Sequential was"):
        torch.load(DATA / "module.pt")
    model = torch.load(DATA / "module.pt", weights_only=False)
    y = model(torch.ones(2, 1, 4, 4))
    assert torch.allclose(y[0], torch.tensor([-0.2711, -0.1997, 0.2053]), atol=1e-4)
    run = torch.load(DATA / "run.pt")
    model.load_state_dict(run["model"])
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.load_state_dict(run["optimizer"])
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.01 and run["model"]._metadata[""] == {"version": 1}


# ---- ours --------------------------------------------------------------------------------------


def saved(obj, **options):
    file = io.BytesIO()
    torch.save(obj, file, **options)
    file.seek(0)
    return file


def test_the_checksum_of_any_length():
    state = [(torch.arange(n) % 251).to(torch.uint8) for n in [*range(1, 130), 4095, 4096, 5001]]
    with zipfile.ZipFile(saved(state)) as archive:
        assert archive.testzip() is None


def test_the_archive_is_what_pytorch_reads():
    with zipfile.ZipFile(saved({"w": torch.ones(3), "v": torch.ones(2).bool()})) as archive:
        assert archive.testzip() is None  # the checksums
        names = archive.namelist()
        content = {name: archive.read(name) for name in names}
        assert all(item.compress_type == zipfile.ZIP_STORED for item in archive.infolist())
    assert names[0] == "archive/data.pkl"
    assert content["archive/version"] == b"3\n" and content["archive/byteorder"] == b"little"
    assert content["archive/.format_version"] == b"1"
    assert content["archive/data/0"] == struct.pack("<3f", 1, 1, 1)
    assert content["archive/data/1"] == b"\1\1"
    whole = saved(torch.arange(4.0)).getvalue()
    assert whole.index(struct.pack("<4f", 0, 1, 2, 3)) % 64 == 0
    start = content["archive/data.pkl"]
    assert start[:2] == b"\x80\x02" and b"ctorch._utils\n_rebuild_tensor_v2\n" in start
    assert b"ctorch\nFloatStorage\n" in start and b"ctorch\nBoolStorage\n" in start


def test_names_are_torchs():
    made = [
        torch.nn.GRUCell(1, 1), torch.nn.Fold((2, 2), 1), torch.nn.functional.mse_loss,
        torch.Generator(), torch.float16, torch.channels_last, torch.Size([1]),
        torch.optim.SGD([torch.ones(1)], lr=0.1),
    ]  # fmt: skip
    made.append(torch.optim.lr_scheduler.StepLR(made[-1], 1))
    file = saved(made)
    with zipfile.ZipFile(file) as archive:
        content = archive.read("archive/data.pkl")
    for name in (
        b"torch.nn.modules.rnn\nGRUCell", b"torch.nn.modules.fold\nFold",
        b"torch.nn.functional\nmse_loss", b"torch._C\nGenerator", b"torch\nfloat16",
        b"torch\nchannels_last", b"torch\nSize", b"torch.optim.sgd\nSGD",
        b"torch.optim.lr_scheduler\nStepLR",
    ):  # fmt: skip
        assert b"c" + name + b"\n" in content, name
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert [type(x) for x in again] == [type(x) for x in made]
    assert again[2] is made[2] and again[4] is torch.float16


def test_modules_travel_whole():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LSTM(3, 4, bidirectional=True))
    model[0].weight.requires_grad_(False)
    again = torch.load(saved(model), weights_only=False)
    x = torch.ones(5, 2)
    assert torch.equal(again(x)[0], model(x)[0]) and not again[0].weight.requires_grad
    with safe_globals([torch.nn.Sequential, torch.nn.Linear, torch.nn.LSTM]):
        trusted = torch.load(saved(model))
    assert torch.equal(trusted(x)[0], model(x)[0])


def test_storages_alone_and_two_dtypes():
    a, b = torch.load(saved([torch.arange(3).storage(), torch.ones(2).untyped_storage()]))
    assert a.tolist() == [0, 1, 2] and a.dtype is torch.int64 and len(b) == 8
    x = torch.ones(2)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([x, x.view(torch.int32)], io.BytesIO())


def test_several_in_one_file_in_the_old_format():
    file = io.BytesIO()
    for i in range(3):
        torch.save([torch.full((2,), i), i], file, _use_new_zipfile_serialization=False)
    file.seek(0)
    for i in range(3):
        x, n = torch.load(file)
        assert n == i and x.tolist() == [i, i]


def test_map_location():
    file = saved({"x": torch.ones(2)})
    seen = []

    def where(storage, location):
        seen.append((type(storage).__name__, location))
        return storage

    for location in ("cpu", torch.device("cpu"), {"cpu": "cpu"}, where, lambda s, l: None):
        file.seek(0)
        assert torch.load(file, map_location=location)["x"].tolist() == [1, 1]
    assert seen == [("UntypedStorage", "cpu")]
    file.seek(0)
    with pytest.raises(RuntimeError, match="torch.cuda.is_available.. is False"):
        torch.load(file, map_location="cuda")
    far = file.getvalue().replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    members = {}
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            members[name] = archive.read(name)
    members["archive/data.pkl"] = members["archive/data.pkl"].replace(
        b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
    )
    far = zipped(members)
    with pytest.raises(RuntimeError, match="torch.cuda.is_available.. is False"):
        torch.load(far)
    far.seek(0)
    assert torch.load(far, map_location="cpu")["x"].tolist() == [1, 1]


def zipped(members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    file.seek(0)
    return file


def test_mapped_files(tmp_path):
    path = tmp_path / "x.pt"
    x = torch.arange(1000.0)
    torch.save({"x": x, "part": x[10:20], "none": torch.empty(0)}, path)
    found = torch.load(path, mmap=True)
    assert torch.equal(found["x"], x) and found["x"].untyped_storage().nbytes() == 4000
    found["x"][10] = -1
    assert found["part"][0] == -1 and torch.load(path)["x"][10] == 10
    with pytest.raises(ValueError, match="f must be a file path"):
        torch.load(open(path, "rb"), mmap=True)
    torch.save(x, path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        torch.load(path, mmap=True)


def test_mapped_files_that_were_packed_again(tmp_path):
    """Python's zipfile begins entries anywhere; a processor wants numbers at multiples of their size."""
    path = tmp_path / "x.pt"
    for shift in range(1, 5):
        with zipfile.ZipFile(io.BytesIO(saved(torch.arange(3.0)).getvalue())) as old:
            parts = {"x" * shift: b"", **{name: old.read(name) for name in old.namelist()}}
        path.write_bytes(zipped(parts).getvalue())
        mapped = torch.load(path, mmap=True)
        assert mapped.tolist() == [0, 1, 2] and mapped.data_ptr() % 16 == 0
    with torch.serialization.set_default_mmap_options(1):
        with pytest.raises(RuntimeError, match="cannot be mapped to be written"):
            torch.load(path, mmap=True)


def test_compressed_and_big_endian_archives():
    with zipfile.ZipFile(saved({"x": torch.tensor([1, 256])})) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert torch.load(zipped(members, zipfile.ZIP_DEFLATED))["x"].tolist() == [1, 256]
    members["archive/byteorder"] = b"big"
    members["archive/data/0"] = struct.pack(">2q", 1, 256)
    assert torch.load(zipped(members))["x"].tolist() == [1, 256]


# ---- trust -------------------------------------------------------------------------------------


class Mine:
    pass


def test_arrays_of_numpy(tmp_path):
    """They come back as they were, where the file is trusted; else they are refused and named."""
    np = pytest.importorskip("numpy")
    arrays = {"i": np.arange(3), "f": np.float32([1, 2]), "s": np.array(["a"]), "n": np.int8(4)}
    for name in ("x.pt", "x.safetensors"):
        torch.save(arrays, tmp_path / name)
        found = torch.load(tmp_path / name, weights_only=False)
        for key, array in arrays.items():
            assert type(found[key]) is type(array) and found[key].dtype == array.dtype
            assert (found[key] == array).all()
        with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL numpy\.\S*_reconstruct was not"):
            torch.load(tmp_path / name)


def test_safe_globals():
    mine = Mine()
    mine.x = torch.ones(1)
    file = saved(mine)
    name = f"{__name__}.Mine"
    with pytest.raises(pickle.UnpicklingError, match=f"GLOBAL {name} was not an allowed global"):
        torch.load(file)
    with safe_globals([Mine]):
        assert torch.load(io.BytesIO(file.getvalue())).x.tolist() == [1]
    with pytest.raises(pickle.UnpicklingError):
        torch.load(io.BytesIO(file.getvalue()))
    add_safe_globals([(Mine, name)])
    assert type(torch.load(io.BytesIO(file.getvalue()))) is Mine
    clear_safe_globals()
    assert torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(file.getvalue())) == [
        name
    ]
    file.seek(0)
    assert torch.load(file, weights_only=False).x.tolist() == [1]
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        torch.load(file, pickle_module=pickle, weights_only=True)


# ---- hostile files -----------------------------------------------------------------------------

NAMES = [
    ("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("builtins", "eval"),
    ("builtins", "exec"), ("__builtin__", "eval"), ("builtins", "getattr"), ("builtins", "open"),
    ("builtins", "__import__"), ("importlib", "import_module"), ("runpy", "run_path"),
    ("copyreg", "_reconstructor"), ("functools", "partial"), ("operator", "attrgetter"),
    ("torch", "load"), ("torch.serialization", "load"), ("torch.hub", "load"),
    ("torch.storage", "_load_from_bytes"), ("torch._utils", "sys.modules"), ("torch", "os.system"),
    ("torch.serialization", "os.remove"), ("torch.nn.modules.module", "Module"),
    ("torch.serialization", "add_safe_globals"), ("collections", "namedtuple"),
    ("_codecs", "lookup"), ("codecs", "decode"), ("builtins", "bytearray.__class__"),
    ("torch", "Size.__class__"), ("collections", "OrderedDict.fromkeys"), ("webbrowser", "open"),
]  # fmt: skip


def text(value):
    value = value.encode()
    return b"X" + struct.pack("<I", len(value)) + value


def hostile(random, victim):
    """A pickle that would write to `victim` where a name of it were called."""
    module, name = random.choice(NAMES)
    command = text(f"touch {victim}") if "sys" in name else text(f"open({str(victim)!r}, 'w')")
    if random.random() < 0.3:
        named = text(module) + text(name) + b"\x93"
    else:
        named = f"c{module}\n{name}\n".encode()
    call = random.choice(
        [
            named + b"(" + command + b"tR",
            named + command + b"\x85R",
            named + command + b"\x85\x81",
            b"(" + command + f"i{module}\n{name}\n".encode(),
            b"(" + named + command + b"o",
            b"}(" + text("__setstate__") + named + b"u" + command + b"b",
            named + b"}(" + text("__call__") + command + b"ub",
            b"ccollections\nOrderedDict\n)R}(" + text("__class__") + named + b"ub" + command + b"b",
            b"c__main__\n__builtins__\n" + named + b"sb",
            named + b"Q",
            b"ctorch\nTensor\n}(" + text("backward") + named + b"ub",
            b"ctorch.nn.parameter\nParameter\n}(" + text("__new__") + named + b"ub",
            b"ctorch._tensor\n_rebuild_from_type_v2\n(" + named + b"ctorch\nTensor\n"
            + command + b"\x85}tR",
            b"ccollections\nCounter\n(" + named + command + b"\x85RtR",
        ]
    )  # fmt: skip
    before = random.choice([b"", b"]", b"}", b"(", text("x") + b"q\x00", b"K\x01"])
    return b"\x80" + random.choice([b"\x02", b"\x04"]) + before + call + b"."


@pytest.fixture(scope="module")
def library():
    """The C library, which has a reader of its own."""
    build = os.environ.get("FLAMBEAU_BUILD", Path(__file__).resolve().parents[2] / "build")
    found = ctypes.CDLL(str(Path(build).resolve() / "libflambeau.so"))
    found.fl_file_open.restype = ctypes.c_void_p
    found.fl_file_open.argtypes = [ctypes.c_char_p]
    return found


@pytest.mark.parametrize("seed", range(200))
def test_hostile_pickles_run_nothing(seed, tmp_path, library):
    victim, path = tmp_path / "ran", tmp_path / "x.pt"
    content = hostile(random.Random(seed), victim)
    old = b"".join(
        [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps({}, 2)]
    )
    for source in (
        zipped({"archive/data.pkl": content, "archive/version": b"3\n"}),
        io.BytesIO(old + content + pickle.dumps([], 2)),
        io.BytesIO(content),
    ):
        with pytest.raises((RuntimeError, pickle.UnpicklingError)):
            torch.load(source)
        path.write_bytes(source.getvalue())
        assert not library.fl_file_open(bytes(path))
    assert not victim.exists() and os.listdir(tmp_path) == ["x.pt"]


def unpickled(content):
    return torch.load(zipped({"archive/data.pkl": content}))


ID = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x02tQ"


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02h\x07.",
        b"\x80\x02K\x01t.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02X\xff\xff\xff\xff.",
        b"\x80\x02T\xff\xff\xff\xff.",
        b"\x80\x02}]K\x01s.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        b"\x80\x02cbuiltins\nset\nK\x05\x85R.",
        b"\x80\x02ctorch\nSize\nX\x01\x00\x00\x00a\x85R.",
        b"\x80\x02ctorch\nSparse\n.",
        b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n)R.",
        b"\x80\x02ctorch\ncomplex32\n.",
        b"\x80\x02" + ID + b".",
        b"\x80\x02K\x01Q.",
        b"\x80\x02ctorch\nfloat32\n}b.",
        b"\x80\x02" + b"(" * 100000 + b".",
        b"\x80\x02}" + b")" + b"\x85" * 100000 + b"K\x01s.",
        b"\x80\x02}(" + b"".join(pickle.dumps(i * (2**61 - 1), 2)[2:-1] + b"N" for i in range(2000))
        + b"u.",
        b"\x80\x02](" + b"K\x01" * 50000 + b"eq\x00"
        + b"cbuiltins\nset\nh\x00\x85R0" * 1000 + b"N.",
    ],
)  # fmt: skip
def test_damaged_pickles(content):
    with pytest.raises(pickle.UnpicklingError):
        unpickled(content)


def test_tensors_stay_in_their_storage():
    whole = {"archive/data/0": struct.pack("<2f", 1, 2)}

    def tensor(offset, size, stride):
        parts = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, size, stride))
        return (
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + ID + parts + b"\x89NtR."
        )  # fmt: skip

    assert torch.load(
        zipped({"archive/data.pkl": tensor(1, (1,), (1,)), **whole})
    ).tolist() == [2]
    for parts in (
        (0, (3,), (1,)), (1, (2,), (1,)), (-1, (1,), (1,)), (0, (2,), (2,)), (0, (2,), (-1,)),
        (0, (2**62, 2**62), (0, 0)), (0, (2,), (1, 1)), (2**62, (1,), (1,)), (0, (1,) * 65, (1,) * 65),
        (0, (-1,), (1,)), (0, "ab", (1,)), (None, (1,), (1,)), (0, (1.5,), (1,)), (2**70, (1,), (1,)),
    ):  # fmt: skip
        with pytest.raises(pickle.UnpicklingError):
            torch.load(zipped({"archive/data.pkl": tensor(*parts), **whole}))
    for size in (0, 7, 9):
        with pytest.raises(pickle.UnpicklingError, match="should have 8 bytes"):
            torch.load(
                zipped({"archive/data.pkl": tensor(0, (1,), (1,)), "archive/data/0": bytes(size)})
            )


def test_a_small_file_that_unpacks_to_much():
    machine = zlib.compressobj(9, wbits=-15)
    assert len(machine.compress(bytes(1 << 20)) + machine.flush()) < 2000
    file = zipped({"archive/data.pkl": b"\x80\x02N.", "archive/data/0": bytes(1 << 20)},
                  zipfile.ZIP_DEFLATED)  # fmt: skip
    content = bytearray(file.getvalue())
    at = content.rindex(b"PK\1\2")
    struct.pack_into("<I", content, at + 24, 10)  # the size that the directory gives
    assert torch.load(io.BytesIO(content)) is None
    pickled = b"\x80\x02" + ID + b"."
    members = zipped({"archive/data.pkl": pickled, "archive/data/0": bytes(1 << 20)},
                     zipfile.ZIP_DEFLATED)  # fmt: skip
    content = bytearray(members.getvalue())
    struct.pack_into("<I", content, content.rindex(b"PK\1\2") + 24, 8)
    with pytest.raises(RuntimeError, match="another size"):
        torch.load(io.BytesIO(content))


def test_mutations_of_files_give_errors_or_objects(tmp_path):
    """Every file that differs in a few bytes from a sound one loads, or raises as documented."""
    made = random.Random(7)
    torch.save({"w": torch.ones(3), "n": [1, {"x": torch.zeros(2).bool()}]}, tmp_path / "x.safetensors")
    sources = [(DATA / name).read_bytes() for name in ("everything.pt", "everything_old.pt")]
    sources += [saved({"w": torch.ones(3)}).getvalue()]
    for _ in range(1500):
        content = bytearray(made.choice(sources))
        for _ in range(made.randint(1, 4)):
            at = made.randrange(len(content))
            change = made.random()
            if change < 0.6:
                content[at] = made.choice((0, 1, 0x28, 0x2E, 0x7F, 0x80, 0xFF, made.randrange(256)))
            elif change < 0.8:
                del content[at : at + made.randint(1, 8)]
            else:
                content[at:at] = content[at : at + made.randint(1, 40)]
        try:
            torch.load(io.BytesIO(bytes(content)))
        except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, MemoryError):
            pass
