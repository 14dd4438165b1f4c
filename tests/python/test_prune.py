"""torch.nn.utils.prune.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch` the file passes
as it is.
"""
import pytest

import flambeau as torch
from flambeau.nn.utils import prune

nn = torch.nn


def linear(*rows):
    layer = nn.Linear(len(rows[0]), len(rows))
    layer.weight.data = torch.tensor(rows)
    return layer


def test_l1_unstructured():
    m = linear([1.0, -5.0, 2.0], [-0.5, 4.0, 3.0])
    weight = m.weight
    assert prune.l1_unstructured(m, "weight", amount=0.3) is m
    assert list(m.state_dict()) == ["bias", "weight_orig", "weight_mask"]
    assert m.weight.tolist() == [[0, -5, 2], [0, 4, 3]] and m.weight_orig is weight
    m(torch.ones(1, 3)).sum().backward()
    assert weight.grad.tolist() == [[0, 1, 1], [0, 1, 1]]
    with torch.no_grad():
        weight.mul_(2)
    m(torch.ones(1, 3))
    assert m.weight.tolist() == [[0, -10, 4], [0, 8, 6]]
    assert prune.is_pruned(nn.Sequential(m))
    prune.remove(m, "weight")
    assert m.weight is weight and weight.tolist() == [[0, -10, 4], [0, 8, 6]]
    assert list(m.state_dict()) == ["bias", "weight"] and not prune.is_pruned(m)
    with pytest.raises(ValueError, match="^Parameter 'weight' of module Linear.* has to be pruned"):
        prune.remove(m, "weight")


def test_methods_follow_each_other():
    m = linear([1.0, -5.0, 2.0], [-0.5, 4.0, 3.0], [7.0, 0.1, 9.0])
    prune.l1_unstructured(m, "weight", amount=2)
    prune.l1_unstructured(m, "weight", amount=1)
    hook, = m._forward_pre_hooks.values()
    assert isinstance(hook, prune.PruningContainer) and len(hook) == 2
    assert m.weight_mask.tolist() == [[0, 1, 1], [0, 1, 1], [1, 0, 1]]
    prune.ln_structured(m, "weight", amount=1, n=2, dim=0)
    assert m.weight_mask.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 1]]
    prune.ln_structured(m, "weight", amount=0.5, n=float("inf"), dim=0)
    assert m.weight_mask.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 1]]
    with pytest.raises(ValueError, match="^amount=30 should be smaller than the number of param"):
        prune.l1_unstructured(m, "weight", amount=30)


def test_random_methods():
    torch.manual_seed(5)
    m = nn.Linear(6, 5)
    prune.random_unstructured(m, "weight", amount=7)
    assert m.weight_mask.tolist() == [
        [1, 0, 1, 1, 0, 1],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 1, 1],
        [1, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 1],
    ]
    m = nn.Linear(6, 5)
    prune.random_structured(m, "weight", amount=0.4, dim=1)
    assert m.weight_mask.tolist() == [[1, 0, 1, 0, 1, 1]] * 5


def test_scores_masks_and_identity():
    m = linear([1.0, -5.0], [2.0, 3.0])
    prune.l1_unstructured(m, "weight", amount=1, importance_scores=torch.tensor([[9.0, 1], [8, 7]]))
    assert m.weight.tolist() == [[1, 0], [2, 3]]
    m.bias.data = torch.tensor([4.0, 5.0])
    prune.identity(m, "bias")
    assert m.bias.tolist() == [4, 5] and m.bias_mask.tolist() == [1, 1]
    prune.custom_from_mask(m, "bias", torch.tensor([0, 1]))
    assert m.bias.tolist() == [0, 5]
    assert prune.L1Unstructured(2).prune(torch.tensor([[3.0, -1], [0.5, 2]])).tolist() == [
        [3, 0], [0, 2]]


def test_global_unstructured():
    a, b = linear([1.0, -5.0], [2.0, 3.0]), linear([0.1, 0.2, 8.0])
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=3)
    assert a.weight_mask.tolist() == [[0, 1], [1, 1]] and b.weight_mask.tolist() == [[0, 0, 1]]
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=0.5)
    assert a.weight_mask.tolist() == [[0, 1], [0, 0]] and b.weight_mask.tolist() == [[0, 0, 1]]
    with pytest.raises(TypeError, match='^Only "unstructured" PRUNING_TYPE supported for'):
        prune.global_unstructured([(a, "weight")], prune.LnStructured, amount=1, n=2)


def test_errors_leave_the_module_as_it_was():
    m = nn.Linear(3, 2)
    for amount, kind, text in (("x", TypeError, "Invalid type for amount: x. Must be int or float"),
                               (1.5, ValueError, "amount=1.5 should either be a float in the rang"),
                               (100, ValueError, "amount=100 should be smaller than the number o")):
        with pytest.raises(kind, match=text):
            prune.l1_unstructured(m, "weight", amount=amount)
    with pytest.raises(ValueError, match="^Structured pruning can only be applied to multidimens"):
        prune.ln_structured(m, "bias", 1, 2, 0)
    with pytest.raises(IndexError, match=r"^Invalid index 2 for tensor of size torch.Size\(\[2, 3"):
        prune.ln_structured(m, "weight", 1, 2, 2)
    assert sorted(m.state_dict()) == ["bias", "weight"] and not m._forward_pre_hooks
