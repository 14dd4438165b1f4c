"""The loader's workers: orders, draws and messages are PyTorch's; a worker that raises, dies or
hangs costs one batch; nothing is left behind."""

import gc
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import flambeau as torch
from flambeau.utils import data

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Numbers(data.Dataset):
    """0, 1, 2, ...; act(i) runs first."""

    def __init__(self, count, act=None):
        self.count, self.act = count, act

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if self.act is not None:
            self.act(i)
        return i


class Draws(data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        return i, int(torch.randint(1000, ()).item()), random.randrange(1000)


class Stream(data.IterableDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return iter(range(self.count))


class Shards(Stream):
    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(info.id, self.count, info.num_workers))


def only(i, act):
    """An act for one index."""
    return lambda index: act() if index == i else None


def hang():
    time.sleep(600)


def drained(loader):
    """The batches as lists; an exception stands as its type's name; the end as None."""
    iterator, found = iter(loader), []
    while True:
        try:
            found.append(next(iterator).tolist())
        except StopIteration:
            return [*found, None]
        except Exception as error:
            found.append(type(error).__name__)


def open_files():
    return len(os.listdir("/proc/self/fd"))


def children():
    """The pids of our workers that live, but for iterators that only garbage holds."""
    gc.collect()
    return [process.pid for process in multiprocessing.active_children()]


# ---- orders and draws, as PyTorch 2.13 gives them ------------------------------------------------


def test_order_and_draws():
    torch.manual_seed(0)
    loader = data.DataLoader(Draws(), batch_size=2, num_workers=2, shuffle=True)
    found = [[column.tolist() for column in batch] for batch in loader]
    assert found == [
        [[0, 4], [906, 10], [218, 818]],
        [[3, 5], [724, 2], [791, 832]],
        [[2, 1], [804, 13], [283, 58]],
    ]
    assert torch.randint(1000, (2,)).tolist() == [963, 379]


def test_numpy_is_seeded():
    numpy = pytest.importorskip("numpy")
    torch.manual_seed(0)
    loader = data.DataLoader(NumpyDraws(), num_workers=2, batch_size=None)
    assert list(loader) == [522, 234, 297, 407, 434, 586]
    assert numpy is not None


class NumpyDraws(Draws):
    def __getitem__(self, i):
        import numpy

        return int(numpy.random.randint(1000))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_start_methods(method):
    torch.manual_seed(0)
    loader = data.DataLoader(Draws(), 3, num_workers=1, multiprocessing_context=method)
    assert [batch[1].tolist() for batch in loader] == [[906, 10, 804], [13, 369, 35]]


def test_generator_draws_the_seed():
    generator = torch.Generator().manual_seed(5)
    loader = data.DataLoader(Draws(), 6, num_workers=1, generator=generator)
    ((_, drawn, _),) = list(loader)
    assert drawn.tolist() == [557, 364, 179, 234, 276, 798]


def test_iterable():
    assert drained(data.DataLoader(Stream(3), 2, num_workers=2)) == [[0, 1], [0, 1], [2], [2], None]
    loader = data.DataLoader(Shards(10), 2, num_workers=2)
    assert drained(loader) == [[0, 2], [1, 3], [4, 6], [5, 7], [8], [9], None]
    loader = data.DataLoader(Shards(10), 2, num_workers=2, drop_last=True)
    assert drained(loader) == [[0, 2], [1, 3], [4, 6], [5, 7], None]


def test_length_of_an_iterable_is_checked():
    class Told(Stream):
        def __len__(self):
            return 2

    loader = data.DataLoader(Told(2), num_workers=2)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2.*IterableDataset replica"):
        assert len(list(loader)) == 4


def test_worker_info_and_init():
    def tell(i):
        info = data.get_worker_info()
        assert (info.id, info.num_workers, info.worker_method) == (i, 2, "multiprocessing")
        info.dataset.act = lambda index: told.append(info.seed)

    told = []
    loader = data.DataLoader(Numbers(4), num_workers=2, worker_init_fn=tell)
    assert drained(loader) == [[0], [1], [2], [3], None]
    assert told == [] and data.get_worker_info() is None


def test_out_of_order():
    slow = Numbers(4, only(0, lambda: time.sleep(0.5)))
    loader = data.DataLoader(slow, num_workers=2, in_order=False)
    assert drained(loader) in ([[1], [3], [0], [2], None], [[1], [0], [3], [2], None])
    loader = data.DataLoader(slow, num_workers=2)
    assert drained(loader) == [[0], [1], [2], [3], None]


def test_persistent_workers():
    class Pids(Numbers):
        def __getitem__(self, i):
            return os.getpid()

    loader = data.DataLoader(Pids(4), num_workers=2, persistent_workers=True)
    first = [batch.item() for batch in loader]
    iterator = iter(loader)
    next(iterator)  # a pass that is not finished
    assert [batch.item() for batch in loader] == first and len(set(first)) == 2
    assert os.getpid() not in first
    del iterator, loader
    gc.collect()
    assert not set(children()) & set(first)


def test_samplers_and_collate():
    loader = data.DataLoader(Numbers(9), batch_sampler=[[8, 1], [3], [2, 5]], num_workers=2)
    assert drained(loader) == [[8, 1], [3], [2, 5], None]
    loader = data.DataLoader(Numbers(4), 2, num_workers=1, collate_fn=lambda items: sum(items))
    assert list(loader) == [1, 5]
    loader = data.DataLoader(Numbers(3), batch_size=None, num_workers=1, sampler=[2, 0])
    assert list(loader) == [2, 0]


@pytest.mark.parametrize("kind", ["tensor", "items"])
def test_an_own_getitem_is_not_bypassed(kind):
    class Doubled(data.TensorDataset):
        if kind == "items":

            def __getitems__(self, indices):
                return [(2 * self.tensors[0][i],) for i in indices]

        else:

            def __getitem__(self, i):
                return (2 * self.tensors[0][i],)

    for workers in (0, 1):
        loader = data.DataLoader(Doubled(torch.arange(4)), 2, num_workers=workers)
        assert [batch[0].tolist() for batch in loader] == [[0, 2], [4, 6]]


def test_thread_workers():
    def check(i):
        info = data.get_worker_info()
        assert info.worker_method == "thread" and info.rng.random_generator.random() >= 0

    options = dict(num_workers=2, worker_method="thread")
    assert drained(data.DataLoader(Numbers(4, check), **options)) == [[0], [1], [2], [3], None]
    failing = Numbers(4, only(1, lambda: 1 // 0))
    loader = data.DataLoader(failing, **options)
    assert drained(loader) == [[0], "ZeroDivisionError", [2], [3], None]
    with pytest.raises(ZeroDivisionError, match="in DataLoader worker thread 1"):
        list(loader)
    hanging = data.DataLoader(Numbers(3, only(1, lambda: time.sleep(8))), timeout=2, **options)
    assert drained(hanging) == [[0], "RuntimeError", [2], None]


# ---- memory --------------------------------------------------------------------------------------


class Images(data.Dataset):
    def __init__(self, count=40):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return {"x": torch.full((64, 32), float(i)), "y": i, "views": torch.arange(6.0)[2:4]}


def test_batches_are_shared_and_kept():
    kept = list(data.DataLoader(Images(), 4, num_workers=2))
    for n, batch in enumerate(kept):
        rows = torch.arange(4 * n, 4 * n + 4)
        assert batch["x"].is_shared() and batch["x"]._version == 0
        assert torch.equal(batch["x"][:, 3, 5], rows.float()) and torch.equal(batch["y"], rows)
        assert batch["views"].tolist() == 4 * [[2.0, 3.0]]
        batch["x"].add_(1)


def test_memory_is_used_again():
    addresses = set()
    for n, batch in enumerate(data.DataLoader(Images(160), 4, num_workers=2)):
        addresses.add(batch["x"].data_ptr())
        assert batch["x"]._version == 0
        assert torch.equal(batch["x"][:, 1, 1], torch.arange(4.0 * n, 4.0 * n + 4))
        batch["x"].zero_()
    assert len(addresses) < 20  # of 40


def test_memory_of_a_small_tensor_holds_a_larger_one():
    """Features and labels of a few samples are of one page each, and take each other's."""
    table = data.TensorDataset(torch.arange(4000.0).view(400, 10), torch.arange(400))
    batches = list(data.DataLoader(table, 4, num_workers=2))
    assert len(batches) == 100
    features = torch.cat([x for x, _ in batches])
    assert torch.equal(features, table.tensors[0])
    seen = 0
    for x, y in data.DataLoader(table, 4, num_workers=2, shuffle=True):  # dropped at once
        assert x[:, 0].tolist() == [10 * i for i in y.tolist()]
        seen += len(y)
    assert seen == 400


def test_what_the_program_keeps_is_not_used_again():
    numpy = pytest.importorskip("numpy")
    rows, arrays, read = [], [], []
    for batch in data.DataLoader(Images(240), 4, num_workers=2):
        rows.append(batch["x"][2, 3])
        arrays.append(batch["x"].numpy()[1])
        read.append(memoryview(batch["y"]))
    for n in range(60):
        assert rows[n].tolist() == [4.0 * n + 2] * 32 and numpy.all(arrays[n] == 4 * n + 1)
        assert list(read[n]) == list(range(4 * n, 4 * n + 4))


def test_what_another_process_has_is_not_used_again():
    from flambeau import multiprocessing as shared

    loader = iter(data.DataLoader(Images(200), 4, num_workers=1))
    sent, got = shared.SimpleQueue(), os.pipe()
    batches = [next(loader) for _ in range(3)]
    sent.put(batches[1]["x"])
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os.read(got[0], 1)
        good = all(b["y"].tolist() == list(range(4 * n, 4 * n + 4)) for n, b in enumerate(batches))
        good = good and all(b["x"][3, 0, 0].item() == 4 * n + 3 for n, b in enumerate(batches))
        os._exit(0 if good else 1)
    del batches
    for batch in loader:
        batch["x"].fill_(-1)
    os.write(got[1], b".")
    assert os.waitpid(pid, 0)[1] == 0
    assert sent.get()[:, 0, 0].tolist() == [4, 5, 6, 7]
    for end in got:
        os.close(end)


def test_tensors_that_a_worker_keeps():
    class Kept(data.Dataset):
        def __init__(self):
            self.rows = [torch.full((3000,), float(i)) for i in range(4)]
            self.whole = torch.arange(40000.0).reshape(4, 10000)

        def __len__(self):
            return 60

        def __getitem__(self, i):
            fresh = torch.full((3000,), float(i))
            return self.rows[i % 4], self.whole[i % 4], fresh

    for i, (row, part, fresh) in enumerate(data.DataLoader(Kept(), batch_size=None, num_workers=2)):
        assert row.tolist() == [i % 4] * 3000 and fresh[7].item() == i
        assert part[5].item() == i % 4 * 10000 + 5 and part.untyped_storage().nbytes() == 40000
        fresh.fill_(-1)


def test_when_a_segment_is_free():
    from flambeau.utils.data._utils.segments import Filler

    filler, size = Filler(), 4096
    x = torch._C._new_shared((1024,), torch.float32)
    number, new = filler.number_of(x)
    filler.settle({number: size})
    assert new and filler.number_of(x) == (number, False)
    filler.settle({number: size})
    filler.come_back([(number, 1, size)], [])  # it was sent again meanwhile
    assert filler.spare == 0
    assert filler.take(size) is None
    filler.come_back([(number, 2, size)], [])
    assert filler.take(size) is None and filler.forgotten == [number]  # the worker uses it
    y = torch._C._new_shared((1024,), torch.float32)
    number = filler.number_of(y)[0]
    filler.settle({number: size})
    del y
    filler.come_back([(number, 1, size)], [])
    holder = filler.take(size - 100)
    assert holder is not None and filler.take(size) is None
    filler.settle({})  # it was taken for a batch that never went
    assert filler.take(size) is holder
    filler.settle({})
    filler.come_back([], [number])
    assert filler.take(size) is None and not filler.holders


def test_a_batch_that_cannot_be_sent():
    def collate(items):
        x = torch.full((3000,), float(items[0]))
        return (x, lambda: 1) if items[0] % 2 else (x, 1)

    iterator = iter(data.DataLoader(Numbers(20), num_workers=1, collate_fn=collate))
    for i in range(20):
        if i % 2:
            with pytest.raises(Exception, match="in DataLoader worker process 0"):
                next(iterator)
        else:
            assert next(iterator)[0][0].item() == i


def test_what_a_batch_may_hold():
    def collate(items):
        x = torch.arange(6.0).reshape(2, 3)
        return {
            "t": x.t(),
            "row": x[1],
            "empty": torch.zeros(0, 3),
            "half": x.to(torch.bfloat16),
            "grad": torch.ones(2, requires_grad=True),
            "text": "abc",
            "many": [torch.tensor(i) for i in range(300)],
        }

    (batch,) = list(data.DataLoader(Numbers(1), num_workers=1, collate_fn=collate))
    assert batch["t"].tolist() == [[0, 3], [1, 4], [2, 5]] and batch["t"].stride() == (1, 3)
    assert batch["row"].tolist() == [3, 4, 5] and batch["empty"].shape == (0, 3)
    assert batch["half"].dtype == torch.bfloat16 and batch["grad"].requires_grad
    assert batch["text"] == "abc" and [t.item() for t in batch["many"]] == list(range(300))


def test_thousands_of_batches_leave_nothing():
    loader = data.DataLoader(Numbers(3000), num_workers=2, prefetch_factor=8)
    iterator = iter(loader)
    for _ in range(100):
        next(iterator)
    files, memory = open_files(), resident()
    for _ in range(2800):
        next(iterator)
    files, memory = open_files() - files, resident() - memory
    del iterator
    gc.collect()
    assert files == 0
    if not os.environ.get("FLAMBEAU_SANITIZED"):  # whose allocator keeps what is freed
        assert memory < 8 * 2**20


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_iterators_leave_nothing():
    list(data.DataLoader(Images(), 4, num_workers=2))
    files, shm = open_files(), os.listdir("/dev/shm")
    for _ in range(5):
        iterator = iter(data.DataLoader(Images(), 4, num_workers=2))
        next(iterator)
        del iterator
    gc.collect()
    assert open_files() == files and children() == []
    left = set(os.listdir("/dev/shm")) - set(shm)  # maybe of another process, which removes it soon
    for _ in range(300):
        left &= set(os.listdir("/dev/shm"))
        if left:
            time.sleep(0.1)
    assert not left


def test_no_memory_to_share():
    def limit(i):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, 1 << 14))

    loader = data.DataLoader(Images(4), 4, num_workers=1, worker_init_fn=limit)
    with pytest.raises(torch.OutOfMemoryError, match="shared memory") as caught:
        list(loader)
    assert "in DataLoader worker process 0" in str(caught.value)
    loader = data.DataLoader(Images(4), 1, num_workers=1, worker_init_fn=limit)
    assert len(list(loader)) == 4


# ---- faults --------------------------------------------------------------------------------------


def test_an_exception_costs_one_batch():
    def fail():
        raise KeyError("img_7")

    for workers in (0, 1, 2):
        loader = data.DataLoader(Numbers(5, only(2, fail)), num_workers=workers)
        assert drained(loader) == [[0], [1], "KeyError", [3], [4], None]
    with pytest.raises(KeyError) as caught:
        list(loader)
    text = str(caught.value)
    assert text.startswith("Caught KeyError in DataLoader worker process 0.\nOriginal Traceback")
    assert "in fail" in text and text.endswith("KeyError: 'img_7'\n")


def test_exceptions_elsewhere():
    def fail(*ignored):
        raise ValueError("no")

    start = "Caught ValueError in DataLoader worker process 0."
    for options in ({"worker_init_fn": fail}, {"collate_fn": fail}):
        with pytest.raises(ValueError, match=start):
            list(data.DataLoader(Numbers(2), num_workers=1, **options))
    local = data.DataLoader(Numbers(2), num_workers=1, collate_fn=lambda items: (lambda: 1))
    with pytest.raises(Exception, match="pickle.*|local object"):
        list(local)
    spawned = data.DataLoader(
        Numbers(2, lambda i: None), num_workers=1, multiprocessing_context="spawn"
    )
    with pytest.warns(UserWarning, match="Got pickle error"), pytest.raises(Exception):
        iter(spawned)


@pytest.mark.parametrize("end", ["kill", "exit", "terminate"])
def test_a_worker_that_dies_costs_one_batch(end):
    def die():
        if end == "exit":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL if end == "kill" else signal.SIGTERM)

    loader = data.DataLoader(Numbers(7, only(2, die)), num_workers=2)
    assert drained(loader) == [[0], [1], "RuntimeError", [3], [4], [5], [6], None]
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited") as caught:
        list(loader)
    cause = str(caught.value.__cause__)
    why = {"exit": "exit code 3", "kill": "signal: Killed", "terminate": "signal: Terminated"}
    assert why[end] in cause


