"""Tensors in shared memory: is_shared, share_memory_, and what multiprocessing's queues, pools and
processes make of tensors."""

import os
import signal

import pytest

import flambeau as torch
from flambeau import multiprocessing as mp
from flambeau import nn

CONTEXTS = ["fork", "spawn", "forkserver"]


def fill(tensor, value):
    tensor.fill_(value)


def give_back(tasks, answers):
    while (tensor := tasks.get()) is not None:
        tensor.mul_(2)
        answers.put((tensor.sum().item(), tensor, type(tensor).__name__))
    tasks.get()  # until the other end has what was sent


def double(x):
    return x * 2


def fail(i, at):
    if i == at:
        raise ValueError(f"process {i} fails")


def leave(i, code):
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


def count_up(i, total):
    total[i] += i + 1


def test_share_memory():
    x = torch.arange(6.0).reshape(2, 3)
    assert not x.is_shared()
    assert x.share_memory_() is x and x.is_shared() and x.tolist() == [[0, 1, 2], [3, 4, 5]]
    address = x.data_ptr()
    assert x.share_memory_().data_ptr() == address and x[0].is_shared()
    view = torch.zeros(4, 4)[1]
    base = view._base
    view.share_memory_()
    view.fill_(3)
    assert base[1].tolist() == [3, 3, 3, 3] and base.is_shared()
    empty = torch.empty(0).share_memory_()
    assert empty.is_shared() and empty.tolist() == []
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.add(torch.ones(100), 1, out=x)


def test_views_move_along():
    x = torch.arange(6.0).reshape(2, 3)
    views, alias = (x[0], x.t()), x.detach()
    x.share_memory_()
    x.fill_(3)
    assert all(t.is_shared() and t.sum().item() == 3 * t.numel() for t in (*views, alias))


def test_what_numpy_holds_lives_on():
    numpy = pytest.importorskip("numpy")
    x = torch.arange(1000.0)
    array = x.numpy()
    x.share_memory_()
    torch.empty_cache()
    assert numpy.all(array == range(1000)) and x.tolist() == array.tolist()
    y = torch.from_numpy(numpy.ones(1000)).share_memory_()
    assert y.is_shared() and y.sum().item() == 1000


def test_module_share_memory():
    model = nn.Linear(3, 2)
    assert model.share_memory() is model and all(p.is_shared() for p in model.parameters())
    process = mp.get_context("fork").Process(target=fill, args=(model.weight.data, 7))
    process.start()
    process.join()
    assert process.exitcode == 0 and model.weight.tolist() == [[7] * 3] * 2
    model(torch.ones(1, 3)).sum().backward()
    torch.optim.SGD(model.parameters(), 1.0).step()
    assert model.weight.tolist() == [[6] * 3] * 2 and model.weight.is_shared()


@pytest.mark.parametrize("method", CONTEXTS)
def test_queue(method):
    context = mp.get_context(method)
    tasks, answers = context.Queue(), context.SimpleQueue()
    process = context.Process(target=give_back, args=(tasks, answers), daemon=True)
    process.start()
    sent = [
        torch.ones(3, 4),
        torch.arange(6).reshape(2, 3).t(),
        nn.Parameter(torch.ones(2), requires_grad=False),
        torch.zeros(0, 2),
        torch.ones((), dtype=torch.bfloat16),
    ]
    for tensor in sent:
        tasks.put(tensor)
        total, received, kind = answers.get()
        assert tensor.is_shared() and received.is_shared()
        assert torch.equal(tensor, received) and total == tensor.sum().item()
        assert tensor.stride() == received.stride() and kind == type(tensor).__name__
        received.fill_(9)
        assert torch.equal(tensor, received)
    tasks.put(None)
    tasks.put(None)
    process.join(10)
    assert process.exitcode == 0


def test_queue_of_views():
    queue = mp.get_context("fork").SimpleQueue()
    x = torch.arange(6.0).reshape(2, 3)
    for view in (x[0], x.t()):
        queue.put(view)
        received = queue.get()
        assert torch.equal(received, view) and received.stride() == view.stride()
        received.fill_(1)
    assert x.is_shared() and x.sum().item() == 6
    loss = (torch.ones(2, requires_grad=True) * 2).sum()
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        queue.put(loss)


@pytest.mark.parametrize("method", CONTEXTS)
def test_process_argument(method):
    x = torch.zeros(3)
    process = mp.get_context(method).Process(target=fill, args=(x, 5))
    if method == "fork":
        x.share_memory_()
    process.start()
    process.join()
    assert process.exitcode == 0 and x.tolist() == [5, 5, 5]


def test_pool():
    with mp.get_context("fork").Pool(2) as pool:
        found = pool.map(double, [torch.full((2,), float(i)) for i in range(5)])
    assert [x.tolist() for x in found] == [[2.0 * i] * 2 for i in range(5)]


def test_spawn():
    total = torch.zeros(3)
    assert mp.spawn(count_up, (total,), nprocs=3) is None
    assert total.tolist() == [1, 2, 3]
    with pytest.raises(mp.ProcessRaisedException) as caught:
        mp.start_processes(fail, (1,), nprocs=2, start_method="fork")
    text = str(caught.value)
    assert text.startswith("\n\n-- Process 1 terminated with the following error:\nTraceback")
    assert "ValueError: process 1 fails" in text and caught.value.error_index == 1
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 3"):
        mp.start_processes(leave, (3,), start_method="fork")
    with pytest.raises(mp.ProcessExitedException, match="terminated with signal SIGTERM"):
        mp.start_processes(leave, (-signal.SIGTERM,), start_method="fork")


def test_strategies():
    assert mp.get_all_sharing_strategies() == {"file_descriptor", "file_system"}
    assert mp.get_sharing_strategy() == "file_descriptor"
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(AssertionError, match="invalid sharing strategy 'x'"):
        mp.set_sharing_strategy("x")


def test_failed_allocations():
    for n in range(6):
        x = torch.ones(500)
        torch._C._memory_fail_nth(n)
        try:
            x.share_memory_()
        except torch.OutOfMemoryError:
            assert not x.is_shared()
        torch._C._memory_fail_nth(-1)
        assert x.sum().item() == 500
