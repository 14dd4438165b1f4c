"""Names that other libraries have, or that are spelled otherwise here: AttributeErrors of modules of
Python's, models, optimizers and tensors."""

import difflib
from types import ModuleType

from flambeau import _C
from flambeau._explain.source import note

_HERE = {  # elsewhere -> here, for each kind of owner
    "module": {
        "to_tensor": "torch.tensor(x)",
        "convert_to_tensor": "torch.tensor(x)",
        "expand_dims": "torch.unsqueeze(x, dim)",
        "reduce_mean": "torch.mean(x, dim)",
        "reduce_sum": "torch.sum(x, dim)",
        "reduce_max": "torch.amax(x, dim)",
        "random_normal": "torch.randn(size)",
        "uniform": "torch.rand(size)",
        "randn_int": "torch.randint(low, high, size)",
        "cast": "x.to(dtype)",
        "Dense": "nn.Linear(in_features, out_features)",
        "Input": "nn.Module",
        "Layer": "nn.Module",
        "MeanSquaredError": "nn.MSELoss()",
        "CategoricalCrossentropy": "nn.CrossEntropyLoss()",
        "SparseCategoricalCrossentropy": "nn.CrossEntropyLoss()",
    },
    "model": {
        "fit": "for x, y in loader: optimizer.zero_grad(); loss(model(x), y).backward(); "
               "optimizer.step()",
        "predict": "model.eval(); with torch.no_grad(): model(x)",
        "evaluate": "model.eval(); with torch.no_grad(): model(x)",
        "summary": "print(model)",
        "save": "torch.save(model.state_dict(), path)",
        "save_weights": "torch.save(model.state_dict(), path)",
        "load": "model.load_state_dict(torch.load(path))",
        "load_weights": "model.load_state_dict(torch.load(path))",
        "set_state_dict": "model.load_state_dict(state)",
        "add": "model.append(layer)",
        "sublayers": "model.modules()",
        "clear_gradients": "optimizer.zero_grad()",
        "backward": "loss.backward()",
        "step": "optimizer.step()",
        "device": "next(model.parameters()).device",
    },
    "optimizer": {
        "clear_grad": "optimizer.zero_grad()",
        "clear_gradients": "optimizer.zero_grad()",
        "minimize": "optimizer.zero_grad(); loss.backward(); optimizer.step()",
        "apply_gradients": "optimizer.step()",
        "update": "optimizer.step()",
        "backward": "loss.backward()",
        "parameters": "optimizer.param_groups[0]['params']",
        "set_lr": "for group in optimizer.param_groups: group['lr'] = value",
        **dict.fromkeys(
            ("lr", "learning_rate", "get_lr"), "optimizer.param_groups[0]['lr']"
        ),
    },
    "tensor": {
        "get_shape": "x.shape",
        "cast": "x.to(dtype)",
        "assign": "x.copy_(value)",
        "set_value": "x.copy_(value)",
        "gradient": "x.grad",
        "clear_grad": "x.grad = None",
        "clear_gradient": "x.grad = None",
        "concat": "torch.cat([x, y], dim)",
        "expand_dims": "x.unsqueeze(dim)",
        "to_numpy": "x.numpy()",
        "asnumpy": "x.numpy()",
        "to_list": "x.tolist()",
        "len": "len(x)",
        "length": "len(x)",
        "to_device": "x.to(device)",
        "todevice": "x.to(device)",
        "values": "x",
        "value": "x.item()",
    },
}


def _kind(owner):
    if isinstance(owner, ModuleType):
        return "module"
    if isinstance(owner, _C.ModuleBase):
        return "model"
    if isinstance(owner, _C.Tensor):
        return "tensor"
    if any(base.__name__ == "Optimizer" for base in type(owner).__mro__):
        return "optimizer"
    return None


def _spelled(owner, name):
    """The name of the owner that is meant: the same in other case or without signs, else a close one."""
    def plain(text):
        return text.replace("_", "").lower()

    names = [n for n in dir(owner) if not n.startswith("_")]
    same = [n for n in names if plain(n) == plain(name)]
    return same[0] if same else next(iter(difflib.get_close_matches(name, names, 1, 0.75)), None)


def _asked(error):
    """(kind, owner, name) of an AttributeError of one of these owners; else three Nones."""
    owner, name = getattr(error, "obj", None), getattr(error, "name", None)
    kind = _kind(owner) if isinstance(error, AttributeError) and name else None
    ours = kind and (kind != "module" or owner.__name__.startswith(("flambeau", "torch")))
    return (kind, owner, name) if ours else (None, None, None)


def explain(error):
    """Adds what another library's name is called here."""
    kind, _, name = _asked(error)
    here = _HERE[kind].get(name) if kind else None
    if here:
        note(
            error,
            f"`{name}` is another library's name; here one writes {here}",
            f"`{name}` 是其他框架的写法；这里请写 {here}",
        )


def explain_spelling(error):
    """Adds how a name is spelled."""
    kind, owner, name = _asked(error)
    right = _spelled(owner, name) if kind else None
    if right:
        whole = f"{owner.__name__.replace('flambeau', 'torch')}.{right}" if kind == "module" else right
        note(
            error,
            f"the name is spelled {whole}; small and capital letters differ.",
            f"正确的写法是 {whole}；请注意大小写。",
        )
