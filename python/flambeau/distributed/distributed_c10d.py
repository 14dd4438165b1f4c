"""Process groups and collectives among one process (source: torch.distributed.distributed_c10d).

Every check that PyTorch's gloo group makes is made: a program that would fail with one process under
PyTorch fails here with the same error. A collective then is a copy of the process's own tensor, or
nothing.
"""

import os
from datetime import timedelta
from enum import Enum

from flambeau import _C
from flambeau.distributed.stores import HashStore, _only_one

default_pg_timeout = timedelta(seconds=1800)

__all__ = [
    "Backend", "GroupMember", "P2POp", "ProcessGroup", "ReduceOp", "Work", "all_gather",
    "all_gather_coalesced", "all_gather_into_tensor", "all_gather_object", "all_reduce",
    "all_reduce_coalesced", "all_to_all", "all_to_all_single", "barrier", "batch_isend_irecv",
    "broadcast", "broadcast_object_list", "default_pg_timeout", "destroy_process_group", "gather",
    "gather_object", "get_backend", "get_backend_config", "get_default_backend_for_device",
    "get_global_rank", "get_group_rank", "get_node_local_rank", "get_pg_count",
    "get_process_group_ranks", "get_rank", "get_world_size", "group", "init_process_group",
    "irecv", "is_backend_available", "is_gloo_available", "is_initialized", "is_mpi_available",
    "is_nccl_available", "is_torchelastic_launched", "is_ucc_available", "is_xccl_available",
    "isend", "monitored_barrier", "new_group", "new_subgroups", "recv", "reduce", "reduce_op",
    "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send",
    "split_group", "supports_complex",
]  # fmt: skip


class Backend(str):
    """A backend's name, in lower case."""

    UNDEFINED, GLOO, NCCL, UCC, MPI, XCCL = "undefined", "gloo", "nccl", "ucc", "mpi", "xccl"
    backend_list = [UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI]
    default_device_backend_map = {"cpu": GLOO, "cuda": NCCL, "xpu": XCCL, "mps": GLOO}

    def __new__(cls, name):
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return str.__new__(cls, name.lower())


class RedOpType(Enum):
    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = range(9)


class ReduceOp:
    """What a reduction does; among one process nothing."""

    RedOpType = RedOpType
    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = RedOpType


reduce_op = ReduceOp


class Work:
    """What a collective with async_op=True returns: done already."""

    def __init__(self, result=()):
        self._result = list(result)

    def wait(self, timeout=None):
        return True

    def is_completed(self):
        return True

    def is_success(self):
        return True

    def exception(self):
        return None

    def result(self):
        return self._result

    def synchronize(self):
        pass


class ProcessGroup:
    """A group: this process, or none."""

    def __init__(self, backend, timeout=default_pg_timeout, name="default_pg"):
        self._backend, self._timeout, self.group_name = backend, timeout, name
        self.group_desc = name

    def rank(self):
        return 0

    def size(self):
        return 1

    def name(self):
        return self._backend

    def allreduce(self, tensors, opts=None):
        return Work(tensors)

    def barrier(self, opts=None):
        return Work()


class _World:
    """The state: the default group and how many were made."""

    default = None
    made = 0


class _GroupMeta(type):
    @property
    def WORLD(cls):
        return _World.default


class group(metaclass=_GroupMeta):
    """group.WORLD is the default group."""


class GroupMember(metaclass=_GroupMeta):
    """GroupMember.WORLD is the default group; NON_GROUP_MEMBER stands for one without us."""

    NON_GROUP_MEMBER = -100


def is_gloo_available():
    return True


def is_mpi_available():
    return False


is_nccl_available = is_ucc_available = is_xccl_available = is_mpi_available


def is_backend_available(backend):
    return backend.lower() == "gloo"


def is_torchelastic_launched():
    """Whether torchrun started the process."""
    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def is_initialized():
    """Whether init_process_group was called."""
    return _World.default is not None


def supports_complex(reduceOp):
    return reduceOp in (ReduceOp.SUM, ReduceOp.AVG, ReduceOp.PREMUL_SUM)


def get_default_backend_for_device(device):
    return Backend.default_device_backend_map[_C.device(device).type]


def _get_default_group():
    if _World.default is None:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call "
            "init_process_group."
        )
    return _World.default


def _group(group):
    """The group meant; None where this process is no member."""
    default = _get_default_group()
    if group is None:
        return default
    return None if group == GroupMember.NON_GROUP_MEMBER else group


