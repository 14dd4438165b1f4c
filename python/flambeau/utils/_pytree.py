"""Nested containers as a list of leaves and a description (source: torch.utils._pytree).

A container type has a flatten function, which gives its children and what else is needed, and an
unflatten function, which puts children together again.
"""

from collections import OrderedDict, defaultdict, deque, namedtuple  # noqa: F401
from typing import Any, NamedTuple

PyTree = Any


class NodeDef(NamedTuple):
    """How a type of containers is taken apart and put together."""

    type: Any
    flatten_fn: Any
    unflatten_fn: Any
    flatten_with_keys_fn: Any = None


class SequenceKey(NamedTuple):
    """A place in a list or tuple."""

    idx: int

    def __str__(self):
        return f"[{self.idx!r}]"

    def get(self, sequence):
        return sequence[self.idx]


class MappingKey(NamedTuple):
    """A key of a dict."""

    key: Any

    def __str__(self):
        return f"[{self.key!r}]"

    def get(self, mapping):
        return mapping[self.key]


class GetAttrKey(NamedTuple):
    """A field of a named tuple or object."""

    name: str

    def __str__(self):
        return f".{self.name}"

    def get(self, obj):
        return getattr(obj, self.name)


def _mapping(make):
    def flatten(d):
        return list(d.values()), list(d.keys())

    def unflatten(values, keys):
        return make(zip(keys, values))

    return flatten, unflatten


def _flatten_defaultdict(d):
    return list(d.values()), [d.default_factory, list(d.keys())]


def _unflatten_defaultdict(values, context):
    return defaultdict(context[0], zip(context[1], values))


def _flatten_deque(d):
    return list(d), d.maxlen


SUPPORTED_NODES = {}


def _add(kind, flatten, unflatten, with_keys=None):
    SUPPORTED_NODES[kind] = NodeDef(kind, flatten, unflatten, with_keys)


def _dict_flatten_with_keys(d):
    """((key, value) pairs, keys): what subclasses of dict register themselves with."""
    return [(MappingKey(key), value) for key, value in d.items()], list(d)


_add(tuple, lambda t: (list(t), None), lambda values, context: tuple(values))
_add(list, lambda t: (list(t), None), lambda values, context: list(values))
_dict_flatten, _dict_unflatten = _mapping(dict)
_add(dict, _dict_flatten, _dict_unflatten)
_add(OrderedDict, *_mapping(OrderedDict))
_add(defaultdict, _flatten_defaultdict, _unflatten_defaultdict)
_add(deque, _flatten_deque, lambda values, context: deque(values, maxlen=context))
_add(namedtuple, lambda t: (list(t), type(t)), lambda values, context: getattr(context, "_make", context)(values))


def register_pytree_node(
    cls, flatten_fn, unflatten_fn, *, flatten_with_keys_fn=None, **serialization
):
    """Makes a type a container: flatten_fn(obj) -> (children, context), unflatten_fn(children,
    context) -> obj. ValueError for a type that is one already."""
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _add(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)


_register_pytree_node = register_pytree_node


def register_dataclass(cls, *, field_names=None, drop_field_names=None, **serialization):
    """Makes a dataclass a container of its fields."""
    import dataclasses

    names = field_names or [f.name for f in dataclasses.fields(cls) if f.init]
    names = [name for name in names if name not in (drop_field_names or ())]
    register_pytree_node(
        cls,
        lambda obj: ([getattr(obj, name) for name in names], None),
        lambda values, context: cls(**dict(zip(names, values))),
        flatten_with_keys_fn=lambda obj: (
            [(GetAttrKey(name), getattr(obj, name)) for name in names],
            None,
        ),
    )


def register_constant(cls):
    """Makes objects of a type part of the description, without leaves."""
    register_pytree_node(cls, lambda obj: ([], obj), lambda values, context: context)


def is_namedtuple_instance(obj):
    return isinstance(obj, tuple) and hasattr(type(obj), "_fields")


def is_namedtuple_class(cls):
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def _get_node_type(tree):
    kind = type(tree)
    return namedtuple if kind not in SUPPORTED_NODES and is_namedtuple_instance(tree) else kind


def _is_leaf(tree, is_leaf=None):
    return (is_leaf is not None and is_leaf(tree)) or _get_node_type(tree) not in SUPPORTED_NODES


