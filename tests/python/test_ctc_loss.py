"""CTC: PyTorch's losses and gradients for both kinds of targets and lengths, and its errors."""
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

T, N, C = 6, 3, 4
ROWS = [[1, 2, 2], [3, 1, 1], [1, 2, 3]]

# Targets, lengths of inputs and targets, options; then of PyTorch 2.13: the losses, the gradient
# weighed by its positions and summed, and its row at step 1.
CASES = [
    (ROWS, [6, 4, 5], [2, 3, 1], {"reduction": "none"},
     [4.3251827, 8.2080809, 4.9293405], 22.324339,
     [-0.005801, -0.178046, 0.132492, 0.051354, 0.514947, -1.857641, 1.051895, 0.2908, -0.85545,
      0.144103, 0.557285, 0.154063]),
    (ROWS, [6, 4, 5], [2, 3, 1], {}, [3.2759863], 2.502442,
     [-0.000967, -0.029674, 0.022082, 0.008559, 0.028608, -0.103202, 0.058439, 0.016156, -0.09505,
      0.016011, 0.061921, 0.017118]),
    ([1, 2, 3, 1, 1, 1], [6, 4, 5], [2, 3, 1], {"reduction": "sum"}, [17.4626041], 10.270917,
     [-0.005801, -0.178046, 0.132492, 0.051354, 0.257473, -0.928821, 0.525948, 0.1454, -0.28515,
      0.048034, 0.185762, 0.051354]),
    (ROWS, [6, 5, 5], [2, 2, 1], {"reduction": "sum", "blank": 3}, [12.7616079], -10.716753,
     [0.090938, -0.219171, 0.168507, -0.040275, 0.257473, 0.036856, 0.525948, -0.820277, 0.090938,
      -0.26177, 0.185762, -0.01493]),
    (ROWS, [2, 4, 5], [3, 3, 0], {"reduction": "none", "zero_infinity": True},
     [0.0, 8.2080809, 8.2962448], 24.664165,
     [0.0, 0.0, 0.0, 0.0, 0.514947, -1.857641, 1.051895, 0.2908, -2.727186, 2.015838, 0.557285,
      0.154063]),
    (ROWS, [2, 4, 5], [3, 3, 0], {"zero_infinity": True}, [3.6774239], 2.569399,
     [0.0, 0.0, 0.0, 0.0, 0.028608, -0.103202, 0.058439, 0.016156, -0.303021, 0.223982, 0.061921,
      0.017118]),
]


def log_probs(dtype=torch.float64):
    x = (torch.arange(T * N * C) * 37 % 23).reshape(T, N, C).double() / 7
    return x.log_softmax(2).to(dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("lengths", [list, tuple, torch.tensor])
def test_values(case, dtype, lengths):
    targets, inputs, sizes, options, losses, weighed, row = case
    x = log_probs(dtype).requires_grad_()
    y = nn.CTCLoss(**options)(x, torch.tensor(targets), lengths(inputs), lengths(sizes))
    assert y.reshape(-1).tolist() == pytest.approx(losses, rel=1e-5)
    (y if y.dim() == 0 else y * torch.tensor([1, 2, 3])).sum().backward()
    assert x.grad.dtype is dtype
    places = torch.arange(T * N * C).reshape(T, N, C)
    assert (x.grad * places).sum().item() == pytest.approx(weighed, rel=1e-4)
    assert x.grad[1].reshape(-1).tolist() == pytest.approx(row, abs=5e-6)
    assert not x.grad[4:, 1].any() or options.get("blank")


def test_gradient_is_that_of_logits():
    """What comes out for log-probabilities is the derivative by what log_softmax was applied to."""
    logits = (torch.arange(T * N * C) * 37 % 23).reshape(T, N, C).double() / 7

    def loss(x):
        return F.ctc_loss(x.log_softmax(2), torch.tensor(ROWS), [6, 4, 5], [2, 3, 1], 0, "sum")

    assert torch.autograd.gradcheck(loss, logits.requires_grad_())


def test_one_sequence():
    x, target = log_probs()[:, 0], torch.tensor([1, 2])
    for inputs, sizes in (([6], [2]), (torch.tensor(6), torch.tensor(2))):
        y = F.ctc_loss(x, target, inputs, sizes, reduction="none")
        assert y.shape == () and y.item() == pytest.approx(4.3251827)
        assert F.ctc_loss(x, target, inputs, sizes).item() == pytest.approx(4.3251827 / 2)


def test_infinite_losses():
    """A target that does not fit: infinity and no gradient that is a number."""
    x = log_probs().requires_grad_()
    y = F.ctc_loss(x, torch.tensor(ROWS), [1, 2, 0], [2, 3, 0], reduction="none")
    assert y.tolist() == [float("inf"), float("inf"), 0.0]
    y.sum().backward()
    assert x.grad[0, 0].isnan().all() and not x.grad[1, 0].any() and not x.grad[:, 2].any()


def test_many_sequences():
    """More lengths than a tensor has dims, in lists."""
    x = log_probs()[:, :1].expand(T, 200, C)
    y = F.ctc_loss(x, torch.tensor([[1, 2]]).expand(200, 2), [6] * 200, [2] * 200, reduction="none")
    assert y.tolist() == pytest.approx([4.3251827] * 200)


def test_memory_that_held_nan():
    """The losses do not depend on what the scratch held before."""
    x = log_probs(torch.float32)
    for _ in range(20):
        torch.full((64,), float("nan"))
        y = F.ctc_loss(x, torch.tensor(ROWS), [6, 4, 5], [2, 3, 1])
        assert y.item() == pytest.approx(3.2759863)


def test_nodes():
    x, targets = log_probs().requires_grad_(), torch.tensor(ROWS)
    y = F.ctc_loss(x, targets, [6, 6, 6], [2, 3, 1], reduction="none")
    assert y.grad_fn.name() == "CtcLossBackward0"
    gradient, = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="derivative for aten::_ctc_loss_backward is not impl"):
        gradient.sum().backward()


