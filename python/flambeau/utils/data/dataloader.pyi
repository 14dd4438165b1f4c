from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

from flambeau import Generator
from flambeau.utils.data._utils.collate import default_collate as default_collate
from flambeau.utils.data._utils.collate import default_convert as default_convert
from flambeau.utils.data._utils.fetch import _DatasetKind as _DatasetKind
from flambeau.utils.data._utils.info import get_worker_info as get_worker_info

_T_co = TypeVar("_T_co", covariant=True, default=Any)

class _Indexed(Protocol):
    def __getitem__(self, index: Any, /) -> Any: ...

class DataLoader(Generic[_T_co]):
    dataset: Any  # a Dataset, or what else has __getitem__ and __len__, or __iter__
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    batch_sampler: Any
    collate_fn: Callable[[Any], Any]
    generator: Generator | None
    persistent_workers: bool
    prefetch_factor: int | None
    def __init__(
        self,
        dataset: _Indexed | Iterable[Any],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        worker_method: str = "multiprocessing",
    ) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...

def __getattr__(name: str) -> Any: ...
