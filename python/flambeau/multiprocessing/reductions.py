"""How a tensor is pickled for another process: as a descriptor of its memory (source:
torch.multiprocessing.reductions).

The first send moves a tensor's memory to a shared segment, under all tensors that use it; the
receiver maps it.
"""

from multiprocessing import context
from multiprocessing.reduction import DupFd, ForkingPickler

from flambeau import _C


def shared_parts(tensor):
    """(descriptor, the arguments after it and `keep` of _C._open_shared, requires_grad). The
    descriptor is the tensor's own: the tensor must live until it has been passed on."""
    needs = tensor.requires_grad
    if needs and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the "
            "data, call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    descriptor, size = _C._share(tensor)
    shape = (tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset())
    return descriptor, (size, *shape), needs


def open_parts(descriptor, parts, keep):
    """The tensor that shared_parts took apart; takes over the descriptor, and keeps it open where
    the tensor may be sent on."""
    size, *shape = parts
    return _C._open_shared(descriptor, size, keep, *shape)


def reduce_tensor(tensor):
    """What ForkingPickler makes of a Tensor or a Parameter."""
    descriptor, parts, needs = shared_parts(tensor)
    popen = context.get_spawning_popen()
    if popen is not None:  # which passes the descriptor on after everything is pickled
        popen.__dict__.setdefault("_kept_tensors", []).append(tensor)
    return rebuild_tensor, (type(tensor), DupFd(descriptor), parts, needs)


def rebuild_tensor(kind, duplicate, parts, requires_grad):
    """The receiver's side of reduce_tensor."""
    tensor = open_parts(duplicate.detach(), parts, True)
    if kind is not _C.Tensor:
        return kind(tensor, requires_grad)
    return tensor.requires_grad_(requires_grad)


def init_reductions():
    """Registers the above with multiprocessing."""
    from flambeau.nn.parameter import Parameter

    for kind in (_C.Tensor, Parameter):
        ForkingPickler.register(kind, reduce_tensor)