def test_an_idle_worker_is_killed():
    iterator = iter(data.DataLoader(Numbers(8), num_workers=1))
    next(iterator)
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    found = []
    for _ in range(9):
        try:
            found.append(next(iterator).item())
        except RuntimeError:
            found.append(None)
        except StopIteration:
            break
    assert found.count(None) == 1 and found[-1] == 7


def test_a_worker_that_hangs_costs_one_batch():
    loader = data.DataLoader(Numbers(5, only(1, hang)), num_workers=2, timeout=4)
    iterator = iter(loader)
    assert next(iterator).item() == 0
    with pytest.raises(RuntimeError, match="^DataLoader timed out after 4 seconds$") as caught:
        next(iterator)
    assert "in hang" in str(caught.value.__cause__)
    assert [batch.item() for batch in iterator] == [2, 3, 4]
    assert children() == []


def test_leaving_a_hanging_worker():
    iterator = iter(data.DataLoader(Numbers(2, only(1, hang)), num_workers=1))
    next(iterator)
    start = time.monotonic()
    del iterator
    gc.collect()
    assert children() == [] and time.monotonic() - start < 20


def test_beside_running_threads():
    stop = threading.Event()

    def compute():
        x = torch.randn(64, 64)
        while not stop.is_set():
            x.matmul(x)

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            loader = data.DataLoader(Images(8), 2, num_workers=2)
            assert [batch["y"].sum().item() for batch in loader] == [1, 5, 9, 13]
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# ---- programs of their own -----------------------------------------------------------------------

