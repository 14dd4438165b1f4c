"""What the datasets of images share (source: torchvision.datasets.vision)."""
from __future__ import annotations

import os

from flambeau.utils.data.dataset import Dataset
from flambeau.vision import pillow


class VisionDataset(Dataset):
    """A dataset with a folder and transforms: either `transforms` of (input, target), or a
    `transform` of the input and a `target_transform`."""

    _repr_indent = 4

    def __init__(self, root=None, transforms=None, transform=None, target_transform=None):
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __getitem__(self, index):
        raise NotImplementedError

    def __len__(self):
        raise NotImplementedError

    def _transformed(self, input, target):
        """(input, target) as `transform` and `target_transform` make them."""
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self):
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            body.append(repr(self.transforms))
        indent = "\n" + " " * self._repr_indent
        return f"Dataset {self.__class__.__name__}" + "".join(indent + line for line in body)

    def _format_transform_repr(self, transform, head):
        return _indented(transform, head)

    def extra_repr(self):
        """Lines that repr shows besides."""
        return ""


class StandardTransform:
    """A transform of the input and one of the target, as one of both."""

    def __init__(self, transform=None, target_transform=None):
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input, target):
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self):
        body = [self.__class__.__name__]
        if self.transform is not None:
            body += _indented(self.transform, "Transform: ")
        if self.target_transform is not None:
            body += _indented(self.target_transform, "Target transform: ")
        return "\n".join(body)


def _indented(value, head):
    """The lines of repr(value), the first behind `head` and the others under it."""
    first, *others = repr(value).splitlines()
    return [head + first, *(" " * len(head) + line for line in others)]


def as_array(tensor):
    """The tensor as NumPy's array where NumPy is installed, which programs expect of `data`; else
    the tensor itself."""
    try:
        return tensor.numpy()
    except (ImportError, RuntimeError):
        return tensor


def image_of(pixels):
    """Pillow's image of bytes (H, W) or (H, W, 3), an array or a tensor."""
    mode = "L" if len(pixels.shape) == 2 else "RGB"
    content = pixels.tobytes() if hasattr(pixels, "tobytes") else memoryview(pixels.contiguous())
    return pillow().frombytes(mode, (pixels.shape[1], pixels.shape[0]), bytes(content))


def not_found(message="Dataset not found or corrupted."):
    """The error of a dataset whose files are not there."""
    return RuntimeError(message + " You can use download=True to download it")
