"""Asking about Intel's GPUs (source: torch.xpu): this build has none."""

from flambeau._no_device import no, nothing, refuse, zero

is_available = is_initialized = is_bf16_supported = no
device_count = memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = zero
manual_seed = manual_seed_all = seed = seed_all = empty_cache = nothing
default_generators = ()
for _name in (
    "synchronize current_device current_stream get_device_name get_device_properties "
    "get_device_capability set_device set_stream init get_rng_state set_rng_state initial_seed "
    "mem_get_info Stream Event"
).split():
    globals()[_name] = refuse("Torch not compiled with XPU enabled", AssertionError)
