"""SVHN (Netzer et al., 2011): photographs of house numbers, 32 x 32, in MATLAB's files (source:
torchvision.datasets.svhn)."""
from __future__ import annotations

import os
import struct
import zlib

import flambeau
from flambeau.vision.datasets.utils import check_integrity, download_url, verify_str_arg
from flambeau.vision.datasets.vision import VisionDataset, as_array, image_of, not_found

_FOLDER = "http://ufldl.stanford.edu/housenumbers/"


class SVHN(VisionDataset):
    """(image, digit); split: train (73,257), test (26,032), extra (531,131).

    root: the folder of the files train_32x32.mat, ...; download: fetches the split's. data: bytes
    of N x 3 x 32 x 32; labels: N, the digit zero being 0. RuntimeError where the file is missing or
    of another checksum, ValueError where it is damaged.
    """

    split_list = {
        split: [f"{_FOLDER}{split}_32x32.mat", f"{split}_32x32.mat", md5]
        for split, md5 in (
            ("train", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            ("test", "eb5a983be6a315427106f1b164d9cef3"),
            ("extra", "a93ce644f1a588dc4d68dda5feec44a7"),
        )
    }

    def __init__(
        self, root, split="train", transform=None, target_transform=None, download=False
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found()
        arrays = read_matlab(os.path.join(self.root, self.filename))
        if not {"X", "y"} <= set(arrays):
            raise ValueError(f"{self.filename} is damaged: it has no arrays X and y")
        labels = arrays["y"].to(flambeau.int64).view(-1)
        self.labels = as_array(labels.masked_fill(labels == 10, 0))
        self.data = as_array(arrays["X"].permute(3, 2, 0, 1))

    def __getitem__(self, index):
        image = self.data[index].transpose(1, 2, 0) if hasattr(self.data, "astype") else \
            self.data[index].permute(1, 2, 0)
        return self._transformed(image_of(image), int(self.labels[index]))

    def __len__(self):
        return len(self.data)

    def _check_integrity(self):
        return check_integrity(os.path.join(self.root, self.filename), self.file_md5)

    def download(self):
        """Fetches the split's file unless it is there."""
        download_url(self.url, self.root, self.filename, self.file_md5)

    def extra_repr(self):
        return f"Split: {self.split}"


# ---- MATLAB's files ------------------------------------------------------------------------------

_NUMBERS = {
    1: "int8",
    2: "uint8",
    3: "int16",
    5: "int32",
    7: "float32",
    9: "float64",
    12: "int64",
}
_INT32, _UINT32, _MATRIX, _COMPRESSED = 5, 6, 14, 15


def _elements(data):
    """The (type, content) pairs that data is made of."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind >> 16:  # a small element: its size and content in one tag
            yield kind & 0xFFFF, data[at + 4:at + 4 + (kind >> 16)]
            at += 8
            continue
        if at + 8 + size > len(data):
            raise ValueError("the file ends in the middle of an array")
        yield kind, data[at + 8:at + 8 + size]
        at += 8 + size if kind == _COMPRESSED else 8 + (size + 7) // 8 * 8


def _matrix(data):
    """(name, tensor) of an array of numbers; None of anything else."""
    parts = list(_elements(data))
    if len(parts) < 4 or parts[0][0] != _UINT32 or parts[1][0] != _INT32:
        return None
    sizes = struct.unpack(f"<{len(parts[1][1]) // 4}i", parts[1][1])
    kind, content = parts[3]
    dtype = getattr(flambeau, _NUMBERS.get(kind, ""), None)
    count = 1
    for size in sizes:
        count *= size
    if dtype is None or min(sizes) < 0 or count * dtype.itemsize != len(content):
        return None
    # Columns first: the dims of the file, backwards.
    flat = flambeau.frombuffer(bytearray(content), dtype=dtype) if count else flambeau.empty(0)
    tensor = flat.view(*reversed(sizes)).permute(*reversed(range(len(sizes))))
    return bytes(parts[2][1]).decode("latin1"), tensor


def read_matlab(path):
    """{name: tensor} of the arrays of numbers in a MATLAB file (level 5, little-endian), compressed
    or not. ValueError where it is none or damaged."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 128 or data[126:128] != b"IM":
        raise ValueError(f"{path} is no MATLAB file of level 5")
    found = {}
    try:
        for kind, content in _elements(memoryview(data)[128:]):
            if kind == _COMPRESSED:
                ((kind, content),) = _elements(memoryview(zlib.decompress(content)))
            entry = _matrix(content) if kind == _MATRIX else None
            if entry:
                found[entry[0]] = entry[1]
    except (ValueError, zlib.error, struct.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return found
