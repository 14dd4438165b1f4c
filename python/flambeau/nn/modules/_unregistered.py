"""Advice on layers that a module keeps in a Python list or dict, which does not register them."""

from flambeau import _advice
from flambeau._hint import speaks_chinese
from flambeau.nn.modules.module import Module


def _modules_in(value):
    """The modules of a list that begins with one: most lists hold other things, and many."""
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(next(iter(items), None), Module):
        return []
    return [item for item in items if isinstance(item, Module)]


def _of_no_tree(root):
    """(module, attribute, the layers in it) of the first list of layers below root that have
    parameters to train, and are registered nowhere below it."""
    registered = set(root.modules())
    for module in registered:
        for name, value in module.__dict__.items():
            if name.startswith("_") or not isinstance(value, (list, tuple, dict)):
                continue
            layers = _modules_in(value)
            loose = [
                layer
                for layer in layers
                if layer not in registered
                and root not in layer.modules()
                and any(p.requires_grad for p in layer.parameters())
            ]
            if loose:
                return module, name, loose
    return None


def advise(root):
    """Advises once where root's parameters() leaves out layers that a list holds."""
    found = _of_no_tree(root)
    if found is None:
        return
    module, name, layers = found
    what, count = f"{type(module).__name__}.{name}", len(layers)
    keep = "ModuleDict" if isinstance(module.__dict__[name], dict) else "ModuleList"
    kind = type(module.__dict__[name]).__name__
    _advice.warn(
        "layers_in_a_list",
        f"{what} 是 Python 的 {kind}，其中的 {count} 个层没有注册：parameters() 里没有它们，"
        "不会被训练、移动或保存。\n"
        f"提示：请写 self.{name} = nn.{keep}(...)。"
        if speaks_chinese()
        else f"{what} is a Python {kind}, and its {count} layers are not registered: parameters() "
        "leaves them out, so they are neither trained nor moved nor saved.\n"
        f"hint: keep them in nn.{keep}: self.{name} = nn.{keep}(...).",
    )
