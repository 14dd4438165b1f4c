"""Asking about accelerators of any kind (source: torch.accelerator): this build has none."""

from flambeau._no_device import no, refuse, zero

is_available, device_count = no, zero


def current_accelerator(check_available=False):
    """None."""
    return None


class device_index:
    """A context in which another device is the current one; None changes nothing."""

    def __init__(self, device):
        self.idx = device

    def __enter__(self):
        if self.idx is not None:
            current_device_index()

    def __exit__(self, *exc):
        return False


for _name in (
    "current_device_index current_device_idx set_device_index set_device_idx current_stream "
    "set_stream synchronize empty_cache memory_allocated max_memory_allocated memory_reserved "
    "max_memory_reserved memory_stats reset_peak_memory_stats reset_accumulated_memory_stats "
    "get_memory_info get_device_capability"
).split():
    globals()[_name] = refuse(
        "Cannot access accelerator device when none is available.", RuntimeError
    )
