"""How a tensor is pickled for another process: as a descriptor of its memory (source:
torch.multiprocessing.reductions).

The first send moves a tensor's memory to a shared segment, under all tensors that use it; the
receiver maps it.
"""

from multiprocessing import context
from multiprocessing.reduction import DupFd, ForkingPickler

from flambeau import _C


def check_sendable(tensor):
    """RuntimeError for what no other process can continue."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the "
            "data, call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )


def shape_of(tensor):
    """What _C._open_shared needs to know of it beside its memory."""
    return tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset()


def reduce_tensor(tensor):
    """What ForkingPickler makes of a Tensor or a Parameter."""
    check_sendable(tensor)
    descriptor, size = _C._share(tensor)
    popen = context.get_spawning_popen()
    if popen is not None:  # which passes the descriptor on after everything is pickled
        popen.__dict__.setdefault("_kept_tensors", []).append(tensor)
    shape = shape_of(tensor)
    return rebuild_tensor, (type(tensor), DupFd(descriptor), size, shape, tensor.requires_grad)


def rebuild_tensor(kind, duplicate, size, shape, requires_grad):
    """The receiver's side of reduce_tensor."""
    tensor = _C._open_shared(duplicate.detach(), size, True, *shape)
    if kind is not _C.Tensor:
        return kind(tensor, requires_grad)
    return tensor.requires_grad_(requires_grad)


def init_reductions():
    """Registers the above with multiprocessing."""
    from flambeau.nn.parameter import Parameter

    for kind in (_C.Tensor, Parameter):
        ForkingPickler.register(kind, reduce_tensor)
