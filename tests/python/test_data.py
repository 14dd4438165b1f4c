"""Datasets, samplers, collation and the loader: PyTorch's orders for the same seeds, results and
messages."""

import collections
import random

import pytest

import flambeau as torch
from flambeau.utils import data

try:
    import torch as peer
    import torch.utils.data as peer_data
except ImportError:
    peer = None


class Squares(data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, i):
        return {"i": i, "square": (float(i * i), torch.full((2,), i)), "text": str(i)}


def numbers(loader):
    return [batch.tolist() for batch in loader]


# ---- orders for a seed, as PyTorch 2.13 draws them -----------------------------------------------


def test_random_sampler():
    torch.manual_seed(0)
    assert list(data.RandomSampler(range(10))) == [6, 9, 0, 7, 3, 5, 4, 2, 1, 8]
    drawn = data.RandomSampler(range(5), replacement=True, num_samples=12)
    assert list(drawn) == [1, 3, 2, 0, 2, 1, 2, 4, 0, 1, 1, 3]


def test_loader_order():
    torch.manual_seed(3)
    loader = data.DataLoader(list(range(10)), batch_size=4, shuffle=True)
    assert numbers(loader) == [[6, 2, 0, 1], [8, 3, 5, 4], [7, 9]]
    assert numbers(loader) == [[3, 4, 0, 9], [6, 7, 1, 2], [5, 8]]
    assert torch.randint(100, (3,)).tolist() == [81, 39, 14]


@pytest.mark.parametrize("wrap", [list, lambda x: data.TensorDataset(torch.tensor(x))])
def test_loader_order_with_a_generator(wrap):
    generator = torch.Generator().manual_seed(7)
    loader = data.DataLoader(wrap(list(range(6))), batch_size=4, shuffle=True, generator=generator)
    flat = (lambda b: b.tolist()) if wrap is list else (lambda b: b[0].tolist())
    assert [flat(b) for b in loader] == [[1, 2, 5, 3], [0, 4]]
    assert [flat(b) for b in loader] == [[2, 1, 4, 0], [5, 3]]
    assert torch.randint(100, (3,), generator=generator).tolist() == [8, 68, 43]


def test_random_split():
    torch.manual_seed(1)
    assert [s.indices for s in data.random_split(range(10), [0.5, 0.3, 0.2])] == [
        [5, 6, 1, 2, 0],
        [8, 9, 3],
        [7, 4],
    ]
    seeded = torch.Generator().manual_seed(42)
    assert [s.indices for s in data.random_split(range(7), [4, 3], generator=seeded)] == [
        [1, 6, 3, 5],
        [4, 0, 2],
    ]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        data.random_split(range(7), [4, 4])


def test_subset_and_weighted_random_sampler():
    torch.manual_seed(5)
    assert list(data.SubsetRandomSampler([10, 20, 30, 40])) == [40, 20, 10, 30]
    weighted = data.WeightedRandomSampler([0.1, 0.9, 0.4, 0.7, 3.0, 0.6], 5)
    assert list(weighted) == [4, 5, 5, 5, 4]


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "size, drop_last", [(1, False), (3, False), (3, True), (7, True), (20, False), (20, True)]
)
@pytest.mark.parametrize("subset", [False, True])
def test_gathered_batches_are_those_of_the_slow_way(shuffle, size, drop_last, subset):
    dataset = data.TensorDataset(torch.randn(14, 2, 3), torch.arange(14), torch.rand(14) > 0.5)
    if subset:
        dataset = data.Subset(dataset, [3, 1, 4, 1, 5, 9, 2, 6, 13, 0])
    runs = []
    for collate in (None, lambda batch: data.default_collate(batch)):
        torch.manual_seed(11)
        loader = data.DataLoader(
            dataset, size, shuffle=shuffle, drop_last=drop_last, collate_fn=collate
        )
        runs.append([batch for _ in range(2) for batch in loader])
        assert len(runs[-1]) == 2 * len(loader)
    assert len(runs[0]) == len(runs[1])
    for a, b in zip(*runs):
        assert type(a) is type(b) is list
        for x, y in zip(a, b):
            assert x.dtype == y.dtype and torch.equal(x, y)


