"""Classes and functions say that they are torch's while `import torch` means Flambeau: type(x)
prints <class 'torch.Tensor'>, and what asks a layer's __module__ for torch.nn finds it.

Modules that are loaded are renamed at once, others when they have run. What is renamed can be
imported under its new name (pickle and typing look there), since torch.x.y is flambeau.x.y. What
stands here keeps its names: a process started afresh finds it before `import torch` means us.
"""

import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

from flambeau._pickled_names import torch_module

_KINDS = (type, FunctionType, BuiltinFunctionType)
_renamed = []  # (class or function, its own module's name)


def alias(own):
    """The name under which programs import Flambeau's module."""
    if own == "flambeau.vision" or own.startswith("flambeau.vision."):
        return "torchvision" + own[15:]
    return "torch" + own[8:]


def adopt_all():
    """Renames what the loaded modules of Flambeau hold."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "flambeau" and isinstance(module, ModuleType):
            adopt(module)


def adopt(module):
    """Renames what a module holds, and lets the module be found by its name."""
    sys.modules.setdefault(alias(module.__name__), module)
    for thing in list(vars(module).values()):
        if isinstance(thing, _KINDS):
            home = thing.__module__
            if home and home.partition(".")[0] == "flambeau" and home[9:15] != "compat":
                _renamed.append((thing, home))
                thing.__module__ = _name(home, thing)


def _name(home, thing):
    """What PyTorch calls the module of a class or function."""
    if home == "flambeau._C" and isinstance(thing, BuiltinFunctionType):
        return "torch"
    return torch_module(home, thing.__qualname__)


def restore():
    """Gives all that was renamed its own name again."""
    while _renamed:
        thing, home = _renamed.pop()
        thing.__module__ = home
