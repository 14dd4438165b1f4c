"""Answers at the edge of what an operator is defined for: infinities, zeros, stale views, unlike
dtypes, odd indices. The literal values, warnings and first lines are PyTorch 2.13's."""

import math
import re

import pytest

import flambeau as torch
from flambeau.nn import functional as F

inf, nan = math.inf, math.nan


def leaf(*values, **kwargs):
    return torch.tensor(list(values), requires_grad=True, **kwargs)


def grad(y, x, g=None):
    found, = torch.autograd.grad(y, x, torch.ones_like(y) if g is None else g)
    return [repr(round(v, 4)) for v in found.tolist()]


def same(values):
    return [repr(round(float(v), 4)) for v in values]


# ---- the graph -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read", [lambda u: u * 2, lambda u: torch.cat([u, u]), lambda u: u[:].exp() * 0 + u * 2]
)
def test_gradient_through_a_view_that_first_looks_up_its_history_as_an_operand(read):
    whole = torch.zeros(3)
    view = whole[:2]
    p = leaf(1.0, 2.0, 3.0)
    whole.copy_(p)
    assert grad(read(view), p) == same([2, 2, 0])


def test_gradient_through_a_stale_view_in_a_function():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    whole = torch.zeros(3)
    view = whole[:2]
    p = leaf(1.0, 2.0, 3.0)
    whole.copy_(p)
    assert grad(Double.apply(view), p) == same([2, 2, 0])


def test_edges_of_operators_with_a_number():
    x = leaf(1.0)
    for y in (x * 2, 2 * x, x + 1, x - 1, x / 2, 2 / x):
        assert len(y.grad_fn.next_functions) == 2
        assert y.grad_fn.next_functions[1] == (None, 0)
    assert len((x**2).grad_fn.next_functions) == 1


def test_linear_accumulates_its_bias_before_its_weight():
    layer, log = torch.nn.Linear(1, 1), []
    layer.weight.register_hook(lambda g: log.append("weight"))
    layer.bias.register_hook(lambda g: log.append("bias"))
    layer(torch.ones(1, 1)).sum().backward()
    assert log == ["bias", "weight"]


# ---- values and gradients ------------------------------------------------------------------------


def test_triangle_indices_of_a_matrix_of_all_columns():
    assert torch.tril_indices(1, 2**63 - 1).tolist() == [[0], [0]]
    assert torch.tril_indices(2, 2**63 - 1, 1).tolist() == [[0, 0, 1, 1, 1], [0, 1, 0, 1, 2]]


def test_gelu_of_infinities():
    x = leaf(inf, -inf, 1.0)
    for approximate, slope in (("none", 1.0833), ("tanh", 1.083)):
        y = F.gelu(x, approximate=approximate)
        assert same(y.tolist())[1] == "nan"
        assert grad(y, x) == same([nan, nan, slope])


def test_bessel_functions_of_infinities():
    x = leaf(inf, -inf, 1.0)
    assert same(torch.i0(x).tolist()) == same([nan, nan, 1.2661])
    assert grad(torch.i0(x), x) == same([nan, nan, 0.5652])
    x = leaf(inf, -inf, 1.0, dtype=torch.float64)
    assert same(torch.polygamma(2, x).tolist()) == same([nan, -inf, -2.4041])


@pytest.mark.parametrize("n", [2**31, 2**63 - 1])
def test_polygamma_of_orders_without_end(n):
    assert same(torch.polygamma(n, torch.tensor([0.5, 30.0])).tolist()) == same([nan, nan])


def test_pieces_larger_than_anything():
    x = torch.arange(6.0).view(2, 3)
    for n in (2**63 - 1, 2**62):
        assert [p.tolist() for p in x.split(n)] == [x.tolist()]
        assert [p.shape[0] for p in x.chunk(n)] == [1, 1]


def test_cumprod_behind_zeros():
    x = leaf(2.0, 0.0, 3.0, 0.0, nan, 5.0)
    y = x.cumprod(0)
    assert grad(y, x) == same([1, 8, 0, 0, 0, 0])
    wanted = same([1, nan, 0, 0, 0, 0])
    assert grad(x.cumprod(0), x, torch.tensor([1, nan, 1, inf, nan, nan])) == wanted
    m = torch.tensor([[1.0, 0.0], [2.0, 3.0], [0.0, 4.0]], requires_grad=True)
    found, = torch.autograd.grad(m.cumprod(0).sum(), m)
    again, = torch.autograd.grad(m.cumprod(0).sum(), m, create_graph=True)
    assert found.tolist() == again.tolist() == [[3, 16], [1, 0], [2, 0]]