def test_batches_do_not_share_memory_with_the_dataset():
    x = torch.zeros(4)
    for (batch,) in data.DataLoader(data.TensorDataset(x), batch_size=2):
        batch += 1
    assert x.tolist() == [0, 0, 0, 0]


def test_subclass_of_tensor_dataset_keeps_its_getitem():
    class Doubled(data.TensorDataset):
        def __getitem__(self, i):
            return super().__getitem__(i)[0] * 2

    assert numbers(data.DataLoader(Doubled(torch.arange(4)), batch_size=2)) == [[0, 2], [4, 6]]


def test_dicts_and_texts():
    batch = next(iter(data.DataLoader(Squares(), batch_size=3)))
    assert batch["i"].tolist() == [0, 1, 2] and batch["i"].dtype == torch.int64
    assert batch["square"][0].dtype == torch.float64
    assert batch["square"][1].shape == (3, 2)
    assert batch["text"] == ["0", "1", "2"]


def test_without_batches():
    samples = list(data.DataLoader([1, 2.5, "x"], batch_size=None))
    assert samples == [1, 2.5, "x"]


def test_getitems_is_used():
    class Many(data.Dataset):
        def __len__(self):
            return 4

        def __getitems__(self, indices):
            return [i * 10 for i in indices]

    assert numbers(data.DataLoader(Many(), batch_size=3)) == [[0, 10, 20], [30]]


def test_iterable_dataset():
    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(range(7))

    loader = data.DataLoader(Stream(), batch_size=3)
    assert numbers(loader) == [[0, 1, 2], [3, 4, 5], [6]]
    assert numbers(data.DataLoader(Stream(), batch_size=3, drop_last=True)) == [
        [0, 1, 2],
        [3, 4, 5],
    ]
    assert list(data.DataLoader(Stream(), batch_size=None)) == list(range(7))
    assert numbers(data.DataLoader(Stream() + Stream(), batch_size=10))[0][:9] == [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        0,
        1,
    ]
    with pytest.raises(TypeError):
        len(loader)
    with pytest.raises(
        ValueError, match="expected unspecified shuffle option, but got shuffle=True"
    ):
        data.DataLoader(Stream(), shuffle=True)


def test_concat_stack_and_index():
    both = data.ConcatDataset([range(3), range(10, 12)])
    assert [both[i] for i in range(5)] == [0, 1, 2, 10, 11] and both[-1] == 11
    pair = data.StackDataset(range(3), [5, 6, 7])
    assert pair[1] == (1, 6) and pair.__getitems__([0, 2]) == [(0, 5), (2, 7)]
    named = data.StackDataset(a=range(3), b=[5, 6, 7])
    assert named[2] == {"a": 2, "b": 7}


def test_workers_are_accepted():
    torch.manual_seed(3)
    loader = data.DataLoader(
        list(range(10)),
        batch_size=4,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
        prefetch_factor=3,
        worker_init_fn=lambda i: None,
    )
    assert numbers(loader) == [[6, 2, 0, 1], [8, 3, 5, 4], [7, 9]]
    assert data.get_worker_info() is None


# ---- collation -----------------------------------------------------------------------------------


def test_collate():
    Point = collections.namedtuple("Point", "x y")
    made = data.default_collate([Point(0, 1.0), Point(2, 3.0)])
    assert type(made) is Point and made.x.tolist() == [0, 2] and made.y.dtype == torch.float64
    assert data.default_collate([True, False]).dtype == torch.bool
    assert [t.tolist() for t in data.default_collate([(1, 2), (3, 4)])] == [[1, 3], [2, 4]]
    assert data.default_collate([b"a", b"b"]) == [b"a", b"b"]
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        data.default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors"):
        data.default_collate([object()])
    with pytest.raises(RuntimeError):
        data.default_collate([torch.zeros(2), torch.zeros(3)])


