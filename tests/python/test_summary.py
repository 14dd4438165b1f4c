"""flambeau.summary and flambeau.progress."""

import io

import pytest

import flambeau as torch
from flambeau import progress, summary

nn = torch.nn


def test_a_convolutional_net():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(4 * 8 * 8, 10),
    )  # fmt: skip
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = summary(model, (2, 1, 8, 8))
    kinds = ["Sequential", "Conv2d", "BatchNorm2d", "ReLU", "Flatten", "Linear"]
    assert [layer.kind for layer in found.layers] == kinds
    assert [layer.parameters for layer in found.layers] == [0, 40, 8, 0, 0, 2570]
    assert found.layers[1].output_shapes == [(2, 4, 8, 8)]
    assert found.layers[1].multiply_adds == 2 * 4 * 64 * 9
    assert found.layers[5].multiply_adds == 2 * 10 * 256
    assert found.total_parameters == found.trainable_parameters == 2618
    assert found.multiply_adds == 2 * (4 * 64 * 9 + 2560)
    assert found.parameter_bytes == 4 * (2618 + 8) + 8
    assert found.output_bytes == 4 * 2 * (4 * 256 + 10)
    assert model.training and all(module.training for module in model.modules())
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not model._forward_hooks and not model[0]._forward_pre_hooks


def test_the_table():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert str(summary(model, torch.ones(4, 3))) == "\n".join([
        "Layer   Output shape  Parameters  Multiply-adds",
        "-----------------------------------------------",
        "Linear  [4, 2]                 8             24",
        "-----------------------------------------------",
        "Parameters: 8 (6 trainable)",
        "Multiply-adds: 24",
        "Memory: 32 B of parameters and buffers, 32 B of outputs",
    ])  # fmt: skip


def test_a_module_called_twice_and_dicts():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x, scale):
            return {"y": self.layer(self.layer(x)) * scale}

    found = summary(Net(), torch.ones(1, 2), scale=2)
    assert [layer.parameters for layer in found.layers] == [0, 6, 0]
    assert found.multiply_adds == 8 and found.total_parameters == 6
    assert found.layers[0].output_shapes == [(1, 2)]


def test_errors_leave_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError):
        summary(model, (1, 3))
    assert model.training and torch.is_grad_enabled() and not model[0]._forward_hooks
    with pytest.raises(TypeError, match="takes a module"):
        summary(3)


def test_progress_in_a_file():
    file = io.StringIO()
    assert list(progress(range(20), "train", file=file)) == list(range(20))
    lines = file.getvalue().splitlines()
    assert len(lines) == 10 and lines[0].startswith("train   10 % 2/20  0:00")
    assert lines[-1].startswith("train  100 % 20/20") and "\r" not in file.getvalue()
    file = io.StringIO()
    assert list(progress(iter("ab"), file=file)) == ["a", "b"]
    assert file.getvalue() == "2 in 0:00\n"


def test_progress_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    bar = progress(range(4), file=file, every=0)
    assert len(bar) == 4
    for i in bar:
        bar.note(loss=0.5, step=i)
        if i == 1:
            break
    text = file.getvalue()
    assert text.startswith("\r[                    ]   0 % 0/4") and text.endswith("\n")
    assert "loss 0.5  step 1" in text