@pytest.mark.parametrize("arguments, kind, message", [
    ((ROWS, [6, 6], [2, 3, 1]), RuntimeError, "input_lengths must be of size batch_size"),
    ((ROWS, [6, 6, 6], [2, 3]), RuntimeError, "target_lengths must be of size batch_size"),
    ((ROWS, [6, 6, 7], [2, 3, 1]), RuntimeError, "input_lengths to have value at most 6, but got"),
    ((ROWS, [6, 6, -1], [2, 3, 1]), RuntimeError, "input_lengths to have value at least 0, but"),
    ((ROWS, [6, 6, 6], [2, 3, -1]), RuntimeError, "target_lengths to have value at least 0, but"),
    ((ROWS, [6, 6, 6], [2, 3, 4]), RuntimeError, "size at least 4 at dimension 1, but got size 3"),
    (([1, 2, 3], [6, 6, 6], [2, 3, 1]), RuntimeError, "size 6 at dimension 0, but got size 3 for"),
    ((ROWS[:2], [6, 6, 6], [2, 3, 1]), RuntimeError, "size 3 at dimension 0, but got size 2 for"),
    (([ROWS], [6, 6, 6], [2, 3, 1]), RuntimeError, "Expected 1 to 2 dimensions, but got 3-dim"),
    ((ROWS, [6, 6, 6], [2, 3, 1], 4), RuntimeError, "blank must be in label range"),
    ((ROWS, [6, 6, 6], [2, 3, 1], -1), RuntimeError, "blank must be in label range"),
    ((ROWS, [6, 6, 6], [2, 3, 1], 0, "all"), ValueError, "all is not a valid value for reduction"),
    (([[1, 4, 0]] * 3, [6, 6, 6], [2, 3, 1]), IndexError, "Target 4 is out of bounds"),
    (([[1, -1, 0]] * 3, [6, 6, 6], [2, 3, 1]), IndexError, "Target -1 is out of bounds"),
])
def test_refusals(arguments, kind, message):
    targets, *rest = arguments
    with pytest.raises(kind, match=message):
        F.ctc_loss(log_probs(), torch.tensor(targets), *rest)


def test_refused_types():
    targets, lengths = torch.tensor(ROWS), torch.tensor([6, 6, 6])
    with pytest.raises(NotImplementedError, match="\"ctc_loss_cpu\" not implemented for 'Half'"):
        F.ctc_loss(log_probs(torch.float16), targets, lengths, lengths // 3)
    with pytest.raises(RuntimeError, match="input_lengths must be integral"):
        F.ctc_loss(log_probs(), targets, lengths.float(), lengths // 3)
    with pytest.raises(RuntimeError, match="log_probs tensor must not be empty"):
        F.ctc_loss(log_probs()[:0], targets, lengths, lengths // 3)
    with pytest.raises(RuntimeError, match="Expected 3-dimensional tensor, but got 2-dimensional"):
        F.ctc_loss(log_probs()[:, 0, 0], targets[0], [6], [3])
