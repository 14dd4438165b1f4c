"""Which tensors are inference tensors: those made under inference_mode, not those that were there."""
import pytest

import flambeau as torch
import flambeau.nn.functional as F


@pytest.mark.parametrize("call", [
    lambda x: F.dropout(x, 0.5, False), torch.positive, lambda x: x.contiguous(), torch.atleast_1d,
    lambda x: x.to(torch.float32), lambda x: x.flatten(), lambda x: x.reshape(6), lambda x: x.view(6),
    lambda x: x.split(1)[0], lambda x: x.expand_as(x), lambda x: x[0], lambda x: x.detach()])
def test_an_argument_or_a_view_of_it_stays_what_it_is(call):
    x = torch.ones(2, 3)
    with torch.inference_mode():
        assert not call(x).is_inference()
    assert not x.is_inference()
    w = torch.ones(3, requires_grad=True)
    x.add_(w).sum().backward()
    assert w.grad.tolist() == [2, 2, 2]


def test_what_is_made_is_an_inference_tensor():
    x = torch.ones(2, 3)
    with torch.inference_mode():
        y = x + 1
        assert y.is_inference() and y.split(1)[0].is_inference() and y.view(6).is_inference()
        assert torch.zeros(2).is_inference() and F.dropout(x, 0.5, True).is_inference()
        assert not x.add_(1).is_inference() and not F.dropout(x, 0.5, True, True).is_inference()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        y.add_(torch.ones(3, requires_grad=True))


def test_a_view_made_under_inference_mode_is_not_written_with_a_history():
    x = torch.ones(2, 3)
    with torch.inference_mode():
        y = x.view(6)
    with pytest.raises(RuntimeError):
        y.mul_(torch.ones(6, requires_grad=True))
