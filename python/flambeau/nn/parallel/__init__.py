"""Modules over several devices or processes, of which there is one (source: torch.nn.parallel)."""

from flambeau.nn.parallel.data_parallel import (  # noqa: F401
    DataParallel,
    data_parallel,
    gather,
    parallel_apply,
    replicate,
    scatter,
)
from flambeau.nn.parallel.distributed import DistributedDataParallel  # noqa: F401

DistributedDataParallelCPU = DistributedDataParallel
