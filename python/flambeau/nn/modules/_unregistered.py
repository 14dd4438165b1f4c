"""Advice on what a module keeps where parameters() does not find it: layers and parameters in a Python
list or dict, and a tensor to be trained that is no nn.Parameter."""

from flambeau import _C, _advice
from flambeau._hint import speaks_chinese
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter


def _of_kind(value, kind):
    """What is of a kind in a list that begins with one: most lists hold other things, and many."""
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(next(iter(items), None), kind):
        return []
    return [item for item in items if isinstance(item, kind)]


def _attributes(root):
    """(module, attribute, value) of all plain attributes below root."""
    for module in root.modules():
        for name, value in module.__dict__.items():
            if not name.startswith("_"):
                yield module, name, value


def _loose(root):
    """(module, attribute, what it holds) of the first attribute below root that holds layers with
    parameters to train, or such parameters, registered nowhere below it."""
    registered = set(root.modules())
    parameters = {id(p) for m in registered for p in m._parameters.values()}
    for module, name, value in _attributes(root):
        if isinstance(value, (list, tuple, dict)):
            loose = [
                layer
                for layer in _of_kind(value, Module)
                if layer not in registered
                and root not in layer.modules()
                and any(p.requires_grad for p in layer.parameters())
            ] or [
                p
                for p in _of_kind(value, Parameter)
                if p.requires_grad and id(p) not in parameters
            ]
            if loose:
                return module, name, loose
        elif (
            isinstance(value, _C.Tensor)
            and value.requires_grad
            and value.is_leaf
            and id(value) not in parameters
        ):
            return module, name, value
    return None


def advise(root):
    """Advises once where root's parameters() leaves out what is meant to be trained."""
    found = _loose(root)
    if found is None:
        return
    module, name, held = found
    (_of_tensor if isinstance(held, _C.Tensor) else _of_list)(module, name, held)


def _of_tensor(module, name, value):
    what = f"{type(module).__name__}.{name}"
    _advice.warn(
        "tensor_is_no_parameter",
        f"{what} 是要求梯度的普通张量，没有注册：parameters() 里没有它，不会被训练、移动或保存。\n"
        f"提示：请写 self.{name} = nn.Parameter(...)。"
        if speaks_chinese()
        else f"{what} is a plain tensor that asks for a gradient, and is not registered: parameters() "
        "leaves it out, so it is neither trained nor moved nor saved.\n"
        f"hint: make it a parameter: self.{name} = nn.Parameter(...).",
    )


def _of_list(module, name, held):
    what, count, kind = f"{type(module).__name__}.{name}", len(held), type(module.__dict__[name])
    layers = isinstance(held[0], Module)
    english, chinese = ("layers", "层") if layers else ("parameters", "参数")
    keep = ("Module" if layers else "Parameter") + ("Dict" if kind is dict else "List")
    _advice.warn(
        "layers_in_a_list",
        f"{what} 是 Python 的 {kind.__name__}，其中的 {count} 个{chinese}没有注册：parameters() "
        "里没有它们，不会被训练、移动或保存。\n"
        f"提示：请写 self.{name} = nn.{keep}(...)。"
        if speaks_chinese()
        else f"{what} is a Python {kind.__name__}, and its {count} {english} are not registered: "
        "parameters() leaves them out, so they are neither trained nor moved nor saved.\n"
        f"hint: keep them in nn.{keep}: self.{name} = nn.{keep}(...).",
    )
