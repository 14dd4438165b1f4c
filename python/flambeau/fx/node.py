"""A step of a graph (source: torch.fx.Node)."""

import operator
from types import BuiltinFunctionType

import flambeau
from flambeau import nn


def map_arg(a, fn):
    """`a` with fn(node) in the place of every Node in tuples, lists, dicts and slices."""
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


def map_aggregate(a, fn):
    """`a` with fn(x) in the place of every x that is no tuple, list, dict or slice."""
    if isinstance(a, tuple):
        items = [map_aggregate(x, fn) for x in a]
        return type(a)(*items) if hasattr(a, "_fields") else tuple(items)
    if isinstance(a, list):
        return [map_aggregate(x, fn) for x in a]
    if isinstance(a, dict):
        return {k: map_aggregate(x, fn) for k, x in a.items()}
    if isinstance(a, slice):
        return slice(*(map_aggregate(x, fn) for x in (a.start, a.stop, a.step)))
    return fn(a)


def name_of(function):
    """How a program writes a function: torch.relu, operator.add."""
    name = function.__name__
    if getattr(operator, name, None) is function:
        return f"operator.{name}"
    for home, text in ((flambeau, "torch"), (nn.functional, "torch.nn.functional"),
                       (flambeau.special, "torch.special"), (flambeau.linalg, "torch.linalg"),
                       (flambeau.fft, "torch.fft"), (flambeau.Tensor, "torch.Tensor")):
        if getattr(home, name, None) is function:
            return f"{text}.{name}"
    if isinstance(function, BuiltinFunctionType) and function.__module__ in (None, "builtins"):
        return name
    home = function.__module__
    return f"{'torch' + home[8:] if home.split('.')[0] == 'flambeau' else home}.{name}"


class Node:
    """One step: `op` says what kind (placeholder, get_attr, call_function, call_module,
    call_method, output), `target` what is named or called, `args` and `kwargs` with what, where a Node
    stands for its result. `users` are the steps that use this one's."""

    def __init__(self, graph, name, op, target, args, kwargs, return_type=None):
        self.graph, self.name, self.op, self.target = graph, name, op, target
        self.type, self.users, self.meta, self._input_nodes = return_type, {}, {}, {}
        self._prev = self._next = self
        self._erased = False
        self._args, self._kwargs = (), {}
        self._set(args, kwargs)

    def _set(self, args, kwargs):
        for used in self._input_nodes:
            used.users.pop(self, None)
        self._input_nodes = {}
        self._args, self._kwargs = args, kwargs
        map_arg((args, kwargs), lambda n: self._input_nodes.setdefault(n))
        for used in self._input_nodes:
            used.users.setdefault(self)

    args = property(lambda self: self._args, lambda self, a: self._set(a, self._kwargs))
    kwargs = property(lambda self: self._kwargs, lambda self, k: self._set(self._args, k))
    all_input_nodes = property(lambda self: list(self._input_nodes))
    next = property(lambda self: self._next)
    prev = property(lambda self: self._prev)

    def _remove(self):
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x):
        """Moves x before this step."""
        if x is self:
            return
        x._remove()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x

    def append(self, x):
        """Moves x behind this step."""
        self._next.prepend(x)

    def update_arg(self, idx, arg):
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx, arg):
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key, arg):
        self.kwargs = {**self.kwargs, key: arg}

    def replace_input_with(self, old_input, new_input):
        """Uses another step's result in the place of one."""
        swap = lambda n: new_input if n is old_input else n  # noqa: E731
        self._set(map_arg(self.args, swap), map_arg(self.kwargs, swap))

    def replace_all_uses_with(self, replace_with, delete_user_cb=lambda user: True, *,
                              propagate_meta=False):
        """Makes all steps that use this one's result use another's; those that changed."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        changed = [user for user in list(self.users) if delete_user_cb(user)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    def is_impure(self, impure_random=True):
        """Whether it must stay though nobody uses it."""
        return self.op in ("placeholder", "output") or self.target is flambeau._assert

    def format_node(self, placeholder_names=None, maybe_return_typename=None, **options):
        """A line of the graph's text."""
        if self.op == "output":
            return f"return {self.args[0]}"
        target = self.target if isinstance(self.target, str) else name_of(self.target)
        typed = f"{type_text(self.type)} " if self.type is not None else ""
        text = f"%{self.name} : {typed}[num_users={len(self.users)}] = {self.op}[target={target}]"
        if self.op == "placeholder":
            return text + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return text
        return text + f"(args = {_text(self.args)}, kwargs = {_text(self.kwargs)})"

    def __repr__(self):
        return self.name


def type_text(kind):
    """How a program writes a type."""
    if not isinstance(kind, type):
        return repr(kind).replace("flambeau.", "torch.")
    home = kind.__module__
    if home == "builtins":
        return kind.__name__
    return f"{'torch' + home[8:] if home.split('.')[0] == 'flambeau' else home}.{kind.__qualname__}"


def _text(a):
    if isinstance(a, Node):
        return f"%{a.name}"
    if isinstance(a, tuple):
        return "(" + ", ".join(map(_text, a)) + (",)" if len(a) == 1 else ")")
    if isinstance(a, list):
        return "[" + ", ".join(map(_text, a)) + "]"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{k}: {_text(v)}" for k, v in a.items()) + "}"
    return str(a)
