"""Handles that get other memory or another shape while another thread's call reads them."""

import threading

import pytest

import flambeau as torch

SIZES = (300_000, 70_000)  # both long enough to be computed without the GIL


def give_data(x, size):
    x.data = torch.ones(size)


def resize(x, size):
    x.resize_(size).fill_(1)


def write_out(x, size):
    x.resize_(0)
    torch.add(torch.zeros(size), 1, out=x)


def turn(x, size):
    x.unsqueeze_(0).t_().squeeze_(1)


@pytest.mark.parametrize("change", [give_data, resize, write_out, turn])
def test_a_change_waits_for_calls(change):
    x = torch.ones(SIZES[0])
    wrong, ends = [], threading.Event()

    def compute():
        try:
            while not ends.is_set():
                for y in (x * 2, torch.cat([x, x]), x.sort()[0], x.softmax(0)):
                    if y.numel() not in (*SIZES, 2 * SIZES[0], 2 * SIZES[1], 0):
                        wrong.append(y.shape)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(20):
        change(x, SIZES[i % 2])
    ends.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_view_given_other_memory_is_a_view_no_longer():
    x = torch.zeros(6)
    v = x[:4]
    v.data = torch.ones(2, 2)
    v.add_(torch.ones(2, 2, requires_grad=True))
    v.sum().backward()
    assert x.tolist() == [0.] * 6 and not x.requires_grad and v.tolist() == [[2., 2.]] * 2


def test_a_change_from_within_its_own_call():
    x = torch.ones(SIZES[0], requires_grad=True)
    y = x * 1

    def pack(t):
        y.detach().data = torch.zeros(2)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        z = y * y
    z.sum().backward()
    assert x.grad[0] == 2


@pytest.mark.parametrize("change", [give_data, resize, write_out])
def test_a_change_waits_for_backward(change):
    """A gradient is of one content of x, and of its size, or refused: never of two."""
    w = torch.ones((), requires_grad=True)
    x = torch.ones(SIZES[0])
    wrong, ends = [], threading.Event()

    def compute():
        try:
            while not ends.is_set():
                y = (w * x).sum()
                try:
                    y.backward()
                except RuntimeError as error:
                    if "modified by an inplace operation" not in str(error):
                        wrong.append(error)
                    w.grad = None
                    continue
                if w.grad.item() not in (0, *SIZES):
                    wrong.append(w.grad.item())
                w.grad = None
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=compute)
    thread.start()
    for i in range(40):
        change(x, SIZES[i % 2])
    ends.set()
    thread.join()
    assert not wrong


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_a_change_waits_for_steps(kind):
    sizes = 200_000, 300_000  # both long enough to be updated without the GIL
    x = torch.zeros(sizes[0], requires_grad=True)
    wrong, ends = [], threading.Event()

    def train():
        try:
            while not ends.is_set():
                step = kind([x], lr=1.0)
                x.grad = None
                try:
                    x.grad = torch.zeros_like(x)
                    step.step()
                except RuntimeError as error:  # another shape came between the two lines
                    if "size" not in str(error) and "shape" not in str(error):
                        wrong.append(error)
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    for i in range(40):
        x.data = torch.full((sizes[i % 2],), float(i))
        x.detach().sum()
    ends.set()
    thread.join()
    assert not wrong and x.min() == x.max() == 39


def test_a_change_waits_for_files(tmp_path):
    x = torch.zeros(SIZES[0])
    wrong, ends = [], threading.Event()

    def write():
        try:
            while not ends.is_set():
                torch.save({"x": x}, tmp_path / "x.safetensors")
                y = torch.load(tmp_path / "x.safetensors")["x"]
                if y.numel() not in SIZES or y.min() != y.max():
                    wrong.append(y)
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    for i in range(40):
        x.data = torch.full((SIZES[i % 2],), float(i))
        x.sum()
    ends.set()
    thread.join()
    assert not wrong


def test_data_of_what_a_graph_has_saved():
    w = torch.ones(3, requires_grad=True)
    y, cache = (w * w).sum(), torch.zeros(2, 2)
    cache.data = w.detach()
    y.backward()
    assert w.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_hook_may_wait_for_another_threads_change():
    x = torch.ones(4, requires_grad=True)
    other = torch.ones(SIZES[0])

    def hook(g):
        thread = threading.Thread(target=give_data, args=(other, 3))
        thread.start()
        thread.join()
        return g * 2

    y = x * 1
    y.register_hook(hook)
    y.sum().backward()
    assert x.grad.tolist() == [2] * 4 and other.tolist() == [1] * 3


def saved():
    p = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    x = p * 1
    return p, x, (x * x).sum()


@pytest.mark.parametrize("change", [lambda x: setattr(x, "data", torch.ones(1)),
                                    lambda x: setattr(x, "data", torch.ones(2, 2).double()),
                                    lambda x: x.set_(torch.ones(1))])
def test_what_was_saved_and_has_another_shape_is_refused(change):
    p, x, y = saved()
    change(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_what_was_saved_may_be_given_new_values():
    layer = torch.nn.Linear(2, 2)
    x = torch.ones(1, 2, requires_grad=True)
    y = layer(x).sum()
    layer.weight.data = torch.full((2, 2), 3.0)
    y.backward()
    assert x.grad.tolist() == [[6, 6]]
