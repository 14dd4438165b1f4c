"""Asking about Apple's GPUs (source: torch.mps): this build has none."""

from flambeau._no_device import no, refuse, zero

is_available, device_count = no, zero
for _name, _text in {
    "synchronize": "deviceSynchronize",
    "empty_cache": "emptyCache",
    "current_allocated_memory": "getCurrentAllocatedMemory",
    "driver_allocated_memory": "getDriverAllocatedMemory",
    "recommended_max_memory": "getRecommendedMaxMemory",
    "set_per_process_memory_fraction": "setMemoryFraction",
    "get_rng_state": "getDefaultGenerator",
    "set_rng_state": "getDefaultGenerator",
    "seed": "getDefaultGenerator",
    "Event": "acquireEvent",
}.items():
    globals()[_name] = refuse(f"Cannot execute {_text}() without MPS backend.", RuntimeError)


def manual_seed(seed):
    """Accepted without a GPU, as in PyTorch."""
