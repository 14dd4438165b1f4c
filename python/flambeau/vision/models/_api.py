"""How models are named, made and given weights (source: torchvision.models._api).

The file weights.txt lists what torchvision publishes; an enumeration is made of its lines when it
is first asked for.
"""
from __future__ import annotations

import fnmatch
import functools
import os
import sys
import warnings
from enum import Enum

__all__ = [
    "WeightsEnum",
    "Weights",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
]

_URL = "https://download.pytorch.org/models/"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SCALINGS = {  # (mean, std) by the last word of a line
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "vgg": ((0.48235, 0.45882, 0.40784), (1.0 / 255.0, 1.0 / 255.0, 1.0 / 255.0)),
}


class Weights:
    """A file of weights: its url, the transforms that its images want, and facts about it (meta:
    categories, num_params, min_size)."""

    def __init__(self, url, transforms, meta):
        self.url = url
        self.transforms = transforms
        self.meta = meta

    def __eq__(self, other):
        if not isinstance(other, Weights):
            return NotImplemented
        return self.url == other.url

    def __hash__(self):
        return hash(self.url)

    def __repr__(self):
        return f"Weights(url={self.url!r})"


class WeightsEnum(Enum):
    """The weights that a model may be given."""

    @classmethod
    def verify(cls, obj):
        """A member, of one, of its name or of None."""
        if isinstance(obj, str):
            return cls[obj.replace(cls.__name__ + ".", "")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received "
                f"{obj.__class__.__name__}."
            )
        return obj

    def get_state_dict(self, progress=True, check_hash=False, **kwargs):
        """The tensors in the file, which must lie in the folder where torchvision keeps them.
        FileNotFoundError says where that is."""
        return load_weights(self.url, check_hash)

    def __repr__(self):
        return f"{self.__class__.__name__}.{self._name_}"

    @property
    def url(self):
        """Where the file is published."""
        return self.value.url

    @property
    def transforms(self):
        """What makes the transforms that the images want."""
        return self.value.transforms

    @property
    def meta(self):
        """Facts: categories, num_params, min_size."""
        return self.value.meta


def checkpoints():
    """The folder where PyTorch keeps downloaded weights."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return os.path.join(os.path.expanduser(home), "hub", "checkpoints")


def load_weights(url, check_hash=False):
    """The tensors in the file of that name in the folder of weights. check_hash: its name ends in
    the beginning of its SHA-256 sum, which must agree."""
    import flambeau
    from flambeau._hint import hint

    name = os.path.basename(url)
    path = os.path.join(checkpoints(), name)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"The weights {name} are not there: expected at {path}"
            + hint(
                f"download {url} and put it there, or set TORCH_HOME to the folder above hub/.",
                f"请下载 {url} 并放到上述位置，或把 TORCH_HOME 设为 hub/ 的上级目录。",
            )
        )
    if check_hash:
        import hashlib

        expected = os.path.splitext(name)[0].rsplit("-", 1)[-1]
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not found.startswith(expected):
            raise RuntimeError(
                f'invalid hash value (expected "{expected}", got "{found}"): {path} is damaged'
            )
    return flambeau.load(path, map_location="cpu", weights_only=True)


# ---- The list of weights -------------------------------------------------------------------------


def _lines(name):
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read().splitlines()


@functools.cache
def _published():
    """{model: the words of its lines}, in the file's order."""
    found = {}
    for line in _lines("weights.txt"):
        if not line.startswith("#"):
            model, *words = line.split()
            found.setdefault(model, []).append(words)
    return found


@functools.cache
def _categories():
    return _lines("imagenet_classes.txt")


def _weights_of(words):
    _, _, file, crop, resize, interpolation, smallest, parameters, classes, _, *scaling = words
    mean, std = _SCALINGS[scaling[0]] if scaling else _IMAGENET

    def transforms(**kwargs):
        from flambeau.vision.transforms._presets import ImageClassification
        from flambeau.vision.transforms.functional import InterpolationMode

        how = {
            "crop_size": int(crop),
            "resize_size": int(resize),
            "interpolation": InterpolationMode(interpolation),
            "mean": mean,
            "std": std,
        }
        return ImageClassification(**(how | kwargs))

    meta = {
        "min_size": (int(smallest), int(smallest)),
        "categories": _categories() if int(classes) else None,
        "num_params": int(parameters),
    }
    return Weights(_URL + file, transforms, meta)


