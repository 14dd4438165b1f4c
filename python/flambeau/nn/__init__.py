"""Networks: modules, their parameters and the functions they are made of (source: torch.nn)."""
from flambeau.nn import functional, init  # noqa: F401
from flambeau.nn.parameter import (  # noqa: F401
    Buffer, Parameter, UninitializedBuffer, UninitializedParameter
)
from flambeau.nn.modules import *  # noqa: F403
from flambeau.nn.modules import Module  # noqa: F401
from flambeau.nn import modules, parameter, utils  # noqa: F401


# What is imported when it is first touched: name -> the module that has it.
_HOMES = {
    "DataParallel": "parallel",
    "LinearCrossEntropyOptions": "modules.linear_cross_entropy_options",
}


def __getattr__(name):
    if name in ("attention", "grad", "parallel", *_HOMES):
        from importlib import import_module

        module = import_module("flambeau.nn." + _HOMES.get(name, name))
        value = getattr(module, name) if name in _HOMES else module
        globals()[name] = value
        return value
    raise AttributeError(f"Flambeau has no torch.nn.{name} yet" if not name.startswith("__")
                         else f"module 'flambeau.nn' has no attribute '{name}'")