def test_prod_of_several_zeros_has_the_gradient_zero():
    x = leaf(0.0, 0.0, inf, nan)
    assert grad(x.prod(), x) == same([0, 0, 0, 0])
    assert grad(x.prod(), x, torch.tensor(nan)) == same([0, 0, 0, 0])


def test_logcumsumexp_keeps_nan():
    x = leaf(1.0, nan, inf, 2.0)
    assert same(x.logcumsumexp(0).tolist()) == same([1, nan, nan, nan])
    assert grad(x.logcumsumexp(0), x) == same([nan] * 4)


def test_atan2_of_the_origin():
    x, y = leaf(0.0), leaf(0.0)
    wanted = ["0.0", "-0.0"]
    assert [repr(g.item()) for g in torch.autograd.grad(torch.atan2(x, y), [x, y])] == wanted
    assert grad(torch.atan2(x, y), x, torch.tensor([inf])) == same([nan])


def test_multi_margin_loss_at_its_margin():
    x = torch.tensor([[1.0, 2.0, 0.0, 1.0]], requires_grad=True)
    loss = F.multi_margin_loss(x, torch.tensor([0]))
    assert torch.autograd.grad(loss, x)[0].tolist() == [[-0.5, 0.25, 0.0, 0.25]]


def test_mode_counts_no_nan_twice():
    value, where = torch.tensor([1.0, nan, 0.0, nan]).mode()
    assert (value.item(), where.item()) == (0, 2)
    value, where = torch.tensor([2.0, nan, 2.0]).mode()
    assert (value.item(), where.item()) == (2, 2)


def test_a_destination_says_the_dtype_of_what_is_made_of_no_tensor():
    whole, double = torch.ones(3, dtype=torch.int64), torch.zeros(2, dtype=torch.float64)
    assert torch.full([3], 1.5, out=whole).tolist() == [1, 1, 1]
    assert torch.linspace(0, 1, 3, out=whole).tolist() == [0, 0, 1]
    torch.manual_seed(0)
    drawn = torch.rand([2], out=double).tolist()
    torch.manual_seed(0)
    assert drawn == torch.rand([2], dtype=torch.float64).tolist()
    with pytest.raises(RuntimeError,
                       match=r"^dtype Float does not match dtype of out parameter \(Double\)"):
        torch.rand([2], dtype=torch.float32, out=double)


def test_a_destination_of_what_has_no_gradient():
    x, truth = leaf(1.0, 2.0), torch.zeros(2, dtype=torch.bool)
    assert torch.ne(x, 1.0, out=truth).tolist() == [False, True]
    assert torch.not_equal(x, 1.0, out=truth).tolist() == [False, True]
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.add(x, 1, out=torch.zeros(2))
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.ne(x, 1.0, out=leaf(1.0, 2.0))


@pytest.mark.filterwarnings("ignore:Tensor.")
def test_transposing_no_dims():
    x = torch.tensor(2.0)
    assert x.mT.item() == x.mH.item() == x.H.item() == 2
    with pytest.raises(RuntimeError,
                       match="^tensor.mH is only supported on matrices or batches of"):
        torch.ones(2).mH


def test_reductions_asked_for_truths():
    x = torch.tensor([[0.5, 0.25], [0.5, 0.0]])
    assert x.prod(1, dtype=torch.bool).tolist() == [True, False]
    assert x[1].sum(dtype=torch.bool).item() is True


def test_nextafter_promotes():
    y = torch.nextafter(torch.ones(1), torch.ones(1, dtype=torch.float64) * 2)
    assert y.dtype == torch.float64 and y.item() == 1 + 2**-52
    y = torch.nextafter(torch.ones(1, dtype=torch.float16), torch.tensor([2], dtype=torch.uint8))
    assert y.dtype == torch.float16 and y.item() == 1 + 2**-10


def test_vander_of_integers_is_int64():
    y = torch.linalg.vander(torch.tensor([1, 20], dtype=torch.uint8), N=3)
    assert y.dtype == torch.int64 and y.tolist() == [[1, 1, 1], [1, 20, 400]]


