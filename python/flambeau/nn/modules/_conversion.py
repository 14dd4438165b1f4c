"""Modules moved and converted in place (source: torch.nn.Module)."""
from __future__ import annotations

import flambeau
from flambeau.nn.parameter import is_lazy


class Conversion:
    """The methods of Module that replace its tensors by others of another dtype or device."""

    __slots__ = ()

    def _apply(self, fn, recurse=True):
        """Replaces every parameter's data, its gradient's, and every buffer by fn of it. Returns
        self."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            grad = parameter.grad
            with flambeau.no_grad():
                converted = fn(parameter)
                converted_grad = None if grad is None else fn(grad)
            if grad is not None:
                parameter.grad = None
            parameter.data = converted
            if grad is not None:
                grad.data = converted_grad
                parameter.grad = grad
        for name, buffer in self._buffers.items():
            if is_lazy(buffer):
                buffer.data = fn(buffer)
            elif buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """to(device=None, dtype=None, non_blocking=False), to(dtype), to(tensor): moves and
        converts in place.

        Only floating-point tensors change their dtype. Returns self.
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )

        def convert(t):
            wanted = (
                dtype
                if dtype is not None and (t.is_floating_point() or t.is_complex())
                else t.dtype
            )
            options = {} if device is None else {"device": device}
            if memory_format is not None and t.dim() in (4, 5):
                options["memory_format"] = memory_format
            try:
                return t.to(dtype=wanted, non_blocking=non_blocking, **options)
            except NotImplementedError as error:
                reason = str(error).partition("\n")[0]
                if reason != "Cannot copy out of meta tensor; no data!":
                    raise
                raise NotImplementedError(
                    f"{reason} Please use torch.nn.Module.to_empty() instead of "
                    "torch.nn.Module.to() when moving module from meta to a different device."
                ) from None
        return self._apply(convert)

    def cpu(self):
        """Moves everything to the CPU. Returns self."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        """Moves everything to a CUDA device. Returns self."""
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type):
        """Converts every parameter and buffer to dst_type. Returns self."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self):
        """Converts floating-point parameters and buffers to float32. Returns self."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self):
        """Converts floating-point parameters and buffers to float64. Returns self."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self):
        """Converts floating-point parameters and buffers to float16. Returns self."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self):
        """Converts floating-point parameters and buffers to bfloat16. Returns self."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def to_empty(self, *, device, recurse=True):
        """Moves to a device without the values. Returns self."""
        return self._apply(lambda t: flambeau.empty_like(t, device=device), recurse=recurse)

    def share_memory(self):
        """Moves everything to memory that processes share. Returns self."""
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args, **kwargs):
        """Accepted: a call already runs at full speed (source: torch.nn.Module.compile)."""


def _parse_to(
    *args,
    device=None,
    dtype=None,
    non_blocking=False,
    copy=False,
    memory_format=None,
    tensor=None,
    other=None,
):
    """The arguments of to(...) in any of its forms, as (device, dtype, non_blocking,
    memory_format)."""
    args = list(args)
    tensor = other if tensor is None else tensor
    if args and isinstance(args[0], flambeau.Tensor):
        tensor = args.pop(0)
    elif args and isinstance(args[0], flambeau.dtype):
        dtype = args.pop(0)
    elif args:
        device = args.pop(0)
        if args and (args[0] is None or isinstance(args[0], flambeau.dtype)):
            dtype = args.pop(0)
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    if args:
        non_blocking = args.pop(0)
    if len(args) > 1 or not (device is None or isinstance(device, (str, int, flambeau.device))):
        raise TypeError("to() received an invalid combination of arguments")
    return None if device is None else flambeau.device(device), dtype, non_blocking, memory_format


flambeau._C._nn._parse_to = _parse_to  # modules with a `to` of their own call it there