class TreeSpec:
    """The containers of a tree: type and context of the outermost, descriptions of its children.
    `type` None: a leaf."""

    __slots__ = ("type", "context", "children_specs", "num_leaves", "num_nodes", "num_children")

    def __init__(self, type, context, children_specs):
        self.type, self.context, self.children_specs = type, context, list(children_specs)
        self.num_children = len(self.children_specs)
        self.num_leaves = 1 if type is None else sum(c.num_leaves for c in self.children_specs)
        self.num_nodes = 1 + sum(c.num_nodes for c in self.children_specs)

    def is_leaf(self):
        return self.type is None

    def children(self):
        return list(self.children_specs)

    def child(self, index):
        return self.children_specs[index]

    def __repr__(self, indent=0):
        if self.type is None:
            return "*"
        if not self.children_specs:
            return f"TreeSpec({self.type.__name__}, {self.context}, [])"
        pad = " " * (indent + 2)
        parts = f",\n{pad}".join(child.__repr__(indent + 2) for child in self.children_specs)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{parts}])"

    __str__ = __repr__

    def __eq__(self, other):
        return isinstance(other, TreeSpec) and (
            (self.type, self.context, self.children_specs)
            == (other.type, other.context, other.children_specs)
        )

    def __hash__(self):
        return hash((self.type, str(self.context), tuple(self.children_specs)))

    def unflatten(self, leaves):
        """The tree with other leaves; ValueError when their number differs."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers "
                f"to a pytree that holds {self.num_leaves} items ({self})."
            )
        return self._build(iter(leaves))

    def _build(self, leaves):
        if self.type is None:
            return next(leaves)
        children = [child._build(leaves) for child in self.children_specs]
        return SUPPORTED_NODES[self.type].unflatten_fn(children, self.context)

    def flatten_up_to(self, tree):
        """The parts of a tree that stand where this description has leaves; ValueError where its
        containers differ."""
        found = []
        self._gather(tree, found)
        return found

    def _gather(self, tree, found):
        if self.type is None:
            found.append(tree)
            return
        kind = _get_node_type(tree)
        if kind is not self.type:
            raise ValueError(f"Type mismatch; expected {self.type!r}, but got {kind!r}.")
        children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
            )
        if kind in (dict, OrderedDict) and context != self.context:
            if set(context) != set(self.context):
                raise ValueError(f"Node keys mismatch; expected {self.context}, got {context}.")
            children = [tree[key] for key in self.context]
        elif context != self.context:
            raise ValueError(f"Node context mismatch: {context!r}, {self.context!r}.")
        for spec, child in zip(self.children_specs, children):
            spec._gather(child, found)


def LeafSpec():
    """The description of a leaf."""
    return TreeSpec(None, None, [])


def treespec_leaf():
    return LeafSpec()


def treespec_tuple(iterable=()):
    return TreeSpec(tuple, None, iterable)


def treespec_dict(mapping=(), /, **kwargs):
    found = dict(mapping, **kwargs)
    return TreeSpec(dict, list(found), found.values())


def _flatten(tree, leaves, is_leaf):
    if _is_leaf(tree, is_leaf):
        leaves.append(tree)
        return LeafSpec()
    kind = _get_node_type(tree)
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_flatten(child, leaves, is_leaf) for child in children])


def tree_flatten(tree, is_leaf=None):
    """(leaves, spec)."""
    leaves = []
    return leaves, _flatten(tree, leaves, is_leaf)


def tree_unflatten(leaves, treespec):
    """The tree of those leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but "
            f"got item of type {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree, is_leaf=None):
    yield from tree_flatten(tree, is_leaf)[0]


def tree_leaves(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[1]


def tree_is_leaf(tree, is_leaf=None):
    return _is_leaf(tree, is_leaf)


def tree_map(func, tree, *rests, is_leaf=None):
    """The tree of func(leaf, its fellows in the other trees...)."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(map(func, leaves, *others))


def tree_map_(func, tree, *rests, is_leaf=None):
    """Calls func as tree_map does; the tree itself."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    for given in zip(leaves, *others):
        func(*given)
    return tree


def map_only(type_or_types_or_pred, /):
    """Makes a function leave alone what is not of a type."""
    if isinstance(type_or_types_or_pred, type) or not callable(type_or_types_or_pred):

        def wanted(x):
            return isinstance(x, type_or_types_or_pred)

    else:
        wanted = type_or_types_or_pred
    return lambda func: lambda x: func(x) if wanted(x) else x


def tree_map_only(type_or_types_or_pred, func, tree, is_leaf=None):
    """tree_map over leaves of a type; the others stay."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types_or_pred, func, tree, is_leaf=None):
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred, tree, is_leaf=None):
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None):
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(kind, pred, tree, is_leaf=None):
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, kind))


def tree_any_only(kind, pred, tree, is_leaf=None):
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, kind))


def _keyed_children(kind, tree):
    """The children of a container with their keys."""
    node = SUPPORTED_NODES[kind]
    if node.flatten_with_keys_fn is not None:
        return node.flatten_with_keys_fn(tree)[0]
    children = node.flatten_fn(tree)[0]
    if isinstance(tree, dict):
        return [(MappingKey(key), child) for key, child in zip(tree, children)]
    if kind is namedtuple:
        return [(GetAttrKey(name), child) for name, child in zip(tree._fields, children)]
    return [(SequenceKey(i), child) for i, child in enumerate(children)]


def _with_paths(path, tree, is_leaf):
    if _is_leaf(tree, is_leaf):
        yield path, tree
        return
    for key, child in _keyed_children(_get_node_type(tree), tree):
        yield from _with_paths((*path, key), child, is_leaf)


def tree_flatten_with_path(tree, is_leaf=None):
    """([(path, leaf), ...], spec)."""
    return list(_with_paths((), tree, is_leaf)), tree_structure(tree, is_leaf)


def tree_leaves_with_path(tree, is_leaf=None):
    return list(_with_paths((), tree, is_leaf))


def tree_map_with_path(func, tree, *rests, is_leaf=None):
    """The tree of func(path, leaf, ...)."""
    keyed, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(func(path, leaf, *rest) for (path, leaf), *rest in zip(keyed, *others))


def keystr(kp):
    """A path as text: "['a'][0]"."""
    return "".join(str(key) for key in kp)


def key_get(obj, kp):
    for key in kp:
        obj = key.get(obj)
    return obj


def _broadcast_to_and_flatten(tree, treespec, is_leaf=None):
    """The leaves of a tree that is a prefix of what treespec describes, repeated; None where it is
    none."""
    if _is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    if treespec.is_leaf() or _get_node_type(tree) is not treespec.type:
        return None
    children, context = SUPPORTED_NODES[treespec.type].flatten_fn(tree)
    if len(children) != treespec.num_children or context != treespec.context:
        return None
    result = []
    for child, spec in zip(children, treespec.children_specs):
        found = _broadcast_to_and_flatten(child, spec, is_leaf)
        if found is None:
            return None
        result += found
    return result