def test_stack_keeps_the_channels_last():
    t = torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)
    strides = [torch.stack([t, t], d).stride() for d in (0, 1, 2, 4)]
    wanted = [(120, 60, 1, 15, 3), (120, 3, 1, 30, 6), (120, 1, 60, 15, 3), (120, 40, 10, 2, 1)]
    assert strides == wanted
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    for d in (0, 1, 2):
        y = torch.stack([x, x * 2], d)
        assert y.select(d, 1).tolist() == (x * 2).tolist()
        assert torch.autograd.grad(y.sum(), x)[0].tolist() == [[3.0] * 3] * 2


# ---- what is refused, and what is said -----------------------------------------------------------

DOUBLE, HALF, LONG = torch.float64, torch.bfloat16, torch.int64
ONES = torch.ones


def index(*values):
    return torch.tensor(values)


REFUSED = [
    (lambda: F.layer_norm(ONES(3, 2, dtype=DOUBLE), (2,), ONES(2)), RuntimeError,
     "mixed dtype (CPU): all inputs must share same datatype."),
    (lambda: F.layer_norm(ONES(3, 2), (2,), None, ONES(2, dtype=DOUBLE)), RuntimeError,
     "mixed dtype (CPU): expect parameter to have scalar type of Float"),
    (lambda: F.layer_norm(ONES(3, 2), (2,), ONES(2), ONES(2, dtype=DOUBLE)), RuntimeError,
     "expected scalar type Float but found Double"),
    (lambda: F.group_norm(ONES(3, 2, dtype=HALF), 1, ONES(2), ONES(2, dtype=HALF)), RuntimeError,
     "mixed dtype (CPU): expect parameter to have scalar type of Float"),
    (lambda: F.batch_norm(ONES(3, 2), ONES(2, dtype=DOUBLE), ONES(2, dtype=DOUBLE)), RuntimeError,
     "mixed dtype (CPU): expect parameter to have scalar type of Float"),
    (lambda: ONES(3).index_copy(0, index(5), ONES(1)), IndexError,
     "index_copy_(): index 5 is out of bounds for dimension 0 with size 3"),
    (lambda: ONES(3).index_copy(0, index(0), ONES(1, dtype=DOUBLE)), RuntimeError,
     "index_copy_(): self and source expected to have the same dtype, but got (self) Float and "
     "(source) Double"),
    (lambda: ONES(3).index_copy(0, index(0, 1), ONES(1)), IndexError,
     "index_copy_(): Number of indices (2) should be equal to source.size(dim) (1)"),
    (lambda: ONES(3, 2, 4).index_copy(1, index(0, 1), ONES(3, 2, 3)), RuntimeError,
     "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice "
     "shape: 3 4 at dimension 1 and source slice shape: 3 3 at dimension 0."),
    (lambda: ONES(3).index_copy(0, index(0.0), ONES(1)), RuntimeError,
     "index_copy_(): Expected a long tensor for index, but got Float"),
    (lambda: ONES(3).index_add(0, index(0, 1), ONES(1)), RuntimeError,
     "index_add_(): Number of indices (2) should be equal to source.size(dim): (1), for dim: 0"),
    (lambda: ONES(3, 2).index_add(0, index(0, 1), ONES(2, 3)), RuntimeError,
     "source tensor shape must match self tensor shape, excluding the specified dimension. "
     "Got self.shape = [3, 2] source.shape = [2, 3]"),
    (lambda: ONES(3).index_add(0, index([0]), ONES(1)), IndexError,
     "index_add_(): Index is supposed to be a vector, but got dim: 2 with type: Long and size: "
     "[1, 1]"),
    (lambda: ONES(3).index_fill(0, index(0.0), 1), IndexError,
     "index_fill_(): Expected dtype int64 for index."),
    (lambda: ONES(3).take(index(0.0)), RuntimeError,
     "take(): Expected a long tensor for index, but got Float"),
    (lambda: ONES(0).put_(index(0), ONES(1)), IndexError,
     "put_(): Tried to put elements into an empty tensor"),
    (lambda: ONES(2).masked_fill(ONES(2, dtype=LONG), 1), RuntimeError,
     "masked_fill_ only supports boolean masks, but got mask with dtype long int"),
    (lambda: ONES(2).masked_select(ONES(2)), RuntimeError,
     "masked_select: expected BoolTensor for mask"),
    (lambda: list(torch.utils.data.WeightedRandomSampler([], 3)), RuntimeError,
     "invalid multinomial distribution (sum of probabilities <= 0)"),
    (lambda: torch.randperm(3000, dtype=torch.float16), RuntimeError,
     "n cannot be greater than 2049 for Half type."),
    (lambda: F.conv2d(ONES(1, 2, 4, 4), ONES(3, 2, 2, 2, dtype=DOUBLE)), RuntimeError,
     "expected scalar type Float but found Double"),
    (lambda: F.conv2d(ONES(1, 2, 4, 4, dtype=LONG), ONES(3, 2, 2, 2), ONES(3)), RuntimeError,
     "Input type (long int) and bias type (float) should be the same"),
    (lambda: F.conv3d(ONES(1, 2, 1, 1, 1), ONES(3, 2, 2, 2, 2)), RuntimeError,
     "Calculated padded input size per channel: (1 x 1 x 1). Kernel size: (2 x 2 x 2). Kernel size "
     "can't be greater than actual input size"),
    (lambda: F.conv3d(ONES(1, 2, 4, 4, 4), ONES(3, 2, 2, 2, 2), stride=(1, 2)), RuntimeError,
     "expected stride to be a single integer value or a list of 3 values to match the convolution "
     "dimensions, but got stride=[1, 2]"),
    (lambda: F.conv3d(ONES(1, 2, 4, 4, 4), ONES(3, 2, 2, 2, 2), groups=2), RuntimeError,
     "Given groups=2, expected weight to be divisible by 2 at dimension 0, but got weight of size "
     "[[3, 2, 2, 2, 2]] instead"),
    (lambda: F.conv_transpose3d(ONES(1, 2, 4, 4, 4), ONES(2, 3, 2, 2, 2), padding=3), RuntimeError,
     "Given input size per channel: (4 x 4 x 4). Calculated output size per channel: "
     "(-1 x -1 x -1). Output size is too small"),
    (lambda: F.conv_transpose2d(ONES(1, 2, 4, 4), ONES(2, 2, 2, 2), output_padding=2), RuntimeError,
     "output padding must be smaller than either stride or dilation, but got "
     "output_padding_height: 2 output_padding_width: 2 stride_height: 1 stride_width: 1 "
     "dilation_height: 1 "
     "dilation_width: 1"),
    (lambda: F.linear(ONES(2, 3), torch.nn.LazyLinear(3).weight), ValueError,
     "Attempted to use an uninitialized parameter in <built-in function linear>."),
    (lambda: torch.nn.LazyLinear(3).weight * 2, ValueError,
     "Attempted to use an uninitialized parameter in <method 'mul' of 'torch._C.TensorBase' "
     "objects>."),
]


