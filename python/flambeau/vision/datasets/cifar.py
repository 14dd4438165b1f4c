"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): colour images of 32 x 32 in Python's pickles (source:
torchvision.datasets.cifar).

The pickles hold dicts of lists and arrays. They are read without NumPy, and nothing else in them is
brought to life.
"""
from __future__ import annotations

import os
import pickle

import flambeau
from flambeau.vision.datasets.utils import check_integrity, download_and_extract_archive
from flambeau.vision.datasets.vision import VisionDataset, as_array, image_of, not_found


class _Array:
    """What stands for NumPy's arrays and dtypes while a pickle is read: the state they are given."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        self.state = state

    def bytes(self):
        """(rows, columns, content) of an array of bytes of two dims."""
        _, (rows, columns), dtype, fortran, content = self.state
        if isinstance(content, str):
            content = content.encode("latin1")
        if dtype.arguments[0] not in ("u1", "uint8") or fortran or len(content) != rows * columns:
            raise pickle.UnpicklingError("an array is not of bytes, row by row")
        return rows, columns, content


_ARRAYS = {
    (module, name)
    for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "ndarray", "dtype")
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in _ARRAYS:
            return _Array
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of CIFAR")


def _read(path):
    with open(path, "rb") as file:
        return _Unpickler(file, encoding="latin1").load()


class CIFAR10(VisionDataset):
    """Ten classes of things and animals: (image, label), 50,000 to train and 10,000 to test.

    root: the folder above cifar-10-batches-py; download: fetches it. data: bytes of N x 32 x 32 x
    3; targets: a list. RuntimeError where files are missing or of another checksum.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found()
        self.targets = []
        content, count = bytearray(), 0
        for name, _ in self.train_list if train else self.test_list:
            entry = _read(os.path.join(self.root, self.base_folder, name))
            rows, columns, pixels = entry["data"].bytes()
            if columns != 3 * 32 * 32:
                raise ValueError(f"{name} has images of {columns} bytes instead of {3 * 32 * 32}")
            content += pixels
            count += rows
            self.targets.extend(entry["labels"] if "labels" in entry else entry["fine_labels"])
        data = flambeau.frombuffer(content, dtype=flambeau.uint8).view(count, 3, 32, 32)
        self.data = as_array(data.permute(0, 2, 3, 1))
        self._load_meta()

    def _load_meta(self):
        path = os.path.join(self.root, self.base_folder, self.meta["filename"])
        if not check_integrity(path, self.meta["md5"]):
            raise not_found("Dataset metadata file not found or corrupted.")
        self.classes = _read(path)[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index):
        return self._transformed(image_of(self.data[index]), self.targets[index])

    def __len__(self):
        return len(self.data)

    def _check_integrity(self):
        return all(
            check_integrity(os.path.join(self.root, self.base_folder, name), md5)
            for name, md5 in self.train_list + self.test_list
        )

    def download(self):
        """Fetches the archive unless its files are there."""
        if not self._check_integrity():
            download_and_extract_archive(
                self.url, self.root, filename=self.filename, md5=self.tgz_md5
            )

    def extra_repr(self):
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """A hundred classes, in CIFAR10's form."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