def _check_backend(backend):
    """The backend in use, from a name or "cpu:gloo,cuda:nccl"."""
    names = [part.split(":")[-1] for part in str(backend).lower().split(",")]
    for name in names:
        if name in ("nccl", "mpi", "ucc", "xccl"):
            raise RuntimeError(f"Distributed package doesn't have {name.upper()} built in")
        if name not in Backend.backend_list and name != "fake":
            raise AssertionError(f"Unknown backend type {name}")
    return Backend(names[0])


def _from_environment(rank, world_size):
    """rank and world size as environment variables say, where the caller did not."""

    def read(name):
        value = os.environ.get(name)
        if value is None:
            raise ValueError(
                "Error initializing torch.distributed using env:// rendezvous: environment "
                f"variable {name} expected, but not set"
            )
        return value

    rank = rank if rank != -1 else int(read("RANK"))
    world_size = world_size if world_size != -1 else int(read("WORLD_SIZE"))
    read("MASTER_ADDR"), int(read("MASTER_PORT"))
    return rank, world_size


def init_process_group(
    backend=None,
    init_method=None,
    timeout=None,
    world_size=-1,
    rank=-1,
    store=None,
    group_name="",
    pg_options=None,
    device_id=None,
    **options,
):
    """Makes the default group, of this one process (source:
    torch.distributed.init_process_group).

    ValueError where rank and world size are neither given nor in the environment, or when there is
    a default group; RuntimeError for a backend of GPUs; NotImplementedError for a world size above
    1.
    """
    if _World.default is not None:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise ValueError("Cannot specify both init_method and store.")
    if store is not None:
        if world_size <= 0 or rank < 0:
            raise ValueError("world_size and rank must be positive when using store")
    elif init_method is None or init_method == "env://" or init_method.startswith("env://"):
        rank, world_size = _from_environment(rank, world_size)
    elif init_method.startswith(("tcp://", "file://")):
        if rank == -1 or world_size == -1:
            kind = init_method.split(":")[0]
            raise ValueError(
                f"Error initializing torch.distributed using {kind}:// rendezvous: "
                + ("rank" if rank == -1 else "world size")
                + " parameter missing"
            )
    else:
        raise RuntimeError(f"No rendezvous handler for {init_method.split(':')[0]}://")
    name = _check_backend("undefined" if backend is None else backend)
    _only_one(world_size)
    if rank != 0:
        raise ValueError(f"rank {rank} is out of range for a world size of {world_size}")
    _World.default = ProcessGroup(name, timeout or default_pg_timeout)
    _World.default.store = store or HashStore()
    _World.made = 1


def destroy_process_group(group=None):
    """Ends a group; the default one where none is given (source:
    torch.distributed.destroy_process_group)."""
    if group == GroupMember.NON_GROUP_MEMBER:
        return
    ended = _World.default if group is None else group
    if ended is None:
        raise AssertionError("Process group cannot be None")
    if ended is _World.default:
        _World.default = None


def get_rank(group=None):
    """0; -1 where this process is not in the group."""
    return -1 if _group(group) is None else 0


def get_world_size(group=None):
    """1; -1 where this process is not in the group."""
    return -1 if _group(group) is None else 1


def get_backend(group=None):
    """The name of the group's backend."""
    member = _group(group)
    if member is None:
        raise ValueError("Invalid process group specified")
    return member.name()


def get_backend_config(group=None):
    name = get_backend(group)
    return "cpu:gloo" if name in ("gloo", "undefined") else str(name)


def get_process_group_ranks(group):
    return [] if _group(group) is None else [0]


def get_pg_count():
    return _World.made if is_initialized() else 0


def get_group_rank(group, global_rank):
    _check_rank("get_group_rank", global_rank)
    return 0


def get_global_rank(group, group_rank):
    _check_rank("get_global_rank", group_rank)
    return 0


