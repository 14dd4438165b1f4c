"""The names that classes and functions have in PyTorch's files, and whose they are here.

PyTorch writes a class as its module and its name. Flambeau's modules are called as PyTorch's, with
the exceptions below.
"""

import sys
from importlib import import_module

from flambeau import _C

# A module here -> the one that has the same things there. Also the modules below it.
_MOVED = {
    "flambeau.vision": "torchvision",
    "flambeau._typeinfo": "torch",
    "flambeau.nn._attention": "torch.nn.functional",
    "flambeau.nn._losses": "torch.nn.functional",
    "flambeau.nn._pooling": "torch.nn.functional",
    "flambeau.nn.modules.attention": "torch.nn.modules.activation",
    "flambeau.nn.modules.rnn_cell": "torch.nn.modules.rnn",
    "flambeau.distributions._transform": "torch.distributions.transforms",
}
_MOVED_NAMES = {"_DatasetKind": "torch.utils.data.dataloader"}
_ALL_IN_ONE = "flambeau.optim.lr_scheduler"  # a package here, one module there


def torch_module(module, name):
    """The module in which PyTorch has `name` of a module here; others' modules as they are."""
    if module != "flambeau" and not module.startswith("flambeau."):
        return module
    if getattr(sys.modules.get(module), "__dict__", {}).get(name) is _C.Generator:
        return "torch._C"
    if name in _MOVED_NAMES:
        return _MOVED_NAMES[name]
    if module.startswith(_ALL_IN_ONE):
        module = _ALL_IN_ONE
    for own, theirs in _MOVED.items():
        if module == own or module.startswith(own + "."):
            return theirs + module[len(own) :]
    return "torch" + module[len("flambeau") :]


def torch_name(kind):
    """module.name of a class or function in PyTorch's files."""
    return f"{torch_module(kind.__module__, kind.__qualname__)}.{kind.__qualname__}"


def own_module(module, name):
    """Where `name` of PyTorch's module is here: the module of that name, else the nearest package
    above it that has the name; others' modules as they are."""
    top, dot, rest = module.partition(".")
    own = {"torch": "flambeau", "torchvision": "flambeau.vision"}.get(top)
    if own is None:
        return module
    first = at = own + dot + rest
    while at:
        try:
            import_module(at)
        except ModuleNotFoundError:
            pass
        else:
            if hasattr(sys.modules[at], name.partition(".")[0]):
                return at
        at = at.rpartition(".")[0]
    return first
