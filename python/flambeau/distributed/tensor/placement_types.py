"""How a tensor is spread over a dim of a mesh (source:
torch.distributed.tensor.placement_types)."""

from dataclasses import dataclass


class Placement:
    """The base of the placements."""

    def is_shard(self, dim=None):
        """Whether this cuts a dim (dim, if given)."""
        return isinstance(self, Shard) and dim in (None, self.dim)

    def is_replicate(self):
        """Whether each process has all."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op=None):
        """Whether the whole is yet to be reduced (by reduce_op, if given)."""
        return isinstance(self, Partial) and reduce_op in (None, self.reduce_op)


@dataclass(frozen=True)
class Shard(Placement):
    """Dim `dim` is cut into chunks as torch.chunk cuts it."""

    dim: int

    @staticmethod
    def local_shard_size_and_offset(curr_local_size, num_chunks, rank):
        """The size of chunk `rank` of a dim of curr_local_size elements, and where it begins."""
        full = -(-curr_local_size // num_chunks)
        start = min(full * rank, curr_local_size)
        return min(full, curr_local_size - start), start


@dataclass(frozen=True)
class _StridedShard(Shard):
    """A dim that another dim of the mesh cuts too, the other way round."""

    split_factor: int = 1


@dataclass(frozen=True)
class Replicate(Placement):
    """Each process has the whole."""


@dataclass(frozen=True)
class Partial(Placement):
    """Each process has a term of the whole."""

    reduce_op: str = "sum"