@pytest.mark.parametrize("call, kind, line", REFUSED, ids=[line[:50] for _, _, line in REFUSED])
def test_refused(call, kind, line):
    with pytest.raises(kind, match="^" + re.escape(line)):
        call()


def test_a_lazy_parameter_becomes_an_ordinary_one():
    layer = torch.nn.LazyLinear(3).double()
    assert layer.weight.dtype == torch.float64 and layer.weight.requires_grad
    layer(torch.ones(2, 5, dtype=torch.float64))
    assert type(layer.weight) is torch.nn.Parameter and (layer.weight * 2).shape == (3, 5)


WARNED = [
    (lambda: torch.meshgrid(ONES(2), ONES(3)), "torch.meshgrid: in an upcoming release"),
    (lambda: torch.cross(ONES(2, 3), ONES(2, 3)),
     "Using torch.cross without specifying the dim arg"),
    (lambda: torch.where(index(1, 0).to(torch.uint8), ONES(2), ONES(2)),
     "where received a uint8 condition"),
    (lambda: torch.searchsorted(index(1, 2, 3), index(1, 2, 3)[::2]),
     "torch.searchsorted(): input value tensor is non-contiguous"),
    (lambda: torch.searchsorted(index(1, 2, 3)[::2], index(1, 2)),
     "torch.searchsorted(): boundary tensor is non-contiguous"),
    (lambda: torch.zeros(4).expand(2, 4).__setitem__([0], 9),
     "Use of index_put_ on expanded tensors"),
    (lambda: torch.zeros(4).expand(2, 4).masked_fill_(ONES(2, 4) > 0, 9),
     "Use of masked_fill_ on expanded tensors"),
    (lambda: torch.zeros(4).expand(2, 4).index_fill_(0, index(0), 9),
     "Use of index_fill_ on expanded tensors"),
    (lambda: F.rms_norm(ONES(3, 2, dtype=DOUBLE), (2,), ONES(2)),
     "Mismatch dtype between input and weight"),
]


