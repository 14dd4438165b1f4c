"""State dicts of modules, saved and loaded.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch`, here and in
nets.py, the file passes as it is.
"""
from collections import OrderedDict

import pytest

import flambeau as torch
from nets import Net, Scaled

nn = torch.nn


def test_state_dict():
    net = Net()
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == ["scale", "count", "a.weight", "a.bias", "inner.0.weight", "inner.0.bias"]
    assert not state["scale"].requires_grad and state["scale"].data_ptr() == net.scale.data_ptr()
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert list(net.state_dict(prefix="x."))[0] == "x.scale"
    assert state._metadata["inner.0"] == {"version": 1} and state._metadata[""] == {"version": 1}
    assert nn.BatchNorm1d(2).state_dict()._metadata[""] == {"version": 2}


def test_load_state_dict():
    one, two = Net(), Net()
    result = two.load_state_dict(one.state_dict())
    assert (
        str(result) == "<All keys matched successfully>" and result.missing_keys == [] == result[1]
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    assert two.scale is not one.scale


def test_load_state_dict_errors():
    net = Net()
    state = net.state_dict()
    state["a.weight"] = torch.zeros(4, 4)
    del state["scale"]
    state["inner.0.other"] = torch.zeros(1)
    state["surplus"] = torch.zeros(1)
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert (
        str(error.value)
        == 'Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "scale".'
        ' \n\tUnexpected key(s) in state_dict: "surplus", "inner.0.other". \n\tsize mismatch for'
        " a.weight: copying a param with shape torch.Size([4, 4]) from checkpoint, the shape in"
        " current model is torch.Size([3, 2])."
    )
    del state["a.weight"]
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["scale", "a.weight"] and result.unexpected_keys == [
        "surplus",
        "inner.0.other",
    ]
    assert repr(result) == ("_IncompatibleKeys(missing_keys=['scale', 'a.weight'], "
                            "unexpected_keys=['surplus', 'inner.0.other'])")
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        net.load_state_dict([1])
    state = net.state_dict()
    state["scale"] = 3
    with pytest.raises(
        RuntimeError, match='While copying the parameter named "scale", expected torch.Tensor'
    ):
        net.load_state_dict(state)


def test_load_state_dict_assign():
    net = Net()
    state = {k: torch.full_like(v, 2, dtype=torch.float64) for k, v in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert (
        net.scale.dtype == torch.float64
        and isinstance(net.scale, nn.Parameter)
        and net.scale.requires_grad
    )
    assert net.count.data_ptr() == state["count"].data_ptr()
    net.load_state_dict({k: v.float() for k, v in state.items()})
    assert net.scale.dtype == torch.float64


def test_old_batch_norm_checkpoints():
    norm = nn.BatchNorm1d(2)
    state = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    assert str(norm.load_state_dict(state)) == "<All keys matched successfully>"
    state = norm.state_dict()
    del state["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        norm.load_state_dict(state)


def test_state_dict_hooks():
    net, seen = Scaled(), []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append("pre"))
    net._register_state_dict_hook(lambda m, state, prefix, meta: state.update(extra=torch.ones(1)))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: seen.append("post"))
    assert list(net.state_dict()) == ["w", "extra"] and seen == ["pre", "post"]
    net.register_load_state_dict_pre_hook(
        lambda m, state, prefix, meta, strict, missing, unexpected, errors: state.pop("extra", None)
    )
    net.register_load_state_dict_post_hook(lambda m, keys: seen.append(keys.missing_keys.copy()))
    net.load_state_dict(net.state_dict())
    assert seen[-1] == []
    other = Scaled()
    other.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    other.load_state_dict({})


def test_extra_state():
    class Extra(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = 1

        def get_extra_state(self):
            return {"value": self.value}

        def set_extra_state(self, state):
            self.value = state["value"]
    one, two = nn.Sequential(Extra()), nn.Sequential(Extra())
    one[0].value = 9
    assert list(one.state_dict()) == ["0._extra_state"]
    two.load_state_dict(one.state_dict())
    assert two[0].value == 9
    with pytest.raises(RuntimeError, match='Missing key.*"0._extra_state"'):
        two.load_state_dict({})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        nn.Sequential(nn.ReLU()).load_state_dict(one.state_dict())
