"""STL-10 (Coates et al., 2011): photographs of 96 x 96 in plain bytes (source:
torchvision.datasets.stl10)."""
from __future__ import annotations

import os

import flambeau
from flambeau.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    verify_str_arg,
)
from flambeau.vision.datasets.vision import VisionDataset, as_array, image_of, not_found


class STL10(VisionDataset):
    """Ten classes: (image, label, or -1 where there is none). split: train (5,000), test (8,000),
    unlabeled (100,000), train+unlabeled; folds: one of ten parts of 1,000 of the training set.

    root: the folder above stl10_binary; download: fetches it. data: bytes of N x 3 x 96 x 96;
    labels: N. RuntimeError where files are missing or of another checksum.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root,
        split="train",
        folds=None,
        transform=None,
        target_transform=None,
        download=False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        self.folds = self._verify_folds(folds)
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found()
        parts = []
        if split == "test":
            parts.append(self._load(self.test_list[0][0], self.test_list[1][0]))
        if split.startswith("train"):
            images, labels = self._load(self.train_list[0][0], self.train_list[1][0])
            if folds is not None:
                index = self._fold(folds)
                images, labels = images.index_select(0, index), labels.index_select(0, index)
            parts.append((images, labels))
        if split.endswith("unlabeled"):
            parts.append(self._load(self.train_list[2][0]))
        self.data = as_array(flambeau.cat([images for images, _ in parts]))
        self.labels = as_array(flambeau.cat([labels for _, labels in parts]))
        names = os.path.join(self.root, self.base_folder, self.class_names_file)
        if os.path.isfile(names):
            with open(names) as file:
                self.classes = file.read().splitlines()

    @staticmethod
    def _verify_folds(folds):
        if folds is None or (isinstance(folds, int) and folds in range(10)):
            return folds
        if isinstance(folds, int):
            raise ValueError(
                f"Value for argument folds should be in the range [0, 10), but got {folds}."
            )
        raise ValueError(
            f"Expected type None or int for argument folds, but got type {type(folds)}."
        )

    def _bytes(self, name):
        with open(os.path.join(self.root, self.base_folder, name), "rb") as file:
            return flambeau.frombuffer(bytearray(file.read()), dtype=flambeau.uint8)

    def _load(self, images, labels=None):
        """(N x 3 x 96 x 96, N): the file has columns where images have rows."""
        pixels = self._bytes(images).view(-1, 3, 96, 96).transpose(2, 3)
        if labels is None:
            return pixels, flambeau.full((len(pixels),), -1)
        return pixels, self._bytes(labels).to(flambeau.int64) - 1

    def _fold(self, fold):
        with open(os.path.join(self.root, self.base_folder, self.folds_list_file)) as file:
            return flambeau.tensor([int(word) for word in file.read().splitlines()[fold].split()])

    def __getitem__(self, index):
        pixels = self.data[index]
        pixels = pixels.transpose(1, 2, 0) if hasattr(pixels, "astype") else \
            pixels.permute(1, 2, 0)
        return self._transformed(image_of(pixels), int(self.labels[index]))

    def __len__(self):
        return self.data.shape[0]

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
        return f"Split: {self.split}"
