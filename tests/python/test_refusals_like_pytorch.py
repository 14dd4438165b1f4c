"""What is refused, converted and warned of: PyTorch 2.13's exceptions, first lines, values."""

import warnings

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

one = torch.ones

REFUSED = [
    (
        lambda: one(2).masked_fill(one(3).bool(), 1),
        RuntimeError,
        "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0",
    ),
    (
        lambda: one(2).masked_fill_(one(3).bool(), 1),
        RuntimeError,
        "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0",
    ),
    (
        lambda: one(2).masked_fill_(one(2, 2).bool(), 1),
        RuntimeError,
        "output with shape [2] doesn't match the broadcast shape [2, 2]",
    ),
    (
        lambda: one(2).masked_select(one(3).bool()),
        RuntimeError,
        "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0",
    ),
    (lambda: F.mse_loss(one(1), 1), AttributeError, "'int' object has no attribute 'size'"),
    (
        lambda: F.conv1d(one(1, 1, 4), one(1, 1, 1), dilation=0),
        RuntimeError,
        "dilation should be greater than zero, but got [1, 0]",
    ),
    (lambda: F.max_pool2d(one(1, 1, 2, 2), 0), RuntimeError, "stride should not be zero"),
    (
        lambda: F.max_pool2d(one(1, 1, 2, 2), 0, 1),
        RuntimeError,
        "kernel size should be greater than zero, but got kH: 0 kW: 0",
    ),
    (
        lambda: F.max_pool1d(one(1, 1, 2), 0),
        RuntimeError,
        "max_pool1d() kernel_size must be greater than zero, but got 0",
    ),
    (
        lambda: F.max_pool2d(one(2), 2),
        RuntimeError,
        "non-empty 3D or 4D (batch mode) tensor expected for input",
    ),
    (
        lambda: F.adaptive_avg_pool1d(one(1, 1, 2), -1),
        RuntimeError,
        "adaptive_avg_pool2d: elements of output_size must be greater than or equal to 0 but "
        "received {1, -1}",
    ),
    (
        lambda: F.fold(one(1, 1, 2), 2, 2),
        RuntimeError,
        "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but "
        "got input.size(1)=1 and kernel_size=(2, 2).",
    ),
    (
        lambda: F.fold(one(1, 4, 2), 2, 2),
        RuntimeError,
        "Given output_size=(2, 2), kernel_size=(2, 2), dilation=(1, 1), padding=(0, 0), "
        "stride=(1, 1), expected size of input's dimension 2 to match the calculated number of "
        "sliding blocks 1 * 1 = 1, but got input.size(2)=2.",
    ),
    (
        lambda: F.mse_loss(one(2).char(), one(2).char(), reduction="sum"),
        NotImplementedError,
        "\"mse_cpu\" not implemented for 'Char'",
    ),
    (
        lambda: (lambda x: torch.cat([x, x], out=x))(one(2)),
        RuntimeError,
        "unsupported operation: some elements of the input tensor and the written-to tensor",
    ),
    (
        lambda: F.batch_norm(one(2, 3), one(3), None),
        RuntimeError,
        "running_var must be defined in evaluation mode",
    ),
    (lambda: torch.cat([]), ValueError, "torch.cat(): expected a non-empty list of Tensors"),
    (lambda: one(3).gather(0, torch.tensor([5])), RuntimeError, "index 5 is out of bounds for dim"),
    (lambda: one(3).scatter(0, torch.tensor([5]), 1.0), RuntimeError, "index 5 is out of bounds"),
    (lambda: one(0).amax(), RuntimeError, "amax(): Expected reduction dim to be specified"),
    (lambda: torch.tensor([True]).argmax(), RuntimeError, "argmax(): does not support bool input"),
    (lambda: -torch.tensor([True]), RuntimeError, "Negation, the `-` operator, on a bool tensor"),
    (lambda: ~one(2), TypeError, "~ (operator.invert) is only implemented on integer and Boolean"),
    (
        lambda: F.interpolate(one(1, 1, 2, 2), size=0),
        RuntimeError,
        "Input and output sizes should be greater than 0, but got input (H: 2, W: 2) output (H: 0",
    ),
    (
        lambda: F.cross_entropy(torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.long)),
        RuntimeError,
        "0D or 1D target tensor expected, multi-target not supported",
    ),
    (
        lambda: F.cross_entropy(torch.zeros(4, 3), torch.zeros(4)),
        RuntimeError,
        "expected target dtype to be Long or Byte, but got Float",
    ),
    (
        lambda: F.nll_loss(torch.zeros(4), torch.zeros(4, dtype=torch.long)),
        ValueError,
        "For 1D input, 1D target must have size 1, but got target size: 4",
    ),
    (
        lambda: nn.Linear(3, 2)(one(2, 3).double()),
        RuntimeError,
        "mat1 and mat2 must have the same dtype, but got Double and Float",
    ),
    (
        lambda: nn.Conv2d(1, 1, 1)(one(1, 1, 2, 2).double()),
        RuntimeError,
        "Input type (double) and bias type (float) should be the same",
    ),
    (
        lambda: nn.BatchNorm1d(3)(one(4, 3).double()),
        RuntimeError,
        "mixed dtype (CPU): all inputs must share same datatype.",
    ),
    (
        lambda: F.binary_cross_entropy(one(1), one(1) * 2),
        RuntimeError,
        "all elements of target should be between 0 and 1",
    ),
    (
        lambda: F.binary_cross_entropy(one(1), torch.tensor([1])),
        RuntimeError,
        "Found dtype Long but expected Float",
    ),
    (
        lambda: torch.tensor([300.0], dtype=torch.uint8),
        RuntimeError,
        "value cannot be converted to type uint8 without overflow",
    ),
    (
        lambda: torch.tensor([1e20], dtype=torch.int64),
        RuntimeError,
        "value cannot be converted to type int64 without overflow",
    ),
    (
        lambda: torch.repeat_interleave(torch.tensor([[1, 2]])),
        RuntimeError,
        "repeat_interleave only accept 1D vector as repeat",
    ),
    (
        lambda: torch.trapezoid(torch.tensor([True])),
        RuntimeError,
        "trapezoid: received a bool input for `y`, but bool is not supported",
    ),
    (
        lambda: torch.cumulative_trapezoid(one(2), torch.tensor([True, False])),
        RuntimeError,
        "cumulative_trapezoid: received a bool input for `x` or `y`, but bool is not supported",
    ),
    (
        lambda: torch.cumulative_trapezoid(one(2, 3), one(2)),
        RuntimeError,
        "cumulative_trapezoid: There must be one `x` value for each sample point",
    ),
    (
        lambda: torch.cumulative_trapezoid(torch.tensor(1.0)),
        IndexError,
        "slice() cannot be applied to a 0-dim tensor.",
    ),
    (
        lambda: torch.searchsorted(torch.tensor(1.0), one(1)),
        RuntimeError,
        "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0",
    ),
    (
        lambda: torch.searchsorted(one(2, 2), torch.tensor(1.0)),
        RuntimeError,
        "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension "
        "is 1, but we got boundaries tensor dim(2) and input value's dim(0) numel(1)",
    ),
    (
        lambda: torch.linalg.cross(torch.tensor(1.0), torch.tensor(1.0)),
        IndexError,
        "Dimension specified as -1 but tensor has no dimensions",
    ),
    (
        lambda: one(3).adjoint(),
        RuntimeError,
        "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.",
    ),
    (
        lambda: torch.pdist(one(3, 2), float("nan")),
        RuntimeError,
        "pdist only supports non-negative p values",
    ),
    (
        lambda: torch.cdist(one(3, 2), one(2, 2), float("nan")),
        RuntimeError,
        "cdist only supports non-negative p values",
    ),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused(number):
    call, kind, words = REFUSED[number]
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind and str(caught.value).startswith(words)