@functools.cache
def weights_class(name):
    """The enumeration of that name; None where there is none."""
    for lines in _published().values():
        if lines[0][0] == name:
            members = {words[1]: _weights_of(words) for words in lines}
            default = next(words[1] for words in lines if words[9] == "*")
            made = WeightsEnum(name, [*members.items(), ("DEFAULT", members[default])])
            made.__module__ = "flambeau.vision.models"
            return made
    return None


def attributes(module):
    """The __getattr__ of a module of models: enumerations of weights, made when asked for."""

    def find(name):
        found = weights_class(name)
        if found is None:
            raise AttributeError(
                f"module '{module}' has no attribute '{name}'" if name.startswith("__")
                else f"Flambeau has no torchvision{module[15:]}.{name} yet"
            )
        setattr(sys.modules[module], name, found)
        return found

    return find


# ---- Making models -------------------------------------------------------------------------------

BUILTIN_MODELS = {}
_ABSENT = object()


def _chosen(name, weights, options):
    """The weights that a caller asks for, in today's way or by the old `pretrained`."""
    enumeration = weights_class(_published()[name][0][0])
    old = options.pop("pretrained", _ABSENT)
    if isinstance(weights, bool):
        old, weights = weights, None
    if old is not _ABSENT:
        first = next(iter(enumeration))
        weights = first if old else None
        warnings.warn(
            "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, "
            "please use 'weights' instead.",
            stacklevel=3,
        )
        warnings.warn(
            "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 "
            "and may be removed in the future. The current behavior is equivalent to passing "
            f"`weights={weights}`.",
            stacklevel=3,
        )
    return enumeration.verify(weights)


def fix(options, name, value):
    """Gives an option the value that the weights want; ValueError where the caller wants
    another."""
    if options.setdefault(name, value) != value:
        raise ValueError(
            f"The parameter '{name}' expected value {value} but got {options[name]} instead."
        )


def register_model(name, make, adapt=None, load=None):
    """The builder NAME(*, weights=None, progress=True, **options) of a model that make(**options)
    makes. adapt(options, weights): what weights ask of the options besides the number of classes;
    load(model, state): puts the tensors into the model. Both are optional."""

    def build(*positional, weights=None, progress=True, **options):
        if positional:
            weights = positional[0]
        weights = _chosen(name, weights, options)
        if weights is not None:
            if weights.meta["categories"] is not None:
                fix(options, "num_classes", len(weights.meta["categories"]))
            if adapt is not None:
                adapt(options, weights)
        model = make(**options)
        if weights is not None:
            state = weights.get_state_dict(progress=progress, check_hash=True)
            if load is None:
                model.load_state_dict(state)
            else:
                load(model, state)
        return model

    build.__name__ = build.__qualname__ = name
    build.__module__ = home = getattr(make, "func", make).__module__
    sys.modules[home].__dict__.setdefault("__getattr__", attributes(home))
    build.__doc__ = f"The model {name}; see the module's classes for its options."
    BUILTIN_MODELS[name] = build
    return build


def list_models(module=None, include=None, exclude=None):
    """The models' names, sorted, of those that match a pattern of include and none of exclude."""
    names = set(BUILTIN_MODELS)
    for patterns, wanted in ((include, True), (exclude, False)):
        if patterns:
            patterns = [patterns] if isinstance(patterns, str) else patterns
            matching = {n for p in patterns for n in fnmatch.filter(BUILTIN_MODELS, p)}
            names = names & matching if wanted else names - matching
    return sorted(names)


def get_model_builder(name):
    """The function that makes the model of that name."""
    if name.lower() not in BUILTIN_MODELS:
        raise ValueError(f"Unknown model {name}")
    return BUILTIN_MODELS[name.lower()]


def get_model(name, **config):
    """The model of that name."""
    return get_model_builder(name)(**config)


def get_model_weights(name):
    """The enumeration of a model's weights, by its name or its builder."""
    if not isinstance(name, str):
        name = name.__name__
    get_model_builder(name)
    return weights_class(_published()[name.lower()][0][0])


def get_weight(name):
    """The weights of a name like ResNet50_Weights.IMAGENET1K_V1."""
    enumeration, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    found = weights_class(enumeration)
    if found is None:
        raise ValueError(
            f"The weight enum '{enumeration}' for the specific method couldn't be retrieved."
        )
    return found[member]