def test_collate_numpy():
    np = pytest.importorskip("numpy")
    made = data.default_collate([np.zeros(3, dtype=np.float32), np.ones(3, dtype=np.float32)])
    assert made.shape == (2, 3) and made.dtype == torch.float32
    assert data.default_collate([np.float64(1.5), np.float64(2)]).tolist() == [1.5, 2.0]
    assert data.default_convert({"a": np.array([1, 2])})["a"].tolist() == [1, 2]


# ---- what is refused -----------------------------------------------------------------------------

X = [1, 2, 3]


@pytest.mark.parametrize(
    "make, kind, text",
    [
        (
            lambda: data.DataLoader(X, num_workers=-1),
            ValueError,
            "num_workers option should be non-negative",
        ),
        (
            lambda: data.DataLoader(X, timeout=-1),
            ValueError,
            "timeout option should be non-negative",
        ),
        (
            lambda: data.DataLoader(X, prefetch_factor=2),
            ValueError,
            "prefetch_factor option could only be specified",
        ),
        (
            lambda: data.DataLoader(X, persistent_workers=True),
            ValueError,
            "persistent_workers option needs num_workers > 0",
        ),
        (
            lambda: data.DataLoader(X, shuffle=True, sampler=[0]),
            ValueError,
            "sampler option is mutually exclusive with shuffle",
        ),
        (
            lambda: data.DataLoader(X, 2, batch_sampler=[[0]]),
            ValueError,
            "batch_sampler option is mutually exclusive",
        ),
        (
            lambda: data.DataLoader(X, None, drop_last=True),
            ValueError,
            "batch_size=None option disables auto-batching",
        ),
        (
            lambda: data.DataLoader(X, batch_size=0),
            ValueError,
            "batch_size should be a positive integer value, but got batch_size=0",
        ),
        (
            lambda: data.DataLoader([], shuffle=True),
            ValueError,
            "num_samples should be a positive integer value",
        ),
        (
            lambda: setattr(data.DataLoader(X), "batch_size", 2),
            ValueError,
            "batch_size attribute should not be set after",
        ),
        (
            lambda: data.TensorDataset(torch.zeros(2), torch.zeros(3)),
            AssertionError,
            "Size mismatch between tensors",
        ),
        (
            lambda: data.RandomSampler(X, replacement=1),
            TypeError,
            "replacement should be a boolean value",
        ),
        (
            lambda: data.WeightedRandomSampler([[1.0]], 2),
            ValueError,
            "weights should be a 1d sequence",
        ),
        (
            lambda: data.ConcatDataset([]),
            AssertionError,
            "datasets should not be an empty iterable",
        ),
        (
            lambda: data.Dataset()[0],
            NotImplementedError,
            "Subclasses of Dataset should implement __getitem__",
        ),
    ],
)
def test_errors(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)


def test_an_index_out_of_range_is_the_dataset_s_error():
    with pytest.raises(IndexError):
        list(data.DataLoader(data.TensorDataset(torch.zeros(3)), sampler=[5]))
    with pytest.raises(IndexError):
        list(data.DataLoader(data.Subset(data.TensorDataset(torch.zeros(3)), [0, 7]), batch_size=2))


# ---- digits --------------------------------------------------------------------------------------


def test_digits():
    train, test = torch.datasets.Digits(), torch.datasets.Digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    image, label = train[0]
    assert image.shape == (1, 8, 8) and image.dtype == torch.float32 and type(label) is int
    assert float(train.data.max()) == 1.0 and float(train.data.min()) == 0.0
    x, y = next(iter(data.DataLoader(train, batch_size=4)))
    assert x.shape == (4, 1, 8, 8) and y.tolist() == [train[i][1] for i in range(4)]
    assert torch.equal(x[2], train[2][0])
    doubled = torch.datasets.Digits(transform=lambda image: image * 2)
    assert torch.equal(next(iter(data.DataLoader(doubled)))[0][0], image * 2)


def test_digits_missing_or_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match="comes with the package"):
        torch.datasets.Digits(root=tmp_path)
    (tmp_path / "digits.bin").write_bytes(b"DIGITS1\n" + bytes(12))
    with pytest.raises(ValueError, match="damaged"):
        torch.datasets.Digits(root=tmp_path)


