"""Datasets read from files in their published forms, which the tests write; downloads from a server
of the test's own."""
import gzip
import hashlib
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading
import urllib.error
import zipfile
import zlib

import pytest

import flambeau as torch

Image = pytest.importorskip("PIL.Image")

from flambeau.vision import datasets
from flambeau.vision.datasets import utils


def pixels_of(sample):
    return list(sample[0].tobytes())


# ---- MNIST and its kin ---------------------------------------------------------------------------


def idx(path, sizes, content, kind=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, kind, len(sizes)) + struct.pack(f">{len(sizes)}I", *sizes)
    path.write_bytes(header + content)


def write_mnist(raw, start="", names=("train", "t10k")):
    for name, count in zip(names, (3, 2)):
        images = bytes((i * 7) % 256 for i in range(count * 28 * 28))
        idx(raw / f"{start}{name}-images-idx3-ubyte", (count, 28, 28), images)
        idx(raw / f"{start}{name}-labels-idx1-ubyte", (count,), bytes(range(5, 5 + count)))


@pytest.mark.parametrize("kind", ["MNIST", "FashionMNIST", "KMNIST"])
def test_mnist(tmp_path, kind):
    write_mnist(tmp_path / kind / "raw")
    train = getattr(datasets, kind)(str(tmp_path))
    test = getattr(datasets, kind)(tmp_path, train=False, transform=lambda x: x.size,
                                   target_transform=str)
    assert (len(train), len(test)) == (3, 2)
    image, label = train[1]
    assert (image.mode, image.size, label) == ("L", (28, 28), 6)
    assert pixels_of(train[1]) == [(i * 7) % 256 for i in range(784, 1568)]
    assert test[0] == ((28, 28), "5")
    assert train.data.dtype == torch.uint8 and tuple(train.data.shape) == (3, 28, 28)
    assert train.targets.tolist() == [5, 6, 7]
    assert repr(train) == (
        f"Dataset {kind}\n    Number of datapoints: 3\n    Root location: {tmp_path}\n"
        "    Split: Train"
    )
    assert len(train.classes) == 10 and train.class_to_idx[train.classes[3]] == 3


def test_emnist_and_qmnist(tmp_path):
    write_mnist(tmp_path / "EMNIST" / "raw", "emnist-letters-", ("train", "test"))
    letters = datasets.EMNIST(tmp_path, "letters", train=False)
    assert len(letters) == 2 and letters[0][1] == 5 and letters.classes[1] == "a"
    with pytest.raises(ValueError, match="Unknown value 'words' for argument split"):
        datasets.EMNIST(tmp_path, "words")
    raw = tmp_path / "QMNIST" / "raw"
    idx(raw / "qmnist-train-images-idx3-ubyte", (2, 28, 28), bytes(2 * 784))
    numbers = struct.pack(">16i", *range(3, 19))
    idx(raw / "qmnist-train-labels-idx2-int", (2, 8), numbers, kind=12)
    assert datasets.QMNIST(tmp_path)[1][1] == 11
    assert datasets.QMNIST(tmp_path, compat=False)[1][1].tolist() == list(range(11, 19))


def test_mnist_refuses(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found. You can use download=True"):
        datasets.MNIST(tmp_path)
    raw = tmp_path / "MNIST" / "raw"
    write_mnist(raw)
    file = raw / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is damaged: 2351 bytes of elements instead of 2352"):
        datasets.MNIST(tmp_path)
    file.write_bytes(b"text")
    with pytest.raises(ValueError, match="is no IDX file"):
        datasets.MNIST(tmp_path)


# ---- CIFAR, SVHN, STL-10 -------------------------------------------------------------------------


class Numpy:
    """What NumPy's pickles hold, written without NumPy: a global, its arguments and its state."""

    def __init__(self, module, name, arguments, state):
        self.parts = module, name, arguments, state


class Pickler(pickle._Pickler):
    def save(self, obj, save_persistent_id=True):
        if not isinstance(obj, Numpy):
            return super().save(obj, save_persistent_id)
        module, name, arguments, state = obj.parts
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        if arguments is not None:
            super().save(arguments)
            self.write(pickle.REDUCE)
            super().save(state)
            self.write(pickle.BUILD)


def array(rows, columns, content):
    kind = Numpy("numpy", "dtype", ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0))
    ndarray = Numpy("numpy", "ndarray", None, None)
    state = (1, (rows, columns), kind, False, content)
    return Numpy("numpy.core.multiarray", "_reconstruct", (ndarray, (0,), "b"), state)


