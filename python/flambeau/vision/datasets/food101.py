"""Food-101 (Bossard et al., 2014): photographs of dishes (source: torchvision.datasets.food101)."""
from __future__ import annotations

import json
from pathlib import Path

from flambeau.vision.datasets.folder import default_loader
from flambeau.vision.datasets.utils import download_and_extract_archive, verify_str_arg
from flambeau.vision.datasets.vision import VisionDataset, not_found


class Food101(VisionDataset):
    """(image, label) of 101 classes; split: train (75,750) or test (25,250). root: the folder above
    food-101. RuntimeError where the files are not there."""

    _URL = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5 = "85eeb15f3717b99a5da872d97d918f87"

    def __init__(
        self,
        root,
        split="train",
        transform=None,
        target_transform=None,
        download=False,
        loader=default_loader,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", ("train", "test"))
        folder = Path(self.root) / "food-101"
        self._meta_folder, self._images_folder = folder / "meta", folder / "images"
        if download and not self._check_exists():
            download_and_extract_archive(self._URL, download_root=self.root, md5=self._MD5)
        if not self._check_exists():
            raise not_found("Dataset not found.")
        listed = json.loads((self._meta_folder / f"{split}.json").read_text())
        self.classes = sorted(listed)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self._labels = [self.class_to_idx[name] for name, paths in listed.items() for _ in paths]
        self._image_files = [
            self._images_folder.joinpath(*f"{path}.jpg".split("/"))
            for paths in listed.values()
            for path in paths
        ]
        self.loader = loader

    def _check_exists(self):
        return self._meta_folder.is_dir() and self._images_folder.is_dir()

    def __getitem__(self, index):
        return self._transformed(self.loader(self._image_files[index]), self._labels[index])

    def __len__(self):
        return len(self._image_files)

    def extra_repr(self):
        return f"split={self._split}"
