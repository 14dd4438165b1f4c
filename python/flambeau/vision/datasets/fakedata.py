"""Random images, the same for the same index (source: torchvision.datasets.fakedata)."""
from __future__ import annotations

import flambeau
from flambeau.vision.datasets.vision import VisionDataset
from flambeau.vision.transforms.functional import to_pil_image


class FakeData(VisionDataset):
    """`size` pairs (image of noise, label), drawn from the seed index + random_offset."""

    def __init__(
        self,
        size=1000,
        image_size=(3, 224, 224),
        num_classes=10,
        transform=None,
        target_transform=None,
        random_offset=0,
    ):
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(f"{self.__class__.__name__} index out of range")
        state = flambeau.get_rng_state()
        flambeau.manual_seed(index + self.random_offset)
        image = flambeau.randn(*self.image_size)
        target = flambeau.randint(0, self.num_classes, size=(1,))[0]
        flambeau.set_rng_state(state)
        image, target = self._transformed(to_pil_image(image), target)
        return image, target.item()

    def __len__(self):
        return self.size
