"""The spellings torch.cuda.amp and torch.cpu.amp of autocast and GradScaler, which warn."""

import functools
import warnings

from flambeau import _C
from flambeau.amp import autocast_mode, grad_scaler


def _warn(device, name):
    warnings.warn(
        f"`torch.{device}.amp.{name}(args...)` is deprecated. Please use "
        f"`torch.amp.{name}('{device}', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


def spellings(device, dtype):
    """(autocast, GradScaler, custom_fwd, custom_bwd) of a type of device."""

    class autocast(autocast_mode.autocast):
        __doc__ = f'torch.autocast("{device}", ...).'

        def __init__(self, enabled=True, dtype=dtype, cache_enabled=True):
            _warn(device, "autocast")
            super().__init__(device, dtype, enabled, cache_enabled)

    class GradScaler(grad_scaler.GradScaler):
        __doc__ = f'torch.amp.GradScaler("{device}", ...).'

        def __init__(
            self,
            init_scale=2.0**16,
            growth_factor=2.0,
            backoff_factor=0.5,
            growth_interval=2000,
            enabled=True,
        ):
            _warn(device, "GradScaler")
            super().__init__(
                device, init_scale, growth_factor, backoff_factor, growth_interval, enabled
            )

    for kind in (autocast, GradScaler):  # so that they are pickled by these names
        kind.__module__, kind.__qualname__ = f"flambeau.{device}.amp", kind.__name__
    custom_fwd = functools.partial(autocast_mode.custom_fwd, device_type=device)
    custom_bwd = functools.partial(autocast_mode.custom_bwd, device_type=device)
    return autocast, GradScaler, custom_fwd, custom_bwd


cuda = spellings("cuda", _C.float16)
cpu = spellings("cpu", _C.bfloat16)
