"""Modules made without drawing their parameters (source: torch.nn.utils.init)."""
from __future__ import annotations

import inspect

from flambeau.nn.modules.module import Module
from flambeau.random import get_rng_state, set_rng_state

__all__ = ["skip_init"]


def skip_init(module_cls, *args, **kwargs):
    """module_cls(*args, **kwargs) with parameters of any values; no random numbers are used up.

    The class must take a device. RuntimeError where it does not.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    state = get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        set_rng_state(state)
