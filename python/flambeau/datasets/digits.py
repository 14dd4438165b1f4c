"""Handwritten digits: the 1,797 scans of the UCI "Optical Recognition of Handwritten Digits" test
set, 8 x 8 pixels of 17 grey levels. Their source and licence stand beside the data file.

The file digits.bin: 8 bytes "DIGITS1\\n"; three numbers of 4 bytes, little-endian: count, rows,
columns; count * rows * columns bytes of images, 0 to 16; count bytes of labels, 0 to 9.
"""

import os

from flambeau import _C
from flambeau._hint import hint
from flambeau.utils.data.dataset import Dataset

_MAGIC = b"DIGITS1\n"


class Digits(Dataset):
    """Pairs (image, label): a float32 tensor of 1 x 8 x 8 between 0 and 1, and an int from 0 to 9.

    train: every fifth sample (the first, the sixth, ...) is held out for testing, 360 of them; the
    other 1,437 are for training. transform, target_transform: applied to each image and label.
    root: another folder with a digits.bin. data: all images, float32 of N x 1 x 8 x 8; targets: all
    labels, int64 of N. FileNotFoundError when the data file is missing, ValueError when it is
    damaged.
    """

    classes = [str(digit) for digit in range(10)]

    def __init__(self, train=True, transform=None, target_transform=None, root=None):
        images, labels, rows, columns = _read(
            os.path.join(root or os.path.dirname(__file__), "digits.bin")
        )
        held_out = range(0, len(labels), 5)
        wanted = [i for i in range(len(labels)) if i % 5] if train else list(held_out)
        index = _C.tensor(wanted)
        pixels = _bytes_tensor(images).reshape(len(labels), 1, rows, columns)
        self.data = pixels.index_select(0, index).to(_C.float32) / 16
        self.targets = _bytes_tensor(labels).index_select(0, index).to(_C.int64)
        self.train = train
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self):
        return self.targets.shape[0]

    def __getitem__(self, index):
        image, label = self.data[index], self.targets[index].item()
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __gather__(self, index):
        if (
            self.transform
            or self.target_transform
            or type(self).__getitem__ is not Digits.__getitem__
        ):
            return None
        return [self.data.index_select(0, index), self.targets.index_select(0, index)]

    def __repr__(self):
        split = "Train" if self.train else "Test"
        return f"Dataset Digits\n    Number of datapoints: {len(self)}\n    Split: {split}"


def _bytes_tensor(content):
    """A 1-d tensor of uint8 over the memory of a bytearray."""
    return _C.frombuffer(content, dtype=_C.uint8, count=-1, offset=0, requires_grad=False)


def _read(path):
    """(images, labels, rows, columns) of a data file: bytearrays and sizes, checked."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no data file {path}: it comes with the package."
            + hint(
                "install Flambeau again (pip install --force-reinstall flambeau).",
                "请重新安装 Flambeau（pip install --force-reinstall flambeau）。",
            )
        ) from None
    sizes = [int.from_bytes(content[at : at + 4], "little") for at in (8, 12, 16)]
    count, rows, columns = sizes
    pixels = count * rows * columns
    labels = bytearray(content[20 + pixels :])
    if content[:8] != _MAGIC or not count or len(labels) != count:
        raise _damaged(path, "it is no digits file, or its size is wrong")
    if max(labels) > 9 or max(content[20 : 20 + pixels]) > 16:
        raise _damaged(path, "a label is above 9 or a pixel above 16")
    return bytearray(content[20 : 20 + pixels]), labels, rows, columns


def _damaged(path, why):
    return ValueError(
        f"{path} is damaged: {why}." + hint("install Flambeau again.", "请重新安装 Flambeau。")
    )
