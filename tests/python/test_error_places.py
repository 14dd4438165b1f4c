"""Where an error happened: the module it passed, the line whose backward failed, the line that cut a
loss off from its graph."""
import copy
import pickle
import weakref

import flambeau as torch
import pytest
from flambeau import nn


def notes(error):
    return getattr(error.value, "__notes__", [])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Identity(), nn.Linear(3, 2)])
        self.loose = [nn.Linear(3, 2)]

    def forward(self, x, loose=False):
        return self.loose[0](x) if loose else self.layers[1](self.layers[0](x))


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FLAMBEAU_LANG", "en")


def test_the_path_goes_through_lists_and_containers():
    net = nn.Sequential(Block(), nn.Sequential(Block()))
    net[1][0].layers[1] = nn.Linear(7, 1)
    with pytest.raises(RuntimeError) as error:
        net(torch.ones(4, 3))
    assert notes(error) == [
        "in net.1.0.layers.1: Linear(in_features=7, out_features=1, bias=True), given (4, 2)"
    ]


def test_a_layer_that_is_not_registered_is_named_by_its_list():
    block = Block()
    with pytest.raises(RuntimeError) as error:
        block(torch.ones(4, 5, dtype=torch.float64), loose=True)
    assert notes(error)[-1].startswith("in block.loose[0]: Linear(")
    assert notes(error)[-1].endswith("given (4, 5) float64")


def test_exceptions_of_the_program_are_noted_and_their_text_stays():
    class Raises(nn.Module):
        def forward(self, *args, **kwargs):
            raise KeyError("mine")

    net = nn.Sequential(Raises())
    with pytest.raises(KeyError) as error:
        net(torch.ones(2))
    assert error.value.args == ("mine",) and notes(error) == ["in net.0: Raises, given (2,)"]
    inner = Raises()
    with pytest.raises(KeyError) as error:
        inner([torch.ones(2), 3], None, flag=True)
    assert notes(error) == ["in inner: Raises, given list of (2,), 3, None, flag=True"]


def test_an_exception_caught_inside_can_be_raised_again_elsewhere():
    linear = nn.Linear(3, 2)
    with pytest.raises(RuntimeError) as error:
        linear(torch.ones(2))
    first = list(notes(error))
    with pytest.raises(RuntimeError) as again:
        raise error.value
    assert notes(again) == first


def failure():
    """An exception that passed a module, and whether the module lives."""
    linear = nn.Linear(3, 2)
    linear.unpicklable = lambda: None
    try:
        linear(torch.ones(2))
    except RuntimeError as error:
        return error.with_traceback(None), weakref.ref(linear)


def test_an_exception_travels_without_its_modules():
    error, module = failure()
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert again.args == error.args and again.__notes__ == error.__notes__
    assert module() is None


def test_hooks_that_raise_and_stop_iteration():
    linear = nn.Linear(3, 2)
    linear.register_forward_hook(lambda *_: (_ for _ in ()).throw(ValueError("hook")))
    with pytest.raises(ValueError) as error:
        linear(torch.ones(3))
    assert notes(error) == ["in linear: Linear(in_features=3, out_features=2, bias=True), given (3,)"]

    class Ends(nn.Module):
        def forward(self):
            raise StopIteration

    with pytest.raises(StopIteration) as error:
        Ends()()
    assert notes(error) == []


def test_backward_names_the_line_of_the_forward():
    w = torch.ones(3, requires_grad=True)
    y = torch.sigmoid(w)
    y += 1
    with pytest.raises(RuntimeError) as error:
        y.sum().backward()
    lines = str(error.value).splitlines()
    if "recorded by" in lines[1]:  # the first calls of a process are noted
        assert lines[1].endswith("y = torch.sigmoid(w)") and "test_error_places.py" in lines[1]
    assert lines[1].startswith("in the backward of SigmoidBackward0")


def test_second_backward_and_a_graph_kept_from_before_have_fixes_of_their_own():
    w = torch.ones(3, requires_grad=True)
    kept = w.exp()
    kept.sum().backward()
    with pytest.raises(RuntimeError) as error:
        (kept * 2).sum().backward()
    assert "hidden.detach()" in str(error.value).splitlines()[-1]
    loss = w.exp().sum()
    loss.backward()
    with pytest.raises(RuntimeError) as error:
        loss.backward()
    assert "call it once" in str(error.value).splitlines()[-1]


def test_what_cut_the_loss_off():
    w = torch.ones(3, requires_grad=True)
    scores = w * 2
    chosen = scores.argmax()
    loss = chosen.float()
    with pytest.raises(RuntimeError) as error:
        loss.backward()
    assert "chosen = scores.argmax()" in notes(error)[0]
    with torch.no_grad():
        quiet = (w * 2).sum()
    with pytest.raises(RuntimeError) as error:
        quiet.backward()
    assert "is under no_grad" in notes(error)[0]
    with pytest.raises(RuntimeError) as error:
        torch.ones(()).backward()
    assert notes(error) == [
        "hint: no input of this tensor has requires_grad=True, or it was computed under no_grad: "
        "compute the loss from the model's output, outside of no_grad."
    ]