@pytest.mark.parametrize("call, line", WARNED, ids=[line[:40] for _, line in WARNED])
def test_warned(call, line):
    with pytest.warns(UserWarning, match="^" + re.escape(line)):
        call()


@pytest.mark.filterwarnings("error")
def test_not_warned():
    torch.meshgrid(ONES(2), ONES(3), indexing="ij")
    torch.cross(ONES(2, 3), ONES(2, 3), dim=1)
    torch.zeros(1, 4).masked_fill_(ONES(1, 4) > 0, 9)
    torch.zeros(2, 4)[[0]] = 9


def walked(node):
    """The names of a node and of all behind it, each edge followed."""
    names = [node.name().replace("torch::autograd::", "")]
    for following, _ in node.next_functions:
        names += walked(following) if following is not None else ["None"]
    return names


def test_what_a_composite_is_made_of_is_not_shown():
    f, x, y = torch.nn.functional, leaf(1.0, 2.0), torch.zeros(2)
    assert walked(f.mse_loss(x.exp(), y).grad_fn) == [
        "MseLossBackward0", "ExpBackward0", "AccumulateGrad", "None",
    ]
    assert walked(f.binary_cross_entropy(x.sigmoid(), y).grad_fn) == [
        "BinaryCrossEntropyBackward0", "SigmoidBackward0", "AccumulateGrad", "None",
    ]
    image = torch.ones(1, 4, 2, 2, requires_grad=True)
    for y, name in (
        (f.interpolate(image, scale_factor=2), "UpsampleNearest2DBackward0"),
        (f.interpolate(image, 4, mode="bilinear"), "UpsampleBilinear2DBackward0"),
        (f.pad(image, (1, 1, 1, 1), mode="reflect"), "ReflectionPad2DBackward0"),
        (f.pixel_shuffle(image, 2), "PixelShuffleBackward0"),
        (f.unfold(image, 2), "Im2ColBackward0"),
        (torch.nn.GroupNorm(2, 4, affine=False)(image), "NativeGroupNormBackward0"),
    ):
        assert walked(y.grad_fn) == [name, "AccumulateGrad"]
    layer = torch.nn.Linear(2, 1)
    edges = layer(x.exp()[None]).grad_fn.next_functions
    assert edges[0][0].variable is layer.bias and edges[1][0].name() == "UnsqueezeBackward0"
    assert f.interpolate(image.exp(), 2).grad_fn.next_functions[0][0].name() == "ExpBackward0"


def test_names_of_the_nodes_of_recurrent_nets():
    x = torch.ones(3, 2, 4)
    for layer, names in (
        (torch.nn.LSTM(4, 5), ["MkldnnRnnLayerBackward0", "StackBackward0", "StackBackward0"]),
        (torch.nn.LSTM(4, 5, batch_first=True),
         ["TransposeBackward0", "StackBackward0", "StackBackward0"]),
        (torch.nn.GRU(4, 5, bidirectional=True), ["CatBackward0", "StackBackward0"]),
        (torch.nn.RNN(4, 5, num_layers=2), ["StackBackward0", "StackBackward0"]),
    ):
        y, state = layer(x)
        states = state if isinstance(state, tuple) else (state,)
        assert [t.grad_fn.name() for t in (y, *states)] == names
    assert torch.nn.GRUCell(4, 5)(x[0]).grad_fn.name() == "AddBackward0"


def test_norms_of_one_element():
    """Its magnitude, though the power of it is beyond the dtype's range."""
    x = torch.tensor([[1e-30], [-1e30]])
    for p in (2, 3, 300, 1e300, 1e-300, nan, -inf):
        assert torch.linalg.vector_norm(x, p, dim=1).tolist() == x.abs().squeeze(1).tolist()
    assert F.normalize(torch.tensor([[2.5], [-3]]), p=300).tolist() == [[1], [-1]]
    assert torch.dist(torch.tensor([2.5]), torch.zeros(1), 1e300).item() == 2.5
    assert torch.linalg.vector_norm(torch.zeros(0, 1), 1e300, keepdim=True).tolist() == [[0]]
    assert torch.linalg.vector_norm(torch.zeros(0), nan).item() == 0
    assert torch.linalg.vector_norm(torch.tensor([[-2.5], [0]]), 0, dim=1).tolist() == [1, 0]
    assert torch.norm(torch.tensor([3e30 + 4e30j]), 3).item() == pytest.approx(5e30)
    y = torch.tensor([-1e30], requires_grad=True)
    torch.linalg.vector_norm(y).backward()
    assert y.grad.tolist() == [-1]


