"""Small helpers that PyTorch keeps in torch._utils and programs use."""

import sys

from flambeau import _C


class KeyErrorMessage(str):
    """The text of a KeyError that is shown as it is, newlines too."""

    def __repr__(self):
        return str(self)


class ExceptionWrapper:
    """An exception on its way to another thread or process, with its traceback as text (source:
    torch._utils.ExceptionWrapper). Made in an except clause, or of sys.exc_info()'s triple."""

    def __init__(self, exc_info=None, where="in background"):
        import traceback

        exc_info = sys.exc_info() if exc_info is None else exc_info
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self):
        """Raises an exception of the same type, whose text has the original traceback; a
        RuntimeError where the type cannot be made of a text."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            text = KeyErrorMessage(text)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            error = self.exc_type(text)
        except Exception:
            raise RuntimeError(text) from None
        raise error


# ---- several tensors in one, as code for many processes sends them


def _flatten_dense_tensors(tensors):
    """The elements of tensors of one dtype, one after another (source:
    torch._utils._flatten_dense_tensors)."""
    return _C.cat([tensor.contiguous().view(-1) for tensor in tensors])


def _unflatten_dense_tensors(flat, tensors):
    """Views of flat, as _flatten_dense_tensors made it, with the sizes of tensors."""
    parts = _C.split(flat, [tensor.numel() for tensor in tensors])
    return tuple(part.view(tensor.shape) for part, tensor in zip(parts, tensors))


def _take_tensors(tensors, size_limit):
    """Lists of tensors of one dtype, each of about size_limit bytes (source:
    torch._utils._take_tensors)."""
    groups = {}
    for tensor in tensors:
        group = groups.setdefault(tensor.type(), [[], 0])
        size = tensor.numel() * tensor.element_size()
        if group[1] + size > size_limit and group[1] > 0:
            yield group[0]
            group = groups[tensor.type()] = [[], 0]
        group[0].append(tensor)
        group[1] += size
    for group, _ in groups.values():
        if group:
            yield group


def _element_size(dtype):
    """How many bytes an element has (source: torch._utils._element_size)."""
    return dtype.itemsize


def _get_device_index(device, optional=False, allow_cpu=False):
    """A device's number; of "cpu" -1 where allowed (source: torch._utils._get_device_index)."""
    if isinstance(device, int):
        return device
    if isinstance(device, str):
        device = _C.device(device)
    if isinstance(device, _C.device):
        if device.type == "cpu":
            if not allow_cpu:
                raise ValueError(f"Expected a non cpu device, but got: {device}")
            return -1 if device.index is None else device.index
        if device.index is not None:
            return device.index
    if optional:
        return 0
    raise ValueError(
        f"Expected a torch.device with a specified index or an integer, but got:{device}"
    )


# ---- what pickles of tensors call


def _rebuild_tensor(storage, storage_offset, size, stride):
    """A tensor on a typed storage."""
    return _C.empty([0], device=storage.device).to(storage.dtype).set_(
        storage, storage_offset, size, stride
    )


def _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad):
    """A tensor without data."""
    return _C.empty_strided(
        size, stride, dtype=dtype, device="meta", requires_grad=requires_grad
    )


def _with_metadata(tensor, metadata):
    """The tensor whose values are the conjugates ("conj") or the negatives ("neg") of those stored,
    as PyTorch saves x.conj(). It has memory of its own, with the same strides."""
    if not metadata:
        return tensor
    if not metadata.keys() <= {"conj", "neg"} or {type(is_so) for is_so in metadata.values()} != {bool}:
        raise RuntimeError(f"a tensor says of itself what is not known: {str(metadata)[:100]}")
    if tensor.numel() == 0:
        return tensor
    extent = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride()))
    flat = tensor.as_strided((extent,), (1,))
    flat = flat.conj_physical() if metadata.get("conj") else flat
    flat = flat.neg() if metadata.get("neg") else flat.clone()
    return _C.empty([0], dtype=flat.dtype, device=flat.device).set_(
        flat.untyped_storage(), 0, tensor.shape, tensor.stride()
    )


def _rebuild_tensor_v2(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None
):
    """A tensor on a typed storage; its hooks are not kept."""
    made = _rebuild_tensor(storage, storage_offset, size, stride)
    return _with_metadata(made, metadata).requires_grad_(requires_grad)


def _rebuild_tensor_v3(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None
):
    """A tensor of that dtype on an untyped storage."""
    tensor = _C.empty([0], device=storage.device).to(dtype)
    tensor.set_(storage.untyped(), storage_offset, size, stride)
    return _with_metadata(tensor, metadata).requires_grad_(requires_grad)


def _rebuild_sparse_tensor(layout, data):
    """A sparse tensor from its indices, values and size; what is in a file is checked."""
    from flambeau import sparse

    if layout == _C.sparse_coo:
        indices, values, size, *coalesced = data
        made = sparse.sparse_coo_tensor(indices, values, size)
        return made.coalesce() if coalesced and coalesced[0] else made
    if layout == _C.sparse_csr:
        return sparse.sparse_csr_tensor(*data)
    raise NotImplementedError(f"rebuilding sparse tensor for layout {layout}")


def _rebuild_parameter(data, requires_grad, backward_hooks):
    """A Parameter on the memory of data."""
    from flambeau.nn.parameter import Parameter

    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    """A Parameter with attributes of its own."""
    parameter = _rebuild_parameter(data, requires_grad, backward_hooks)
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    parameter.__dict__.update(attributes or {})
    for name, value in (slots or {}).items():
        setattr(parameter, name, value)
    return parameter