# ---- beside PyTorch ------------------------------------------------------------------------------


@pytest.mark.peer
@pytest.mark.skipif(peer is None, reason="PyTorch is not installed")
def test_orders_beside_pytorch():
    random.seed(0)
    for seed in range(60):
        n, size = random.randint(1, 60), random.randint(1, 20)
        options = dict(
            batch_size=size, shuffle=random.random() < 0.7, drop_last=random.random() < 0.3
        )
        runs = []
        for module, package in ((peer, peer_data), (torch, data)):
            module.manual_seed(seed)
            dataset = package.TensorDataset(module.arange(n))
            loader = package.DataLoader(dataset, **options)
            batches = [batch[0].tolist() for _ in range(2) for batch in loader]
            splits = [s.indices for s in package.random_split(dataset, [0.7, 0.3])]
            runs.append((batches, splits, module.randint(1000, (2,)).tolist()))
        assert runs[0] == runs[1]


# Of PyTorch: for each of four ranks in order and shuffled, its indices, their number, that of all.
DISTRIBUTED = [
    ([0, 4], 2, 8),
    ([1, 6], 2, 8),
    ([1, 5], 2, 8),
    ([0, 5], 2, 8),
    ([2, 6], 2, 8),
    ([4, 3], 2, 8),
    ([3, 0], 2, 8),
    ([2, 1], 2, 8),
]


@pytest.mark.parametrize("count", [3, 7, 10])
@pytest.mark.parametrize("drop_last", [False, True])
def test_distributed_sampler(count, drop_last):
    def orders(package):
        found = []
        for rank in range(4):
            for shuffle in (False, True):
                sampler = package.DistributedSampler(
                    range(count), 4, rank, shuffle, seed=3, drop_last=drop_last
                )
                sampler.set_epoch(2)
                found.append((list(sampler), len(sampler), sampler.total_size))
        return found

    if (count, drop_last) == (7, False):
        assert orders(data) == DISTRIBUTED
    if peer is not None:
        assert orders(data) == orders(peer_data)
    with pytest.raises(ValueError, match=r"Invalid rank 4, rank should be in the interval \[0, 3"):
        data.DistributedSampler(range(count), 4, 4)


def test_no_weights():
    with pytest.raises(RuntimeError, match="over an empty dimension"):
        list(data.WeightedRandomSampler([], 1))


def test_an_iterable_dataset_defines_iter():
    class Lacking(data.IterableDataset):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Lacking()


def test_collation_by_type():
    class Word:
        pass

    assert data._utils.collate.default_collate_fn_map[str](["a"]) == ["a"]
    kinds = {Word: lambda batch, *, collate_fn_map=None: len(batch), **MAP}
    found = data._utils.collate.collate([{"w": Word(), "x": 1}] * 3, collate_fn_map=kinds)
    assert found["w"] == 3 and found["x"].tolist() == [1, 1, 1]


MAP = data._utils.collate.default_collate_fn_map


def test_collation_of_arrays():
    numpy = pytest.importorskip("numpy")
    for dtype in ("?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
        for shape in ((), (3,), (2, 3), (0, 2)):
            arrays = [numpy.full(shape, i, dtype) for i in range(3)]
            found = data.default_collate(arrays)
            assert found.dtype == torch.as_tensor(arrays[0]).dtype and found.shape == (3, *shape)
            assert found.tolist() == [array.tolist() for array in arrays]
    base = numpy.arange(12.0).reshape(3, 4)
    assert data.default_collate([base.T, base.T]).tolist() == [base.T.tolist()] * 2
    base.flags.writeable = False
    assert data.default_collate((base, base)).sum().item() == 132
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        data.default_collate([numpy.ones(2), numpy.ones(3)])
    with pytest.raises(ValueError, match="negative"):
        data.default_collate([numpy.arange(3)[::-1]] * 2)
    with pytest.raises(TypeError, match="found <U1"):
        data.default_collate([numpy.array("a")] * 2)
