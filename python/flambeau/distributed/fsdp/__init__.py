"""Modules whose parameters are spread over processes (source: torch.distributed.fsdp). One process
spreads none: programs may ask whether a module is one, and describe policies; to make one is an
error."""

from dataclasses import dataclass

import flambeau
from flambeau.distributed.fsdp.api import (  # noqa: F401
    BackwardPrefetch,
    CPUOffload,
    FullOptimStateDictConfig,
    FullStateDictConfig,
    LocalStateDictConfig,
    MixedPrecision,
    OptimStateDictConfig,
    ShardedOptimStateDictConfig,
    ShardedStateDictConfig,
    ShardingStrategy,
    StateDictConfig,
    StateDictSettings,
    StateDictType,
)


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """In what dtypes a spread module would compute, reduce and answer."""

    param_dtype: flambeau.dtype | None = None
    reduce_dtype: flambeau.dtype | None = None
    output_dtype: flambeau.dtype | None = None
    cast_forward_inputs: bool = True


@dataclass
class OffloadPolicy:
    """Parameters stay on the device."""


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Parameters wait on the CPU."""

    pin_memory: bool = True


class FSDPModule:
    """Never an instance: NotImplementedError."""

    def __init__(self, *arguments, **options):
        fully_shard(self)


class FullyShardedDataParallel(flambeau.nn.Module):
    """Never an instance: NotImplementedError."""

    def __init__(self, module, *arguments, **options):
        fully_shard(module)

    @staticmethod
    def state_dict_type(module, *arguments, **options):
        """NotImplementedError."""
        fully_shard(module)

    set_state_dict_type = optim_state_dict = full_optim_state_dict = state_dict_type
    sharded_optim_state_dict = scatter_full_optim_state_dict = state_dict_type
    optim_state_dict_to_load = flatten_sharded_optim_state_dict = state_dict_type


def fully_shard(module, **options):
    """NotImplementedError."""
    raise NotImplementedError("Flambeau runs one process, over which no module is spread")
