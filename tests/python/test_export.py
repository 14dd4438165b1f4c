"""torch.export as far as running goes, and what models are asked for their inner steps."""

import pickle

import pytest

import flambeau as torch
from flambeau import fx
from flambeau.vision import models
from flambeau.vision.models.feature_extraction import create_feature_extractor, get_graph_node_names
from flambeau.vision.transforms import v2


class Affine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)

    def forward(self, x, *args, k=2, **kw):
        return self.linear(x) + args[0] * kw["z"] + k


def test_an_exported_program_runs():
    layer, x = torch.nn.Linear(2, 1), torch.ones(1, 2)
    batch = torch.export.Dim("batch", max=8)
    program = torch.export.export(layer, (x,), dynamic_shapes={"input": {0: batch}})
    assert torch.equal(program.module()(x), layer(x)) and list(program.state_dict) == ["weight", "bias"]
    assert [n.op for n in program.graph.nodes] == ["placeholder", "get_attr", "get_attr",
                                                   "call_function", "output"]
    assert repr(batch) == "Dim('batch', max=8)"
    with pytest.raises(RuntimeError, match="Unable to call ExportedProgram directly"):
        program(x)
    with pytest.raises(ValueError, match="Expected `mod` to be an instance"):
        torch.export.export(lambda x: x, (x,))
    with pytest.raises(NotImplementedError, match="torch.export.save"):
        torch.export.save(program, "x.pt2")


def test_starred_parameters_are_traced():
    traced, x = fx.symbolic_trace(Affine()), torch.ones(1, 2)
    assert [n.target for n in traced.graph.nodes if n.op == "placeholder"] == ["x", "k", "*args", "**kw"]
    wanted = traced.linear(x) + 3.0 + 2
    assert torch.equal(traced(x, 2, torch.ones(2), z=3.0), wanted)
    again = pickle.loads(pickle.dumps(traced))
    assert again.code == traced.code and type(again).__name__ == "Affine"
    assert torch.equal(again(x, 2, torch.ones(2), z=3.0), wanted)
    joined = fx.symbolic_trace(lambda *xs: torch.cat([xs[0], xs[1]]))
    assert joined(x, x).shape == (2, 2)


def test_steps_of_a_model():
    model = models.resnet18()
    training, evaluation = get_graph_node_names(model)
    assert training == evaluation and training[:3] == ["x", "conv1", "bn1"]
    assert training[-3:] == ["avgpool", "flatten", "fc"] and "layer4.1.relu_1" in training
    wanted = {"layer1": "first", "layer3.0.relu_1": "inner", "flatten": "flat"}
    extractor = create_feature_extractor(model, wanted).eval()
    found = extractor(torch.ones(1, 3, 32, 32))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "first": (1, 64, 8, 8), "inner": (1, 256, 2, 2), "flat": (1, 512),
    }
    assert not hasattr(extractor, "fc") and model.training
    with pytest.raises(ValueError, match="node: 'nowhere' is not present in model"):
        create_feature_extractor(model, ["nowhere"])


def test_blended_batches():
    torch.manual_seed(0)
    images, labels = torch.arange(8.0).reshape(2, 1, 2, 2), torch.tensor([0, 2])
    blended, shares = v2.MixUp(num_classes=3)(images, labels)
    share = shares[0, 0].item()
    assert torch.allclose(shares, torch.tensor([[share, 0, 1 - share], [1 - share, 0, share]]))
    assert torch.allclose(blended[0], images[0] * share + images[1] * (1 - share))
    torch.manual_seed(3)
    cut, shares = v2.CutMix(num_classes=3)(torch.rand(4, 3, 8, 8), torch.randint(3, (4,)))
    assert cut.shape == (4, 3, 8, 8) and torch.allclose(shares.sum(1), torch.ones(4))
    with pytest.raises(ValueError, match="num_classes must be passed"):
        v2.MixUp()(images, labels)
    with pytest.raises(ValueError, match="Could not infer where the labels are"):
        v2.MixUp(num_classes=3)({"image": images})


def test_what_a_program_takes_and_gives():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = torch.nn.Linear(2, 3)
            self.register_buffer("b", torch.ones(3))

        def forward(self, x, y):
            return self.l(x) + self.b, y

    program = torch.export.export(Net(), (torch.ones(1, 2), torch.ones(3)))
    signature = program.graph_signature
    assert signature.user_inputs == ("x", "y") and signature.user_outputs[1] == "y"
    assert signature.parameters == ("l.weight", "l.bias") and signature.buffers == ("b",)
    assert signature.inputs_to_parameters == {"p_l_weight": "l.weight", "p_l_bias": "l.bias"}
    assert "b_b: BUFFER target='b'" in str(signature)
    assert str(program).startswith("ExportedProgram:\n    class GraphModule(torch.nn.Module):")