def get_node_local_rank(fallback_rank=None):
    """LOCAL_RANK of the environment, else the fallback."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow "
        "`get_node_local_rank` to work, assuming you are not running in a multi-device context and "
        "want the code to run locally instead."
    )


def new_group(ranks=None, timeout=None, backend=None, pg_options=None, **options):
    """A group of some ranks: of this one."""
    default = _get_default_group()
    for rank in ranks if ranks is not None else ():
        if rank != 0:
            raise ValueError(f"Rank {rank} is out of range. Valid ranks are 0 to 0 (world_size=1)")
    if ranks is not None and not list(ranks):
        return GroupMember.NON_GROUP_MEMBER
    name = default.name() if backend is None else _check_backend(backend)
    _World.made += 1
    return ProcessGroup(name, timeout or default_pg_timeout, f"pg_{_World.made}")


def new_subgroups(group_size=None, group=None, timeout=None, backend=None, **options):
    """(own subgroup, all subgroups)."""
    if group_size not in (None, 1):
        raise ValueError(f"The arg 'group_size' ({group_size}) must not exceed the world size (1)")
    own = new_group([0], timeout, backend)
    return own, [own]


def split_group(parent_pg=None, split_ranks=None, **options):
    _get_default_group()
    return new_group(split_ranks[0] if split_ranks else None)


# ---- Collectives ---------------------------------------------------------------------------------


def _check_tensor(value, name):
    if not isinstance(value, _C.Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor"
        )


def _check_tensors(values, name):
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, _C.Tensor) for v in values):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]"
        )


def _check_rank(function, rank):
    if rank != 0:
        raise RuntimeError(f"ProcessGroupGloo::{function}: invalid root rank: {rank}")


def _check_one(function, kind, tensors):
    if len(tensors) != 1:
        raise RuntimeError(
            f"ProcessGroupGloo::{function}: invalid {kind} tensor list at index 0 (expected length "
            f"1, got {len(tensors)})"
        )


def _copy(function, output, source):
    """Writes one process's tensor where the result is wanted."""
    if output.dtype is not source.dtype:
        raise RuntimeError(
            f"ProcessGroupGloo::{function}: invalid tensor type at index 0 (expected "
            f"{source.type()}, got {output.type()})"
        )
    if output.numel() != source.numel():
        raise RuntimeError(
            f"ProcessGroupGloo::{function}: invalid tensor size at index 0 (expected "
            f"{tuple(source.shape)}, got {tuple(output.shape)})"
        )
    if output is not source:
        output.detach().copy_(source.detach().reshape(output.shape))


def _done(async_op, *tensors):
    return Work(tensors) if async_op else None


def _which(group_src, src):
    """The rank meant by two ways to give it."""
    return group_src if group_src is not None else 0 if src is None else src


def barrier(group=None, async_op=False, device_ids=None):
    """Waits for all processes."""
    return _done(async_op) if _group(group) else None


def monitored_barrier(group=None, timeout=None, wait_all_ranks=False):
    _group(group)


def all_reduce(tensor, op=ReduceOp.SUM, group=None, async_op=False):
    """Reduces over all processes, in place."""
    _check_tensor(tensor, "tensor")
    return _done(async_op, tensor) if _group(group) else None


def all_reduce_coalesced(tensors, op=ReduceOp.SUM, group=None, async_op=False):
    _check_tensors(tensors, "tensor")
    return _done(async_op, *tensors) if _group(group) else None


def reduce(tensor, dst=None, op=ReduceOp.SUM, group=None, async_op=False, group_dst=None):
    """Reduces over all processes, to one."""
    _check_tensor(tensor, "tensor")
    if not _group(group):
        return None
    _check_rank("reduce", _which(group_dst, dst))
    return _done(async_op, tensor)


def broadcast(tensor, src=None, group=None, async_op=False, group_src=None):
    """One process's tensor to all."""
    _check_tensor(tensor, "tensor")
    if not _group(group):
        return None
    _check_rank("broadcast", _which(group_src, src))
    return _done(async_op, tensor)


def all_gather(tensor_list, tensor, group=None, async_op=False):
    """All processes' tensors to all."""
    _check_tensors(tensor_list, "tensor_list")
    _check_tensor(tensor, "tensor")
    if not _group(group):
        return None
    _check_one("allgather", "output", tensor_list)
    _copy("allgather", tensor_list[0], tensor)
    return _done(async_op, *tensor_list)


def all_gather_into_tensor(output_tensor, input_tensor, group=None, async_op=False):
    """All processes' tensors to all, joined."""
    _check_tensor(input_tensor, "input_tensor")
    _check_tensor(output_tensor, "output_tensor")
    if not _group(group):
        return None
    _copy("allgather", output_tensor, input_tensor)
    return _done(async_op, output_tensor)


_all_gather_base = all_gather_into_tensor


def all_gather_coalesced(output_tensor_lists, input_tensor_list, group=None, async_op=False):
    _check_tensors(input_tensor_list, "input_tensor_list")
    if not _group(group):
        return None
    for outputs, tensor in zip(output_tensor_lists, input_tensor_list, strict=True):
        _check_one("allgather", "output", outputs)
        _copy("allgather", outputs[0], tensor)
    return _done(async_op)


def gather(tensor, gather_list=None, dst=None, group=None, async_op=False, group_dst=None):
    """All processes' tensors to one."""
    _check_tensor(tensor, "tensor")
    if not _group(group):
        return None
    _check_rank("gather", _which(group_dst, dst))
    if not gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    _check_tensors(gather_list, "gather_list")
    _check_one("gather", "output", gather_list)
    _copy("gather", gather_list[0], tensor)
    return _done(async_op, *gather_list)


