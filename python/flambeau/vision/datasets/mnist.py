"""MNIST and its kin: images of 28 x 28 in IDX files (source: torchvision.datasets.mnist).

An IDX file, big-endian: two zero bytes, a byte for the dtype, one for the number of dims; the sizes,
4 bytes each; the elements.
"""
from __future__ import annotations

import os
import shutil
import string
import warnings

import flambeau
from flambeau.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    extract_archive,
    verify_str_arg,
)
from flambeau.vision.datasets.vision import VisionDataset, image_of, not_found

_DIGITS = "zero one two three four five six seven eight nine".split()
_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


class MNIST(VisionDataset):
    """Handwritten digits (LeCun et al., 1998): (image, label), 60,000 to train and 10,000 to test.

    root: the folder above MNIST/raw, where the files are; download: fetches them. data: uint8 of
    N x 28 x 28; targets: int64 of N. RuntimeError where the files are not there.
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources = list(
        zip(
            _FILES,
            (
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
        )
    )
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [f"{i} - {name}" for i, name in enumerate(_DIGITS)]

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if self._check_legacy_exist():
            self.data, self.targets = self._load_legacy_data()
            return
        if download:
            self.download()
        if not self._check_exists():
            raise not_found("Dataset not found.")
        self.data, self.targets = self._load_data()

    @property
    def train_labels(self):
        """An old name of targets."""
        warnings.warn("train_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def test_labels(self):
        """An old name of targets."""
        warnings.warn("test_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def train_data(self):
        """An old name of data."""
        warnings.warn("train_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def test_data(self):
        """An old name of data."""
        warnings.warn("test_data has been renamed data", stacklevel=2)
        return self.data

    def _check_legacy_exist(self):
        return os.path.exists(self.processed_folder) and all(
            check_integrity(os.path.join(self.processed_folder, file))
            for file in (self.training_file, self.test_file)
        )

    def _load_legacy_data(self):
        file = self.training_file if self.train else self.test_file
        return flambeau.load(os.path.join(self.processed_folder, file), weights_only=True)

    def _load_data(self):
        start = os.path.join(self.raw_folder, "train" if self.train else "t10k")
        return (
            read_image_file(start + "-images-idx3-ubyte"),
            read_label_file(start + "-labels-idx1-ubyte"),
        )

    def __getitem__(self, index):
        return self._transformed(image_of(self.data[index]), int(self.targets[index]))

    def __len__(self):
        return len(self.data)

    @property
    def raw_folder(self):
        """Where the files are."""
        return os.path.join(self.root, self.__class__.__name__, "raw")

    @property
    def processed_folder(self):
        """Where old versions of torchvision put tensors."""
        return os.path.join(self.root, self.__class__.__name__, "processed")

    @property
    def class_to_idx(self):
        """The label of each class's name."""
        return {name: i for i, name in enumerate(self.classes)}

    def _check_exists(self):
        return all(
            check_integrity(os.path.join(self.raw_folder, os.path.splitext(name)[0]))
            for name, _ in self.resources
        )

    def download(self):
        """Fetches the files that are not there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for filename, md5 in self.resources:
            errors = []
            for mirror in self.mirrors:
                try:
                    download_and_extract_archive(
                        mirror + filename, self.raw_folder, filename=filename, md5=md5
                    )
                    break
                except (RuntimeError, OSError) as error:
                    errors.append(f"Tried {mirror}, got:\n{error}\n")
            else:
                raise RuntimeError(f"Error downloading {filename}:\n" + "".join(errors))

    def extra_repr(self):
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """Clothes (Xiao et al., 2017), in MNIST's form."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = list(
        zip(
            _FILES,
            (
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
        )
    )
    classes = (
        "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
    )


class KMNIST(MNIST):
    """Cursive Japanese letters (Clanuwat et al., 2018), in MNIST's form."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = list(
        zip(
            _FILES,
            (
                "bdb82020997e1d708af4cf47b453dcf7",
                "e144d726b3acfaa3e44228e80efcd344",
                "5c965bf0a639b31b8f53240b1b52f4d7",
                "7320c461ea6c1c855c0b718fb2a4b134",
            ),
        )
    )
    classes = "o ki su tsu na ha ma ya re wo".split()


class EMNIST(MNIST):
    """Handwritten letters and digits (Cohen et al., 2017). split: byclass, bymerge, balanced,
    letters, digits, mnist."""

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    _merged_classes = set("cijklmopsuvwxyz")
    _all_classes = set(string.digits + string.ascii_letters)
    classes_split_dict = {
        "byclass": sorted(_all_classes),
        "bymerge": sorted(_all_classes - _merged_classes),
        "balanced": sorted(_all_classes - _merged_classes),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root, split, **kwargs):
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file, self.test_file = f"training_{split}.pt", f"test_{split}.pt"
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    @property
    def _file_prefix(self):
        return f"emnist-{self.split}-{'train' if self.train else 'test'}"

    @property
    def images_file(self):
        """The file of images."""
        return os.path.join(self.raw_folder, f"{self._file_prefix}-images-idx3-ubyte")

    @property
    def labels_file(self):
        """The file of labels."""
        return os.path.join(self.raw_folder, f"{self._file_prefix}-labels-idx1-ubyte")

    def _load_data(self):
        return read_image_file(self.images_file), read_label_file(self.labels_file)

    def _check_exists(self):
        return check_integrity(self.images_file) and check_integrity(self.labels_file)

    def download(self):
        """Fetches the archive of all splits where this one's files are not there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        folder = os.path.join(self.raw_folder, "gzip")
        for name in os.listdir(folder):
            if name.endswith(".gz"):
                extract_archive(os.path.join(folder, name), self.raw_folder)
        shutil.rmtree(folder)


