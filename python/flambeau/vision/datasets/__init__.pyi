# Types for editors of the datasets, each by the file that has it.
from flambeau.vision.datasets.celeba import CelebA as CelebA
from flambeau.vision.datasets.cifar import CIFAR10 as CIFAR10, CIFAR100 as CIFAR100
from flambeau.vision.datasets.fakedata import FakeData as FakeData
from flambeau.vision.datasets.folder import (
    DatasetFolder as DatasetFolder,
    ImageFolder as ImageFolder,
)
from flambeau.vision.datasets.food101 import Food101 as Food101
from flambeau.vision.datasets.mnist import (
    MNIST as MNIST,
    FashionMNIST as FashionMNIST,
    KMNIST as KMNIST,
    EMNIST as EMNIST,
    QMNIST as QMNIST,
)
from flambeau.vision.datasets.stl10 import STL10 as STL10
from flambeau.vision.datasets.svhn import SVHN as SVHN
from flambeau.vision.datasets.vision import VisionDataset as VisionDataset
