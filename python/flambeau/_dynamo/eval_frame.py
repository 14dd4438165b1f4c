"""Compiled modules (source: torch._dynamo.eval_frame)."""

from flambeau.nn.modules.module import Module


class OptimizedModule(Module):
    """What torch.compile makes of a module: its only part `_orig_mod` is that module, which calls run as
    it is, and whose attributes these are. So names in its state dict begin with "_orig_mod.", as in
    the files that programs with compiled models write."""

    def __init__(self, mod):
        super().__init__()
        Module.__setattr__(self, "_orig_mod", mod)

    def forward(self, *args, **kwargs):
        return self._modules["_orig_mod"](*args, **kwargs)

    @property
    def training(self):
        return self._modules["_orig_mod"].training

    @training.setter
    def training(self, mode):
        if "_orig_mod" in vars(self).get("_modules", ()):
            self._modules["_orig_mod"].training = mode

    def __getattr__(self, name):
        mod = vars(self).get("_modules", {}).get("_orig_mod")
        if name == "_orig_mod" or mod is None:
            return super().__getattr__(name)
        return getattr(mod, name)

    def __setattr__(self, name, value):
        if hasattr(type(self), name) or name == "_orig_mod":
            super().__setattr__(name, value)
        else:
            setattr(self._modules["_orig_mod"], name, value)

    def __delattr__(self, name):
        if hasattr(type(self), name) or name == "_orig_mod":
            super().__delattr__(name)
        else:
            delattr(self._modules["_orig_mod"], name)

    def __len__(self):
        return len(self._modules["_orig_mod"])

    def __bool__(self):
        return True

    def __dir__(self):
        return sorted({*super().__dir__(), *dir(self._modules["_orig_mod"])})

    def __reduce__(self):
        return type(self), (self._modules["_orig_mod"],)


def is_dynamo_supported():
    """False: nothing is ever compiled."""
    return False
