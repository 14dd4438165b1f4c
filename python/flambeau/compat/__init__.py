"""Makes `import torch` mean Flambeau, in the process that asks for it: `python -m flambeau` does.

torch and torch.x.y become names of the very modules flambeau and flambeau.x.y, torchvision.x those
of flambeau.vision.x, so a class has one identity whichever name a program imports it by, and says
that it is torch's. Programs that ask torch.__version__ what they may use are told the version of
PyTorch that is spoken here, and Flambeau's behind a plus.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec

import flambeau
from flambeau import version
from flambeau.compat import names
from flambeau.torch_version import TorchVersion

_OWN_VERSION = version.__version__


# What programs import -> what they get.
_NAMES = {"torch": "flambeau", "torchvision": "flambeau.vision"}


def _own_name(fullname):
    """The name of Flambeau's module that fullname means; None where it is not ours."""
    top, dot, rest = fullname.partition(".")
    return _NAMES[top] + dot + rest if top in _NAMES else None


def _spec_then(fullname, path, act):
    """The spec of a module on the path, of which act(module) is called when it has run; None where
    it is not found."""
    spec = PathFinder.find_spec(fullname, path)
    if spec is None or not hasattr(spec.loader, "exec_module"):
        return spec
    run = spec.loader.exec_module

    def exec_module(module):
        run(module)
        act(module)

    spec.loader.exec_module = exec_module
    return spec


class _TorchFinder:
    """Finds torch, torchvision and everything below them among Flambeau's modules; and says which
    of their names Flambeau lacks."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        own = _own_name(fullname)
        if own is not None:
            if _exists(own):
                return ModuleSpec(fullname, _AliasLoader(), is_package=True)
            raise _missing(fullname)
        if fullname.startswith("flambeau."):
            return _spec_then(fullname, path, names.adopt)
        if fullname == "multiprocessing.spawn":
            from flambeau.compat import children

            return _spec_then(fullname, path, children.teach)
        return None

    # The standard library asks finders for this when a package is installed or removed.
    @staticmethod
    def invalidate_caches():
        pass


class _LackFinder:
    """Stands last: a module flambeau.x that no finder knows is one that torch may have and Flambeau
    has not."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        if fullname.startswith("flambeau."):
            raise _missing(names.alias(fullname))
        return None


class _AliasLoader:
    """Loads torch.x.y by importing flambeau.x.y. The module keeps its own name, spec and loader."""

    @staticmethod
    def create_module(spec):
        module = importlib.import_module(_own_name(spec.name))
        spec.loader_state = module.__spec__
        return module

    @staticmethod
    def exec_module(module):
        # The import system has just put the alias's spec on the module.
        alias, module.__spec__ = module.__spec__, module.__spec__.loader_state
        sys.modules[alias.name] = module


def _missing(name):
    return ModuleNotFoundError(f"Flambeau has no {name} yet", name=name)


def _exists(fullname):
    if fullname in sys.modules:
        return True
    try:
        return find_spec(fullname) is not None
    except ModuleNotFoundError:
        return False


def install():
    """From now on `import torch` gives Flambeau, in this process. Again is harmless."""
    if not installed():
        spawn = sys.modules.get("multiprocessing.spawn")
        if spawn is not None:
            from flambeau.compat import children

            children.teach(spawn)
        sys.meta_path.insert(0, _TorchFinder)
        sys.meta_path.append(_LackFinder)
        names.adopt_all()
        _tell_version(f"{version.api}+flambeau.{_OWN_VERSION}")


def installed():
    """Whether `import torch` gives Flambeau now."""
    return any(finder is _TorchFinder for finder in sys.meta_path)


def uninstall():
    """Takes install back. Modules that were imported as torch stay as they are."""
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder not in (_TorchFinder, _LackFinder)
    ]
    names.restore()
    _tell_version(_OWN_VERSION)


def _tell_version(text):
    flambeau.__version__ = version.__version__ = TorchVersion(text)
