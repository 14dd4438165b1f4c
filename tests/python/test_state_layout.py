"""State dicts have PyTorch's names, order, shapes and dtypes, of modules and of optimizers.

state_layout.json holds what PyTorch 2.13 gives for the same expressions: of a module, (name, shape,
dtype) of every entry; of an optimizer after a step, the keys of its group and of the first state.
"""
import json
import pathlib
import warnings

import pytest

import flambeau as torch
import flambeau.nn.utils.prune  # noqa: F401  named by an expression

nn = torch.nn
KNOWN = json.loads(pathlib.Path(__file__).with_name("state_layout.json").read_text())


def module_layout(expression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = eval(expression).state_dict()
    return [[name, list(t.shape), str(t.dtype)] for name, t in state.items()]


def optimizer_layout(name):
    layer = nn.Linear(3, 4, bias=False)
    optimizer = getattr(torch.optim, name)(layer.parameters())

    def loss():
        optimizer.zero_grad()
        value = layer(torch.ones(2, 3)).square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    state = optimizer.state_dict()
    entries = [[key, list(v.shape), str(v.dtype)] if isinstance(v, torch.Tensor) else key
               for key, v in state["state"].get(0, {}).items()]
    return [list(state["param_groups"][0]), entries]


@pytest.mark.parametrize("expression", KNOWN["modules"])
def test_modules(expression):
    assert module_layout(expression) == KNOWN["modules"][expression]


@pytest.mark.parametrize("name", KNOWN["optimizers"])
def test_optimizers(name):
    assert optimizer_layout(name) == KNOWN["optimizers"][name]