def test_as_many_points_are_copied():
    """Whatever the factor, and beside infinite neighbours."""
    resize = F.interpolate
    x = torch.tensor([[[1.0, 5.0, 2.0]]], requires_grad=True)
    y = resize(x, scale_factor=1.2, mode="linear")
    assert y.tolist() == [[[1, 5, 2]]]
    y.backward(torch.tensor([[[1.0, 2.0, 4.0]]]))
    assert x.grad.tolist() == [[[1, 2, 4]]]
    assert resize(x[None], scale_factor=(1, 1.2), mode="bilinear").tolist() == [[[[1, 5, 2]]]]
    assert resize(x[None], scale_factor=(1, 1.2), mode="nearest").tolist() == [[[[1, 5, 2]]]]
    assert resize(x[None], scale_factor=(1, 2.2)).tolist() == [[[[1, 1, 5, 5, 2, 2]]]]
    assert resize(x, scale_factor=1.2, mode="nearest").tolist() == [[[1, 1, 5]]]
    assert resize(x, scale_factor=2.2, mode="nearest").tolist() == [[[1, 1, 1, 5, 5, 2]]]
    x = torch.tensor([[[[1.0, -inf], [3.0, inf]]]])
    for corners in (False, True):
        y = resize(x, scale_factor=1, mode="bilinear", align_corners=corners)
        assert y[..., 0].tolist() == [[[1, 3]]]


def test_elements_on_the_edges_of_bins():
    """Their bins are found in the elements' dtype; nothing is differentiated."""
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        x = torch.tensor([i / 10 for i in range(11)], dtype=dtype, requires_grad=True)
        y = torch.histc(x, 10, 0, 1)
        assert y.tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 1, 2] and not y.requires_grad
    assert torch.histc(torch.tensor([0.1, 0.2, 0.3]), 3, 0.1, 0.3).tolist() == [1, 1, 1]
    assert torch.histc(torch.tensor([-65504.0, 65504]).half(), 4).sum().item() == 2


def test_refused_deviations_draw_nothing():
    std = torch.tensor([-1.0, 2.0])
    for mean in (0.5, torch.zeros(2)):
        torch.manual_seed(0)
        with pytest.raises(RuntimeError, match="expects all elements of std >= 0.0"):
            torch.normal(mean, std)
        assert torch.rand(2).tolist() == [0.49625658988952637, 0.7682217955589294]


def test_zeta_at_infinity():
    zeta = torch.special.zeta
    q = torch.tensor([0.5, 1, -0.5, -1.5, 0])
    assert zeta(torch.tensor(inf), q).tolist() == [inf, 1, inf, inf, inf]
    assert zeta(torch.tensor([2.0, 3, 2.5]), torch.tensor(-inf)).tolist() == [inf] * 3


def test_gradient_of_hardsigmoid_depends_by_0():
    x = leaf(-4.0, 1.0)
    g, = torch.autograd.grad(F.hardsigmoid(x).sum(), x, create_graph=True)
    assert torch.allclose(g, torch.tensor([0, 1 / 6]))
    assert grad(g, x) == ["0.0", "0.0"]


PENALTIES = [
    (lambda x: F.max_pool1d(x, 2), (1, 1, 4)),
    (lambda x: F.max_pool2d(x, 2), (1, 1, 4, 4)),
    (lambda x: F.max_pool3d(x, 2), (1, 1, 2, 2, 2)),
    (lambda x: F.adaptive_max_pool2d(x, 2), (1, 1, 4, 4)),
    (lambda x: F.avg_pool2d(x, 2), (1, 1, 4, 4)),
    (lambda x: F.adaptive_avg_pool2d(x, 2), (1, 1, 4, 4)),
    (lambda x: F.nll_loss(x, torch.tensor([0, 1])), (2, 3)),
    (F.relu, (2, 3)),
    (F.leaky_relu, (2, 3)),
    (lambda x: x**1, (2, 3)),
]