def dump(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        Pickler(file, protocol=2).dump(value)
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_cifar(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-100-python"
    content = bytes(i % 251 for i in range(2 * 3072))
    # Python 2 wrote bytes as what Python 3 reads as text.
    batch = {"data": array(2, 3072, content.decode("latin1")), "fine_labels": [7, 1]}
    kind = datasets.CIFAR100
    monkeypatch.setattr(kind, "train_list", [["train", dump(folder / "train", batch)]])
    monkeypatch.setattr(kind, "test_list", [["test", dump(folder / "test", batch)]])
    sums = dump(folder / "meta", {"fine_label_names": ["apple", "bee"]})
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums})
    train = kind(tmp_path)
    assert len(train) == 2 and train.targets == [7, 1] and train.classes == ["apple", "bee"]
    image, label = train[1]
    assert (image.mode, image.size, label) == ("RGB", (32, 32), 1)
    assert image.getpixel((3, 2)) == tuple(content[3072 + c * 1024 + 2 * 32 + 3] for c in range(3))
    assert tuple(train.data.shape) == (2, 32, 32, 3)
    (folder / "test").write_bytes(b"")
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        kind(tmp_path)


def test_cifar_runs_nothing(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "bad").write_bytes(pickle.dumps({"data": Evil()}))
    lists = [["bad", hashlib.md5((folder / "bad").read_bytes()).hexdigest()]]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", lists)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [])
    with pytest.raises(pickle.UnpicklingError, match="has no place in a file of CIFAR"):
        datasets.CIFAR10(tmp_path)
    assert not (tmp_path / "made").exists()


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(name, sizes, content, array_class, kind):
    parts = element(6, struct.pack("<II", array_class, 0))
    parts += element(5, struct.pack(f"<{len(sizes)}i", *sizes))
    small = struct.pack("<HH", 1, len(name)) + name.encode() + bytes(4 - len(name))
    return element(14, parts + small + element(kind, content))


def write_svhn(path, compressed):
    images = bytes(i % 253 for i in range(32 * 32 * 3 * 2))
    parts = [
        matrix("X", (32, 32, 3, 2), images, 9, 2),
        matrix("y", (2, 1), struct.pack("<2d", 10, 4), 6, 9),
    ]
    if compressed:
        parts = [struct.pack("<II", 15, len(z)) + z for z in map(zlib.compress, parts)]
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + b"".join(parts))
    return images


@pytest.mark.parametrize("compressed", [False, True])
def test_svhn(tmp_path, monkeypatch, compressed):
    path = tmp_path / "test_32x32.mat"
    images = write_svhn(path, compressed)
    monkeypatch.setattr(utils, "check_md5", lambda path, md5: True)
    data = datasets.SVHN(tmp_path, "test")
    assert [data[i][1] for i in range(2)] == [0, 4] and tuple(data.data.shape) == (2, 3, 32, 32)
    # Columns first: image 1, row 5, column 6, all colours.
    expected = tuple(images[5 + 32 * (6 + 32 * (c + 3 * 1))] for c in range(3))
    assert data[1][0].getpixel((6, 5)) == expected
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="damaged"):
        datasets.SVHN(tmp_path, "test")


def test_stl10(tmp_path, monkeypatch):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = bytes(i % 249 for i in range(3 * 3 * 96 * 96))
    (folder / "train_X.bin").write_bytes(images)
    (folder / "train_y.bin").write_bytes(bytes([3, 1, 10]))
    (folder / "unlabeled_X.bin").write_bytes(images[:27648])
    (folder / "fold_indices.txt").write_text("0 2\n1\n")
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    monkeypatch.setattr(datasets.STL10, "_check_integrity", lambda self: True)
    train = datasets.STL10(tmp_path)
    assert [train[i][1] for i in range(3)] == [2, 0, 9] and train.classes == ["airplane", "bird"]
    expected = tuple(images[27648 + c * 9216 + 5 * 96 + 4] for c in range(3))
    assert train[1][0].getpixel((5, 4)) == expected
    assert datasets.STL10(tmp_path, folds=0).labels.tolist() == [2, 9]
    assert datasets.STL10(tmp_path, "train+unlabeled").labels.tolist() == [2, 0, 9, -1]


# ---- Folders -------------------------------------------------------------------------------------


