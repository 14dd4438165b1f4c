"""Calls of functions in other processes (source: torch.distributed.rpc), of which there are none: a
process calls itself, by the name that it gave to init_rpc."""

import os
from dataclasses import dataclass, field

from flambeau.futures import Future

_self = None


@dataclass(frozen=True)
class WorkerInfo:
    """A process that can be called."""

    name: str
    id: int


@dataclass
class TensorPipeRpcBackendOptions:
    """How processes would talk: kept and not used."""

    num_worker_threads: int = 16
    rpc_timeout: float = 60.0
    init_method: str = "env://"
    device_maps: dict = field(default_factory=dict)
    devices: list = field(default_factory=list)
    _transports: list | None = None
    _channels: list | None = None

    def set_device_map(self, to, device_map):
        self.device_maps[to] = device_map

    def set_devices(self, devices):
        self.devices = devices


def is_available():
    """True: for one process."""
    return True


def init_rpc(name, backend=None, rank=-1, world_size=None, rpc_backend_options=None):
    """Gives this process its name. RuntimeError for more than one process, or a second time."""
    global _self
    size = int(os.environ.get("WORLD_SIZE", 1)) if world_size is None else world_size
    if size != 1:
        raise RuntimeError(f"Flambeau runs one process, and world_size is {size}")
    if _self is not None:
        raise RuntimeError("RPC is already initialized")
    _self = WorkerInfo(name, 0)


def shutdown(graceful=True, timeout=0):
    """Forgets the name."""
    global _self
    _self = None


def get_worker_info(worker_name=None):
    """This process, by its name or without one. RuntimeError for another, or before init_rpc."""
    if _self is None:
        raise RuntimeError(
            "RPC has not been initialized. Call torch.distributed.rpc.init_rpc first."
        )
    if worker_name is not None and worker_name != _self.name:
        raise RuntimeError(f"could not find a worker named {worker_name}: there is {_self.name}")
    return _self


def _check(to):
    info = get_worker_info()
    if to not in (info, info.name, info.id):
        raise RuntimeError(f"could not find a worker {to!r}: there is {info.name}")


def rpc_sync(to, func, args=None, kwargs=None, timeout=-1.0):
    """What func(*args, **kwargs) returns."""
    _check(to)
    return func(*(args or ()), **(kwargs or {}))


def rpc_async(to, func, args=None, kwargs=None, timeout=-1.0):
    """A Future of what func(*args, **kwargs) returns, or raises."""
    _check(to)
    future = Future()
    try:
        future.set_result(func(*(args or ()), **(kwargs or {})))
    except Exception as error:
        future.set_exception(error)
    return future


class RRef:
    """A value that a process keeps, here this one."""

    def __init__(self, value, type_hint=None):
        self._value = value

    def to_here(self, timeout=-1.0):
        return self._value

    def local_value(self):
        return self._value

    def owner(self):
        return get_worker_info()

    def owner_name(self):
        return get_worker_info().name

    def is_owner(self):
        return True

    def confirmed_by_owner(self):
        return True


def remote(to, func, args=None, kwargs=None, timeout=-1.0):
    """An RRef of what func(*args, **kwargs) returns."""
    return RRef(rpc_sync(to, func, args, kwargs))
