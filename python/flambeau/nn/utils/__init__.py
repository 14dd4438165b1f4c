"""Helpers for training (source: torch.nn.utils).

Most are here at once; the submodules of _MODULES are imported when they are first touched.
"""
from __future__ import annotations

from flambeau.nn.utils import rnn  # noqa: F401
from flambeau.nn.utils.clip_grad import *  # noqa: F403
from flambeau.nn.utils.convert_parameters import *  # noqa: F403
from flambeau.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm  # noqa: F401
from flambeau.nn.utils.weight_norm import remove_weight_norm, weight_norm  # noqa: F401

_MODULES = frozenset(
    ("clip_grad convert_parameters fusion init memory_format parametrizations parametrize prune "
     "stateless").split()
)

# name -> the module that has it
_HOMES = {
    **dict.fromkeys(
        "fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights".split(),
        "fusion",
    ),
    "skip_init": "init",
    "convert_conv2d_weight_memory_format": "memory_format",
    "convert_conv3d_weight_memory_format": "memory_format",
}


def __getattr__(name):
    from importlib import import_module

    if name in _HOMES:
        value = getattr(import_module("flambeau.nn.utils." + _HOMES[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module("flambeau.nn.utils." + name)
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau.nn.utils' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torch.nn.utils.{name} yet")


def __dir__():
    return sorted({*globals(), *_MODULES, *_HOMES})
