"""The sampler of one process of many (source: torch.utils.data.distributed)."""

from math import ceil

from flambeau import _C
from flambeau.utils.data.sampler import Sampler


class DistributedSampler(Sampler):
    """Every num_replicas-th index, from `rank` on, of one order that all processes draw alike
    (source: torch.utils.data.DistributedSampler).

    num_replicas, rank: default those of flambeau.distributed. shuffle: the order is drawn from seed
    + epoch: call set_epoch before each epoch. So that all get as many, indices from the start are
    given twice, or with drop_last those at the end left out. ValueError when rank is not below
    num_replicas.
    """

    def __init__(
        self, dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False
    ):
        if num_replicas is None:
            num_replicas = _distributed().get_world_size()
        if rank is None:
            rank = _distributed().get_rank()
        if rank >= num_replicas or rank < 0:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self):
        count, size = len(self.dataset), self.total_size
        if self.shuffle:
            generator = _C.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = _C.randperm(count, generator=generator).tolist()
        else:
            order = list(range(count))
        if size > count:
            order *= ceil(size / count)
        return iter(order[self.rank : size : self.num_replicas])

    def __len__(self):
        return self.num_samples

    def set_epoch(self, epoch):
        """The epoch whose order the next iteration gives."""
        self.epoch = epoch


def _distributed():
    from flambeau import distributed

    if not distributed.is_available():
        raise RuntimeError("Requires distributed package to be available")
    return distributed