PROGRAM = """
    import os, sys, time
    import flambeau as torch
    from flambeau.utils import data

    class Slow(data.Dataset):
        def __len__(self):
            return 100

        def __getitem__(self, i):
            os.write(1, b"worker %d\\n" % os.getpid())
            time.sleep(600 if i > 1 else 0)
            return i

    list(data.DataLoader(Slow(), num_workers=2))
"""


def start(program):
    """Runs a text, until each of two workers waits; the process and the workers' pids."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    pids = []
    while len(pids) < 4:
        pids.append(int(process.stdout.readline().split()[1]))
    return process, set(pids)


def gone(pids):
    """Whether these processes end within 5 s."""
    end = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_parent_killed():
    process, workers = start(PROGRAM)
    process.kill()
    assert gone(workers)
    process.communicate()


def test_interrupt():
    process, workers = start(PROGRAM)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, errors = process.communicate(timeout=20)
    assert gone(workers) and process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")


# ---- taking up an iteration ----------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_resume(workers, taken):
    def loader(source):
        return data.DataLoader(source, 2, shuffle=True, num_workers=workers)

    for source in (Numbers(9), data.TensorDataset(torch.arange(9))):
        torch.manual_seed(3)
        first = loader(source)
        iterator = iter(first)
        seen = [next(iterator) for _ in range(taken)]
        state = first.state_dict()
        rest = [str(batch) for batch in iterator]
        assert len(seen) + len(rest) == 5
        torch.manual_seed(99)
        second = loader(source)
        second.load_state_dict(state)
        before = torch.get_rng_state()
        assert [str(batch) for batch in second] == rest
        assert torch.equal(torch.get_rng_state(), before)
        assert len(list(second)) == 5 and second.state_dict()["num_yielded"] == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_resume_a_stream(workers):
    loader = data.DataLoader(Stream(5), 2, num_workers=workers)
    whole = drained(loader)
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    again = data.DataLoader(Stream(5), 2, num_workers=workers)
    again.load_state_dict(state)
    assert drained(again) == whole[1:]