_QMNIST = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """MNIST rebuilt, with all 60,000 test digits (Yadav and Bottou, 2019). what: train, test,
    test10k, test50k, nist; compat: the label is a digit, else eight numbers about the scan."""

    subsets = {
        "train": "train",
        "test": "test",
        "test10k": "test",
        "test50k": "test",
        "nist": "nist",
    }
    resources = {
        "train": [
            (_QMNIST + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_QMNIST + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_QMNIST + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_QMNIST + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_QMNIST + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_QMNIST + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(self, root, what=None, compat=True, train=True, **kwargs):
        if what is None:
            what = "train" if train else "test"
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        self.data_file = self.training_file = self.test_file = what + ".pt"
        super().__init__(root, train, **kwargs)

    def _file(self, which):
        url = self.resources[self.subsets[self.what]][which][0]
        return os.path.join(self.raw_folder, os.path.splitext(os.path.basename(url))[0])

    @property
    def images_file(self):
        """The file of images."""
        return self._file(0)

    @property
    def labels_file(self):
        """The file of labels."""
        return self._file(1)

    def _check_exists(self):
        return check_integrity(self.images_file) and check_integrity(self.labels_file)

    def _load_data(self):
        data = read_image_file(self.images_file)
        targets = read_sn3_pascalvincent_tensor(self.labels_file).long()
        if targets.ndim != 2:
            raise ValueError(f"targets should have 2 dimensions instead of {targets.ndim}")
        if self.what == "test10k":
            data, targets = data[:10000].clone(), targets[:10000].clone()
        elif self.what == "test50k":
            data, targets = data[10000:].clone(), targets[10000:].clone()
        return data, targets

    def download(self):
        """Fetches the files that are not there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for url, md5 in self.resources[self.subsets[self.what]]:
            download_and_extract_archive(url, self.raw_folder, md5=md5)

    def __getitem__(self, index):
        target = self.targets[index]
        if self.compat:
            target = int(target[0])
        return self._transformed(image_of(self.data[index]), target)

    def extra_repr(self):
        return f"Split: {self.what}"


# ---- IDX files -----------------------------------------------------------------------------------

SN3_PASCALVINCENT_TYPEMAP = {
    8: flambeau.uint8,
    9: flambeau.int8,
    11: flambeau.int16,
    12: flambeau.int32,
    13: flambeau.float32,
    14: flambeau.float64,
}


def get_int(b):
    """The number that big-endian bytes are."""
    return int.from_bytes(b, "big")


def read_sn3_pascalvincent_tensor(path, strict=True):
    """The tensor in an IDX file. ValueError where it is none, or (strict, or too short) has not as
    many elements as it says."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    dims = data[3] if len(data) > 3 else 0
    dtype = SN3_PASCALVINCENT_TYPEMAP.get(data[2]) if dims and not any(data[:2]) else None
    begin = 4 * (dims + 1)
    if dtype is None or not 1 <= dims <= 3 or len(data) < begin:
        raise ValueError(f"{path} is no IDX file")
    sizes = [get_int(data[at:at + 4]) for at in range(4, begin, 4)]
    count = 1
    for size in sizes:
        count *= size
    element = dtype.itemsize
    content = data[begin:]
    if len(content) < count * element or (strict and len(content) != count * element):
        raise ValueError(
            f"{path} is damaged: {len(content)} bytes of elements instead of {count * element}"
        )
    if count == 0:
        return flambeau.empty(sizes, dtype=dtype)
    if element > 1:
        swapped = flambeau.frombuffer(content, dtype=flambeau.uint8, count=count * element)
        content = bytearray(memoryview(swapped.view(-1, element).flip(-1).contiguous()))
    return flambeau.frombuffer(content, dtype=dtype, count=count).view(*sizes)


def read_label_file(path):
    """The labels in an IDX file of bytes, int64 of N."""
    return _read_bytes(path, 1).long()


def read_image_file(path):
    """The images in an IDX file of bytes, uint8 of N x H x W."""
    return _read_bytes(path, 3)


def _read_bytes(path, dims):
    x = read_sn3_pascalvincent_tensor(path, strict=False)
    if x.dtype != flambeau.uint8:
        raise TypeError(f"x should be of dtype torch.uint8 instead of {x.dtype}")
    if x.ndim != dims:
        raise ValueError(f"x should have {dims} dimension instead of {x.ndim}")
    return x
