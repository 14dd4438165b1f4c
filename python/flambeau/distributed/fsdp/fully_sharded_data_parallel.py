"""Names of torch.distributed.fsdp under the module that defines them in PyTorch."""

from flambeau.distributed.fsdp import FullyShardedDataParallel  # noqa: F401
from flambeau.distributed.fsdp.api import *  # noqa: F403