def scatter(tensor, scatter_list=None, src=None, group=None, async_op=False, group_src=None):
    """One process's tensors, one to each."""
    _check_tensor(tensor, "tensor")
    if not _group(group):
        return None
    _check_rank("scatter", _which(group_src, src))
    if not scatter_list:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    _check_tensors(scatter_list, "scatter_list")
    _check_one("scatter", "input", scatter_list)
    _copy("scatter", tensor, scatter_list[0])
    return _done(async_op, tensor)


def reduce_scatter(output, input_list, op=ReduceOp.SUM, group=None, async_op=False):
    """Reduces lists of tensors over all processes, and gives each one tensor."""
    _check_tensor(output, "output")
    _check_tensors(input_list, "input_list")
    if not _group(group):
        return None
    _check_one("reduce_scatter", "input", input_list)
    _copy("reduce_scatter", output, input_list[0])
    return _done(async_op, output)


def reduce_scatter_tensor(output, input, op=ReduceOp.SUM, group=None, async_op=False):
    """Reduces a tensor over all processes, and gives each a part."""
    _check_tensor(output, "output")
    _check_tensor(input, "input")
    if not _group(group):
        return None
    _copy("reduce_scatter", output, input)
    return _done(async_op, output)


_reduce_scatter_base = reduce_scatter_tensor


def all_to_all(output_tensor_list, input_tensor_list, group=None, async_op=False):
    """Each process's list of tensors, one to each."""
    _check_tensors(output_tensor_list, "output_tensor_list")
    _check_tensors(input_tensor_list, "input_tensor_list")
    if not _group(group):
        return None
    _check_one("alltoall", "output", output_tensor_list)
    _check_one("alltoall", "input", input_tensor_list)
    _copy("alltoall", output_tensor_list[0], input_tensor_list[0])
    return _done(async_op, *output_tensor_list)


def all_to_all_single(
    output, input, output_split_sizes=None, input_split_sizes=None, group=None, async_op=False
):
    """Each process's tensor in parts, one to each."""
    _check_tensor(output, "output")
    _check_tensor(input, "input")
    if not _group(group):
        return None
    _copy("alltoall_base", output, input)
    return _done(async_op, output)


def _no_other(way, rank):
    _get_default_group()
    if rank in (0, None) and way == "destination":
        raise ValueError(
            "Invalid destination rank: destination rank should not be the same as the rank of the "
            "current process."
        )
    raise ValueError(f"Invalid {way} rank {rank}: there is no other process (world size 1)")


def send(tensor, dst=None, group=None, tag=0, group_dst=None):
    """ValueError: there is nobody to send to."""
    _check_tensor(tensor, "tensor")
    _no_other("destination", _which(group_dst, dst))


def recv(tensor, src=None, group=None, tag=0, group_src=None):
    """ValueError: there is nobody to receive from."""
    _check_tensor(tensor, "tensor")
    _no_other("source", _which(group_src, src))


isend, irecv = send, recv


class P2POp:
    """One send or receive of batch_isend_irecv."""

    def __init__(self, op, tensor, peer=None, group=None, tag=0, group_peer=None):
        self.op, self.tensor, self.peer = op, tensor, peer
        self.group, self.tag, self.group_peer = group, tag, group_peer


def batch_isend_irecv(p2p_op_list):
    return [op.op(op.tensor, op.peer, op.group, op.tag) for op in p2p_op_list]


# ---- Collectives of objects: as after a journey through pickle -----------------------------------


def _travelled(obj):
    import pickle

    return pickle.loads(pickle.dumps(obj))


def all_gather_object(object_list, obj, group=None):
    """All processes' objects to all."""
    if _group(group):
        object_list[0] = _travelled(obj)


def gather_object(obj, object_gather_list=None, dst=None, group=None, group_dst=None):
    """All processes' objects to one."""
    if not _group(group):
        return
    _check_rank("gather", _which(group_dst, dst))
    if not object_gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    object_gather_list[0] = _travelled(obj)


def broadcast_object_list(object_list, src=None, group=None, device=None, group_src=None):
    """One process's objects to all."""
    if _group(group):
        _check_rank("broadcast", _which(group_src, src))


def scatter_object_list(
    scatter_object_output_list, scatter_object_input_list=None, src=None, group=None, group_src=None
):
    """One process's objects, one to each."""
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size >= 1.")
    if _group(group):
        _check_rank("scatter", _which(group_src, src))
        scatter_object_output_list[0] = _travelled(scatter_object_input_list[0])
