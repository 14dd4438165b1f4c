from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic

from typing_extensions import TypeVar

from flambeau import Generator, Tensor

_T_co = TypeVar("_T_co", covariant=True, default=Any)

class Dataset(Generic[_T_co]):
    def __getitem__(self, index: Any) -> _T_co: ...
    def __iter__(self) -> Iterator[_T_co]: ...  # by __getitem__, until IndexError
    def __len__(self) -> int: ...  # of most: len(loader.dataset) is no mistake
    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]: ...

class IterableDataset(Dataset[_T_co], Iterable[_T_co]):
    def __iter__(self) -> Iterator[_T_co]: ...
    def __add__(self, other: Dataset[Any]) -> ChainDataset: ...  # type: ignore[override]

class TensorDataset(Dataset[tuple[Tensor, ...]]):
    tensors: tuple[Tensor, ...]
    def __init__(self, *tensors: Tensor) -> None: ...

class StackDataset(Dataset[Any]):
    datasets: Any
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

class ConcatDataset(Dataset[_T_co]):
    datasets: list[Any]
    cumulative_sizes: list[int]
    def __init__(self, datasets: Iterable[Any]) -> None: ...

class ChainDataset(IterableDataset[Any]):
    datasets: Iterable[Any]
    def __init__(self, datasets: Iterable[Any]) -> None: ...

class Subset(Dataset[_T_co]):
    dataset: Any
    indices: Sequence[int]
    def __init__(self, dataset: Any, indices: Sequence[int]) -> None: ...

def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[Any]]: ...
