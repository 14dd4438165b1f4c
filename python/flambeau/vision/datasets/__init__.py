"""Datasets of images, read from the files in which they are published (source:
torchvision.datasets). Each file is imported when one of its datasets is first touched."""
import importlib

_HOMES = {
    name: module
    for module, names in {
        "celeba": "CelebA",
        "cifar": "CIFAR10 CIFAR100",
        "fakedata": "FakeData",
        "folder": "DatasetFolder ImageFolder",
        "food101": "Food101",
        "mnist": "MNIST FashionMNIST KMNIST EMNIST QMNIST",
        "stl10": "STL10",
        "svhn": "SVHN",
        "vision": "VisionDataset",
    }.items()
    for name in names.split()
}
_MODULES = frozenset({*_HOMES.values(), "utils"})
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name.startswith("__"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torchvision.datasets.{name} yet")


def __dir__():
    return sorted({*globals(), *_HOMES, *_MODULES})