def test_image_folder(tmp_path):
    for name, color in (("b/2.PNG", 10), ("b/1.png", 20), ("a/x/3.bmp", 30), ("a/no.txt", 0)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("txt"):
            path.write_text("no image")
        else:
            Image.new("L", (2, 2), color).save(path)
    data = datasets.ImageFolder(str(tmp_path))
    assert data.classes == ["a", "b"] and data.targets == [0, 1, 1]
    assert [data[i][0].getpixel((0, 0)) for i in range(3)] == [(v,) * 3 for v in (30, 20, 10)]
    assert data.samples == data.imgs and os.path.basename(data.samples[1][0]) == "1.png"
    (tmp_path / "c").mkdir()
    with pytest.raises(FileNotFoundError, match="Found no valid file for the classes c. Supported"):
        datasets.ImageFolder(tmp_path)
    assert len(datasets.ImageFolder(tmp_path, allow_empty=True).classes) == 3
    texts = datasets.DatasetFolder(
        tmp_path, lambda path: open(path).read(), (".txt",), allow_empty=True
    )
    assert [*texts] == [("no image", 0)]
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in"):
        datasets.ImageFolder(tmp_path / "c")


def test_fake_data():
    data = datasets.FakeData(3, (3, 4, 5), num_classes=7)
    torch.manual_seed(11)
    first = torch.rand(1).item()
    torch.manual_seed(11)
    image, label = data[2]
    assert torch.rand(1).item() == first  # the generator is left as it was
    assert image.size == (5, 4) and data[2][1] == label and pixels_of(data[2]) == pixels_of(data[2])
    with pytest.raises(IndexError, match="FakeData index out of range"):
        data[3]


# ---- Downloads and archives ----------------------------------------------------------------------


@pytest.fixture
def server():
    """A server of the bytes in server.files, which knows ranges; server.asked lists the requests,
    and server.cut shortens the next answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = self.server.files.get(self.path)
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            self.server.asked.append((self.path, start))
            if content is None or start >= max(len(content), 1):
                self.send_error(416 if start else 404)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut, self.server.cut = self.server.cut, None
            self.wfile.write(content[start:cut])

        def log_message(self, *arguments):
            pass

    found = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    found.files, found.asked, found.cut = {}, [], None
    found.url = f"http://127.0.0.1:{found.server_port}"
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_download_is_resumed_and_whole(server, tmp_path):
    content = bytes(range(256)) * 40
    server.files["/a.bin"] = content
    server.cut = 5000
    md5 = hashlib.md5(content).hexdigest()
    with pytest.raises(urllib.error.URLError, match="cannot download") as caught:
        utils.download_url(server.url + "/a.bin", tmp_path, md5=md5)
    assert f"put the file there yourself: {tmp_path / 'a.bin'}" in str(caught.value)
    assert not (tmp_path / "a.bin").exists()
    utils.download_url(server.url + "/a.bin", str(tmp_path), md5=md5)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert [name.name for name in tmp_path.iterdir()] == ["a.bin"]
    assert server.asked == [("/a.bin", 0), ("/a.bin", 5000)]
    utils.download_url(server.url + "/a.bin", tmp_path, md5=md5)
    assert len(server.asked) == 2  # what is there is not fetched again


def test_download_of_a_wrong_sum_leaves_nothing(server, tmp_path):
    server.files["/a.bin"] = b"abc"
    with pytest.raises(RuntimeError, match="File not found or corrupted."):
        utils.download_url(server.url + "/a.bin", tmp_path, md5="0" * 32)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.bin.part").write_bytes(b"xy")  # left of another file
    utils.download_url(server.url + "/a.bin", tmp_path, md5=hashlib.md5(b"abc").hexdigest())
    assert (tmp_path / "a.bin").read_bytes() == b"abc"


def test_download_without_a_network(tmp_path):
    with pytest.raises(urllib.error.URLError, match="cannot download http://127.0.0.1:9/x.gz"):
        utils.download_url("http://127.0.0.1:9/x.gz", tmp_path)


def test_mnist_is_downloaded(server, tmp_path, monkeypatch):
    write_mnist(tmp_path / "source")
    resources = []
    for name, _ in datasets.MNIST.resources:
        packed = gzip.compress((tmp_path / "source" / name[:-3]).read_bytes())
        server.files["/" + name] = packed
        resources.append((name, hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    mirrors = ["http://127.0.0.1:9/", server.url + "/"]
    monkeypatch.setattr(datasets.MNIST, "mirrors", mirrors)
    assert len(datasets.MNIST(tmp_path / "root", download=True)) == 3
    monkeypatch.setattr(datasets.MNIST, "mirrors", mirrors[:1])
    with pytest.raises(RuntimeError, match="Error downloading train-images-idx3-ubyte.gz:\nTried"):
        datasets.MNIST(tmp_path / "other", download=True)


def test_archives(tmp_path):
    def tar(name, mode, members):
        with tarfile.open(tmp_path / name, mode) as file:
            for member in members:
                info = tarfile.TarInfo(member)
                info.size = 2
                file.addfile(info, io.BytesIO(b"hi"))

    tar("a.tar.gz", "w:gz", ["in/x"])
    utils.extract_archive(str(tmp_path / "a.tar.gz"), str(tmp_path / "out"))
    assert (tmp_path / "out/in/x").read_bytes() == b"hi"
    tar("b.tar", "w", ["../outside"])
    with pytest.raises((tarfile.TarError, RuntimeError)):
        utils.extract_archive(tmp_path / "b.tar", tmp_path / "out")
    assert not (tmp_path / "outside").exists()
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as file:
        file.writestr("y", "z")
    assert utils.extract_archive(tmp_path / "c.zip", remove_finished=True) == tmp_path
    assert (tmp_path / "y").read_text() == "z" and not (tmp_path / "c.zip").exists()
    (tmp_path / "d.gz").write_bytes(gzip.compress(b"dd"))
    assert utils.extract_archive(str(tmp_path / "d.gz")) == str(tmp_path / "d")
    with pytest.raises(RuntimeError, match="Unknown compression or archive type: '.rar'"):
        utils.extract_archive("x.rar")
