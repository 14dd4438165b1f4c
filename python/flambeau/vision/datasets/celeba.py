"""CelebA (Liu et al., 2015): faces of celebrities with attributes (source:
torchvision.datasets.celeba)."""
from __future__ import annotations

import os

import flambeau
from flambeau.vision import pillow
from flambeau.vision.datasets.utils import (
    check_integrity,
    download_file_from_google_drive,
    extract_archive,
    verify_str_arg,
)
from flambeau.vision.datasets.vision import VisionDataset, not_found


class CelebA(VisionDataset):
    """(image, target): target_type is attr (40 of 0 or 1), identity (a number), bbox (4), landmarks
    (10), or a list of these; split: train, valid, test, all.

    root: the folder above celeba, which has the texts and the images in img_align_celeba.
    RuntimeError where files are missing or of another checksum.
    """

    base_folder = "celeba"
    file_list = [
        (
            "0B7EVK8r0v71pZjFTYXZWM3FlRnM",
            "00d2c5bc6d35e252742224ab0c1e8fcb",
            "img_align_celeba.zip",
        ),
        (
            "0B7EVK8r0v71pblRyaVFSWGxPY0U",
            "75e246fa4810816ffd6ee81facbd244c",
            "list_attr_celeba.txt",
        ),
        (
            "1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS",
            "32bd1bd63d3c78cd57e08160ec5ed1e2",
            "identity_CelebA.txt",
        ),
        (
            "0B7EVK8r0v71pbThiMVRxWXZ4dU0",
            "00566efa6fedff7a56946cd1c10f1c16",
            "list_bbox_celeba.txt",
        ),
        (
            "0B7EVK8r0v71pd0FJY3Blby1HUTQ",
            "cc24ecafdb5b50baae59b03474781f8c",
            "list_landmarks_align_celeba.txt",
        ),
        (
            "0B7EVK8r0v71pY0NSMzRuSXJEVkk",
            "d32c9cbf5e040fd4025c592c306e6668",
            "list_eval_partition.txt",
        ),
    ]

    def __init__(
        self,
        root,
        split="train",
        target_type="attr",
        transform=None,
        target_transform=None,
        download=False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = split
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        if not self.target_type and target_transform is not None:
            raise RuntimeError("target_transform is specified but target_type is empty")
        if download:
            self.download()
        if not self._check_integrity():
            raise not_found()
        splits = ("train", "valid", "test", "all")
        number = splits.index(
            verify_str_arg(split.lower() if isinstance(split, str) else split, "split", splits)
        )
        names, parts, _ = self._table("list_eval_partition.txt")
        chosen = flambeau.ones_like(parts[:, 0], dtype=flambeau.bool)
        if number < 3:
            chosen = parts[:, 0] == number
        self.filename = [name for name, wanted in zip(names, chosen.tolist()) if wanted]
        self.identity = self._table("identity_CelebA.txt")[1][chosen]
        self.bbox = self._table("list_bbox_celeba.txt", header=1)[1][chosen]
        self.landmarks_align = self._table("list_landmarks_align_celeba.txt", header=1)[1][chosen]
        _, attributes, self.attr_names = self._table("list_attr_celeba.txt", header=1)
        self.attr = flambeau.div(attributes[chosen] + 1, 2, rounding_mode="floor")

    def _table(self, name, header=None):
        """(first words, int64 of the others, words of the header's line) of a text file."""
        with open(os.path.join(self.root, self.base_folder, name)) as file:
            # A space at the end of a line makes an empty word, as PyTorch's reader has it.
            lines = [line.rstrip("\n") for line in file]
        rows = [line.split() for line in lines[0 if header is None else header + 1:]]
        words = []
        if header is not None:
            words = lines[header].split() + [""] * lines[header].endswith(" ")
        numbers = flambeau.tensor([[int(word) for word in row[1:]] for row in rows])
        return [row[0] for row in rows], numbers, words

    def _check_integrity(self):
        folder = os.path.join(self.root, self.base_folder)
        return os.path.isdir(os.path.join(folder, "img_align_celeba")) and all(
            check_integrity(os.path.join(folder, name), md5)
            for _, md5, name in self.file_list
            if not name.endswith(".zip")
        )

    def download(self):
        """Fetches the files from Google Drive unless they are there."""
        if self._check_integrity():
            return
        folder = os.path.join(self.root, self.base_folder)
        for file_id, md5, name in self.file_list:
            download_file_from_google_drive(file_id, folder, name, md5)
        extract_archive(os.path.join(folder, "img_align_celeba.zip"))

    def __getitem__(self, index):
        path = os.path.join(self.root, self.base_folder, "img_align_celeba", self.filename[index])
        of_type = {
            "attr": lambda: self.attr[index],
            "identity": lambda: self.identity[index, 0],
            "bbox": lambda: self.bbox[index],
            "landmarks": lambda: self.landmarks_align[index],
        }
        for kind in self.target_type:
            if kind not in of_type:
                raise ValueError(f'Target type "{kind}" is not recognized.')
        targets = tuple(of_type[kind]() for kind in self.target_type)
        target = targets if len(targets) > 1 else targets[0] if targets else None
        return self._transformed(pillow().open(path), target)

    def __len__(self):
        return len(self.attr)

    def extra_repr(self):
        return f"Target type: {self.target_type}\nSplit: {self.split}"