@pytest.mark.parametrize("function, shape", PENALTIES)
def test_penalty_on_gradients_that_depend_by_0(function, shape):
    x = torch.arange(float(math.prod(shape))).reshape(shape).requires_grad_()
    g, = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    (g.norm() - 1).square().backward()
    assert x.grad.tolist() == torch.zeros(shape).tolist()


def test_name_of_such_a_gradient():
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    g, = torch.autograd.grad(F.max_pool2d(x, 2).sum(), x, create_graph=True)
    assert g.grad_fn.name() == "MaxPool2DWithIndicesBackwardBackward0"


def hexes(t):
    return [v.hex() for v in t.tolist()]


def test_last_bits_of_arange():
    assert hexes(torch.arange(-1, 1, 0.2, dtype=torch.float64))[3:8] == [
        "-0x1.9999999999999p-2", "-0x1.9999999999998p-3", "0x1.0000000000000p-54",
        "0x1.999999999999cp-3", "0x1.999999999999bp-2"]
    assert hexes(torch.arange(0, 2, 0.1))[7:10] == [
        "0x1.6666660000000p-1", "0x1.99999a0000000p-1", "0x1.ccccce0000000p-1"]
    assert hexes(torch.arange(-1, 1, 0.2, dtype=torch.bfloat16))[5] == "0x1.0000000000000p-26"
    assert torch.arange(0, 5, 1.5, dtype=torch.int32).tolist() == [0, 1, 2, 3]
    assert torch.arange(0.5, 3, dtype=torch.int16).tolist() == [0, 1, 2]


def test_parts_of_unsafe_split_share_memory_alone():
    x = torch.arange(6.0)
    a, b = torch.unsafe_chunk(x, 2)
    a.add_(1)
    assert x.tolist() == [1, 2, 3, 3, 4, 5]
    assert (a._version, x._version, a._base) == (1, 0, None)
    y = leaf(0.0, 1, 2, 3, 4, 5) * 1
    a, b = torch.unsafe_split(y, 3)
    assert a.grad_fn.name() == "UnsafeSplitBackward0" and b.storage_offset() == 3
    kept = a * a
    b.zero_()  # what kept has saved is not written
    assert y.tolist() == [0, 1, 2, 0, 0, 0]
    x = leaf(0.0, 1, 2)
    c, d = torch.unsafe_split_with_sizes(x * 1, [1, 2])
    d.mul_(3)
    assert grad(d.sum(), x) == ["0.0", "3.0", "3.0"]
    assert [t.shape[0] for t in (c, d)] == [1, 2] and kept.tolist() == [0, 1, 4]


def test_results_given_as_out_have_a_type_of_their_own():
    out = torch.empty(2), torch.empty(2, dtype=torch.int64)
    y = torch.max(torch.eye(2), 1, out=out)
    assert type(y).__name__ == "max_out" and y.values is out[0]


def second(y, x):
    g, = torch.autograd.grad(y.sum(), x, create_graph=True)
    return grad(g, x)


def test_second_derivatives_where_a_branch_is_infinite():
    for function in (F.elu, F.celu, F.selu):
        x = leaf(0.0, 1000.0, inf, nan, dtype=torch.float64)
        assert second(function(x), x) == ["0.0"] * 4
    for function in (torch.special.i1, torch.special.i1e):
        x = leaf(0.0, dtype=torch.float64)
        assert second(function(x), x) == ["0.0"]
    x = leaf(0.0, 0.5, dtype=torch.float64)
    assert second(torch.special.entr(x), x) == ["-inf", "-2.0"]
    x = leaf(0.0, 2.0, 0.5, dtype=torch.float64)
    assert second(F.huber_loss(x, torch.ones(3).double(), reduction="sum"), x) == [
        "0.0", "0.0", "1.0"]


def test_gradients_of_one_element_that_is_not_finite():
    for call in (torch.norm, lambda x: x.norm(3), lambda x: torch.dist(x, torch.zeros(1))):
        assert [grad(call(x), x) for x in (leaf(nan), leaf(inf), leaf(-2.0))] == [
            ["nan"], ["nan"], ["-1.0"]]
    x = leaf(nan, inf)
    y = F.pairwise_distance(x.view(2, 1), torch.zeros(2, 1), eps=0)
    assert grad(y, x) == ["nan", "nan"]
    x = leaf(nan)
    assert grad(x.cumprod(0), x) == ["1.0"]
