"""The graph and what its nodes save (source: torch.autograd.graph)."""

import abc
import threading
from contextlib import contextmanager
from typing import NamedTuple

from flambeau import _C

__all__ = [
    "saved_tensors_hooks",
    "save_on_cpu",
    "disable_saved_tensors_hooks",
    "register_multi_grad_hook",
    "allow_mutation_on_saved_tensors",
    "Node",
    "GradientEdge",
    "get_gradient_edge",
    "increment_version",
]


class Node(abc.ABC):
    """What a tensor's grad_fn is an instance of: a call as backward sees it."""

    @abc.abstractmethod
    def name(self):
        """The name of the derivative."""

    @property
    @abc.abstractmethod
    def next_functions(self):
        """A pair (node, which of its results) for each input."""

    @classmethod
    def __subclasshook__(cls, subclass):
        if cls is Node and issubclass(subclass, (_C._Node, _C._FunctionNode)):
            return True
        return NotImplemented


class GradientEdge(NamedTuple):
    """Where a gradient goes: result `output_nr` of a node."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None


def get_gradient_edge(tensor):
    """The edge along which the tensor's gradient goes; RuntimeError for one that needs none."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    return GradientEdge(*_C._gradient_edge(tensor))


def increment_version(tensor):
    """Says that a tensor, or each of several, was written by other means: a derivative that saved
    it refuses to run."""
    for t in (tensor,) if isinstance(tensor, _C.Tensor) else tensor:
        _C._bump_version(t)


class saved_tensors_hooks:
    """A context in which each tensor that is saved for backward goes through pack_hook(tensor);
    what that returns is kept, and unpack_hook gives a tensor for it in backward.

    Of nested contexts the innermost counts.
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self):
        _C._push_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exc):
        _C._pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """A context in which tensors are saved in the memory of the CPU and come back to their
    device in backward."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        def pack(tensor):
            return tensor.device, tensor.cpu()

        def unpack(packed):
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


@contextmanager
def disable_saved_tensors_hooks(error_message):
    """A context in which entering saved_tensors_hooks is a RuntimeError with this message."""
    before = _C._refuse_saved_hooks(error_message)
    try:
        yield
    finally:
        _C._refuse_saved_hooks(before)


class _Handles:
    """Several handles as one."""

    def __init__(self, handles):
        self.handles = handles

    def remove(self):
        for handle in self.handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Calls fn in each backward that reaches some of the tensors: with the list of their gradients
    (None for those not reached) once all are known, or, in mode "any", with the first.

    Returns a handle with remove().
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    lock = threading.Lock()
    seen = {}  # of a backward: the gradients so far, how many are to come

    def start():
        return [None] * len(tensors), sum(map(_C._engine_expects, tensors))

    def first(grad):
        run = _C._current_graph_task_id()
        with lock:
            if run in seen:
                return
            seen.clear()
            seen[run] = True
        fn(grad)

    def gather(i, grad):
        run = _C._current_graph_task_id()
        with lock:
            grads, left = seen.pop(run, None) or start()
            grads[i] = grad
            if left > 1:
                seen[run] = grads, left - 1
                return
        fn(grads)

    def hook_of(i):
        return lambda grad: gather(i, grad)

    hooks = [first if mode == "any" else hook_of(i) for i in range(len(tensors))]
    return _Handles([t.register_hook(hook) for t, hook in zip(tensors, hooks)])


class _AllowMutationOnSavedContext:
    """The copies made of saved tensors that were written."""

    def __init__(self):
        self.cloned = {}

    def clear(self):
        self.cloned.clear()


@contextmanager
def allow_mutation_on_saved_tensors():
    """A context in which tensors that were saved for backward may be written: what is saved is a
    copy. (PyTorch copies at the write; the gradients are the same.)"""
    context = _AllowMutationOnSavedContext()
    with saved_tensors_hooks(lambda tensor: tensor.clone(), lambda tensor: tensor):
        yield context
        context.clear()