def test_an_empty_list_of_dims():
    x = torch.tensor([[1.0, 0.0]])
    assert x.any(dim=[]).tolist() == x.all(dim=()).tolist() == [[True, False]]
    assert x.any().item() is True and x.sum(dim=[]).item() == 1


def test_losses():
    zero, two, weight = torch.zeros(3), one(3) * 2, torch.tensor([1.0, 2.0, 3.0])
    assert F.huber_loss(zero, two, weight=weight).item() == 3
    loss = F.soft_margin_loss(torch.tensor([1.0, 2.0]), torch.tensor([1, 1], dtype=torch.uint8))
    assert abs(loss.item() - 0.2201) < 1e-4


def test_what_is_drawn_has_no_slope():
    mean, std = torch.zeros(3, requires_grad=True), torch.ones(3, requires_grad=True)
    y = torch.normal(mean, std)
    assert y.grad_fn.name() == "NormalBackward3"
    y.sum().backward()
    assert mean.grad.tolist() == std.grad.tolist() == [0, 0, 0]


def test_masks_take_numbers_of_other_dtypes():
    x = torch.tensor([-1, 2])
    assert x.masked_fill(x < 0, 2.7).tolist() == [2, 2]
    x[x < 0] = torch.tensor(2.5)
    assert x.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="Index put requires the source and destination dtypes"):
        x[[1]] = torch.tensor([2.5])


