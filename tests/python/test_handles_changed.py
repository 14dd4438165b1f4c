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
