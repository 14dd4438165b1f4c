"""What programs for many processes ask of one: checkpoints in folders, checkpointed layers, plans."""

import pytest

import flambeau as torch
from flambeau.distributed import checkpoint
from flambeau.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    CheckpointImpl,
    apply_activation_checkpointing,
    checkpoint_wrapper,
)
from flambeau.distributed.checkpoint import state_dict as states
from flambeau.distributed.tensor.parallel import ColwiseParallel, parallelize_module


def trained(seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_a_checkpoint_in_a_folder(tmp_path):
    model, optimizer = trained(0)
    own, of_optimizer = states.get_state_dict(model, optimizer)
    assert list(of_optimizer["state"]) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    checkpoint.save({"model": own, "optimizer": of_optimizer, "step": 7}, checkpoint_id=tmp_path / "c")
    other, another = trained(1)
    own, of_optimizer = states.get_state_dict(other, another)
    found = {"model": own, "optimizer": of_optimizer, "step": 0}
    checkpoint.load(found, checkpoint_id=tmp_path / "c")
    states.set_state_dict(other, another, model_state_dict=found["model"],
                          optim_state_dict=found["optimizer"])
    assert found["step"] == 7 and torch.equal(other[0].weight, model[0].weight)
    moments = [o.state[m[0].weight]["exp_avg"] for m, o in ((model, optimizer), (other, another))]
    assert torch.equal(*moments)
    with pytest.raises(RuntimeError, match="Missing key in checkpoint state_dict: model.nothing"):
        checkpoint.load({"model": {"nothing": torch.ones(1)}}, checkpoint_id=tmp_path / "c")
    (tmp_path / "c" / ".metadata").touch()
    with pytest.raises(RuntimeError, match="a distributed checkpoint of PyTorch's"):
        checkpoint.load(found, checkpoint_id=tmp_path / "c")


@pytest.mark.parametrize("impl", CheckpointImpl)
def test_checkpointed_layers(impl):
    plain, _ = trained(0)
    model, _ = trained(0)
    x = torch.ones(4, 2, requires_grad=True)
    apply_activation_checkpointing(
        model, lambda m: checkpoint_wrapper(m, impl), lambda m: isinstance(m, torch.nn.Linear))
    assert list(model.state_dict()) == list(plain.state_dict())
    assert [n for n, _ in model[0].named_parameters()] == ["weight", "bias"]
    model.load_state_dict(plain.state_dict())
    for m in (plain, model):
        m.zero_grad()
        m(x).sum().backward()
    assert torch.equal(model[0].weight.grad, plain[0].weight.grad)


def test_plans_and_refusals():
    layer = torch.nn.Linear(2, 2)
    assert parallelize_module(layer, None, {"": ColwiseParallel()}) is layer
    for refused in (
        lambda: torch.nested.nested_tensor([torch.ones(2)]),
        lambda: torch.utils.cpp_extension.load("x", ["x.cpp"]),
        lambda: torch.distributed.optim.DistributedOptimizer(torch.optim.SGD, []),
        lambda: torch.distributed.nn.RemoteModule("worker", torch.nn.Linear),
    ):
        with pytest.raises(NotImplementedError, match="Flambeau has no torch"):
            refused()