def test_repeat_interleave_of_repeats():
    assert torch.repeat_interleave(torch.tensor([1, 2, 0, 3])).tolist() == [0, 1, 1, 3, 3, 3]


@pytest.mark.parametrize(
    ["call", "words"],
    [
        (lambda: torch.tensor(one(2)), "To copy construct from a tensor"),
        (lambda: one(1).new_tensor(one(2)), "To copy construct from a tensor"),
        (lambda: nn.utils.clip_grad_norm_((p for p in ()), 1.0), "`parameters` is an empty generator"),
        (lambda: nn.utils.clip_grad_norm([one(1)], 1.0), "`torch.nn.utils.clip_grad_norm` is now"),
        (lambda: F.dropout2d(one(1, 2, 3), 0.5), "dropout2d: Received a 3D input to dropout2d and"),
    ],
)
def test_warned_of(call, words):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        call()
    assert [str(w.message).startswith(words) for w in heard] == [True]


@pytest.mark.parametrize("a, b, words", [
    ((2,), (2,), "dot : expected both vectors to have same dtype, but found Double and Float"),
    ((2, 2), (2,), "addmv input tensors must have the same dtype, but got Float, Double, and Float"),
    ((3, 2, 2), (2,), "addmv input tensors must have the same dtype, but got Float, Double, and Flo"),
    ((2,), (2, 2), "expected m1 and m2 to have the same dtype, but got: double != float"),
    ((3, 2, 2), (2, 2), "expected m1 and m2 to have the same dtype, but got: double != float"),
    ((2, 2), (3, 2, 2), "expected scalar type Double but found Float"),
    ((3, 2, 2), (3, 2, 2), "expected scalar type Double but found Float"),
])
def test_factors_of_two_dtypes(a, b, words):
    with pytest.raises(RuntimeError, match="^" + words):
        torch.ones(a, dtype=torch.float64) @ torch.ones(b)


@pytest.mark.parametrize("call, error", [
    (lambda: torch.eye(1, "a"), "eye() received an invalid combination of arguments - got (int, str), but"),
    (lambda: torch.eye("a"), "eye(): argument 'n' (position 1) must be int, not str"),
    (lambda: torch.layer_norm(one(2, 3), ["a"]), "layer_norm(): argument 'normalized_shape' "
     "(position 2) must be tuple of ints, but found element of type str at pos 0"),
    (lambda: one(2).clone(input=one(2)), "clone() got an unexpected keyword argument 'input'"),
    (lambda: one(2).zero_(a=1), "TensorBase.zero_() takes no keyword arguments"),
    (lambda: torch.addmm(one(5), one(2, 3), one(3, 4)), "The expanded size of the tensor (4) must "
     "match the existing size (5) at non-singleton dimension 1.  Target sizes: [2, 4].  Tensor "
     "sizes: [5]"),
    (lambda: F.conv2d(one(2, 1, 3, 3), one(1, 1, 1, 1).bool()), "Input type (torch.FloatTensor) and "
     "weight type (CPUBoolType) should be the same or input should be a MKLDNN tensor"),
    (lambda: torch.mm(one(2, 3).bool(), one(3, 4)), "expected m1 and m2 to have the same dtype, but "
     "got: bool != float"),
])
def test_first_lines_of_wrong_arguments(call, error):
    with pytest.raises((RuntimeError, TypeError)) as info:
        call()
    assert str(info.value).startswith(error)
