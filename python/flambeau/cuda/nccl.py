"""NVIDIA's collectives (source: torch.cuda.nccl)."""

from flambeau.cuda import _none

version = init_rank = unique_id = all_reduce = all_gather = broadcast = reduce = _none


def is_available(tensors):
    return False
