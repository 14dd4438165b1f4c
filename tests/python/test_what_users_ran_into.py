"""Values and refusals that users' reports asked for; PyTorch 2.13's."""

import math
import warnings

import pytest

import flambeau as torch
import flambeau.nn.functional as F

inf = math.inf


def first_line(error, run):
    with pytest.raises(error) as caught:
        run()
    return str(caught.value).split("\n")[0]


@pytest.mark.parametrize(
    ("run", "kernel", "dtype"),
    [
        (lambda: torch.tensor([True]).abs(), "abs_cpu", "Bool"),
        (lambda: torch.tensor([True]).floor(), "floor_vml_cpu", "Bool"),
        (lambda: torch.tensor([1]).frac(), "frac_cpu", "Long"),
        (lambda: torch.tensor([True]) // torch.tensor([True]), "div_floor_cpu", "Bool"),
        (lambda: torch.tensor([True]) % torch.tensor([True]), "remainder_cpu", "Bool"),
        (lambda: torch.tensor([True]) ** torch.tensor([True]), "pow", "Bool"),
        (lambda: torch.tensor([1.5]) & 1, "bitwise_and_cpu", "Float"),
        (lambda: torch.bincount(torch.tensor([1.5])), "bincount_cpu", "Float"),
        (lambda: torch.round(torch.tensor([1]), decimals=1), "round_cpu", "Long"),
        (lambda: F.softmax(torch.tensor([[1]]), 0), "softmax_kernel_impl", "Long"),
        (lambda: F.softmax(torch.tensor([[1]]), 1), "softmax_lastdim_kernel_impl", "Long"),
        (lambda: F.log_softmax(torch.tensor([1]), 0), "log_softmax_lastdim_kernel_impl", "Long"),
        (lambda: torch.randn(2, dtype=torch.int64), "normal_kernel_cpu", "Long"),
        (lambda: torch.arange(2, dtype=torch.bool), "arange_cpu", "Bool"),
    ],
)
def test_refused_dtypes_name_the_kernel(run, kernel, dtype):
    assert first_line(NotImplementedError, run) == f"\"{kernel}\" not implemented for '{dtype}'"


@pytest.mark.parametrize(
    ("error", "run", "text"),
    [
        (RuntimeError, lambda: +torch.tensor([True]),
         "The `+` operator, on a bool tensor is not supported."),
        (RuntimeError, lambda: torch.tensor([True]).topk(1),
         "topk does not support bool dtypes on CPU"),
        (RuntimeError, lambda: torch.arange(0, 5, math.nan), "step must be nonzero"),
        (ValueError, lambda: torch.arange(0, 3, 0.5, dtype=torch.int64), "step must be nonzero"),
        (RuntimeError, lambda: torch.zeros(2**62, 2**62),
         f"Storage size calculation overflowed with sizes=[{2**62}, {2**62}]"),
        (RuntimeError, lambda: torch.ones(2).as_strided((2, 2), (2**62, 1)),
         f"Storage size calculation overflowed with sizes=[2, 2] and strides=[{2**62}, 1]"),
        (RuntimeError, lambda: torch.ones(2).as_strided((3,), (1,), 1),
         "setStorage: sizes [3], strides [1], storage offset 1, and itemsize 4 requiring a storage "
         "size of 16 are out of bounds for storage of size 8"),
        (RuntimeError, lambda: torch.ones(2, 3).view(-2, 3),
         "invalid shape dimension -2 at index 0 of shape [-2, 3]"),
        (IndexError, lambda: torch.ones(3, 3).take(torch.tensor([9])),
         "out of range: tried to access index 9 on a tensor of 9 elements."),
        (IndexError, lambda: torch.ones(9).put_(torch.tensor([-10]), torch.ones(1)),
         "out of range: tried to access index -10 on a tensor of 9 elements."),
        (IndexError,
         lambda: torch.ones(3).index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(1.0)),
         "too many indices for tensor of dimension 1 (got 2)"),
        (RuntimeError, lambda: torch.ones(3, 3).copy_(torch.ones(2)),
         "The size of tensor a (3) must match the size of tensor b (2) at non-singleton "
         "dimension 1"),
        (RuntimeError, lambda: torch.ones(1, 3).copy_(torch.ones(3, 3)),
         "output with shape [1, 3] doesn't match the broadcast shape [3, 3]"),
        (IndexError, lambda: torch.zeros(3, 0).mode(1),
         "mode(): Expected reduction dim 1 to have non-zero size."),
        (IndexError, lambda: torch.zeros(3, 0).median(1),
         "median(): Expected reduction dim 1 to have non-zero size."),
        (RuntimeError, lambda: torch.tensor([]).norm(p=inf),
         "linalg.vector_norm cannot compute the inf norm on an empty tensor because the operation "
         "does not have an identity"),
        (RuntimeError, lambda: torch.zeros(3, 0).norm(p=-1, dim=1),
         "linalg.vector_norm cannot compute the -1 norm on the dimension 1because this dimension "
         "is empty and the operation does not have an identity"),
        (RuntimeError, lambda: torch.ones(3).renorm(2, 0, 1.0),
         "renorm: input needs at least 2 dimensions, got 1 dimensions"),
        (RuntimeError, lambda: torch.tensor([1.0]).float_power_(2),
         "the base given to float_power_ has dtype Float but the operation's result requires dtype "
         "Double"),
        (TypeError, lambda: torch.ones(2, names=("a",)),
         "ones() got an unexpected keyword argument 'names'"),
        (RuntimeError, lambda: F.max_pool1d(torch.ones(1, 4), 3, dilation=2**62),
         "integer out of range"),
    ],
)
def test_refusals(error, run, text):
    assert first_line(error, run) == text


def test_ldexp_beyond_the_range_of_its_power():
    def ldexp(x, n, dtype=torch.float32):
        return torch.ldexp(torch.tensor([x], dtype=dtype), torch.tensor([n]))

    assert ldexp(3.0, -150).item() == 2.802596928649634e-45
    assert ldexp(1e30, -200).item() == 6.223015371501754e-31
    assert ldexp(1e-30, 200).item() == 1.6069380493547143e30
    assert ldexp(3.0, -1076, torch.float64).item() == 5e-324
    assert ldexp(3.0, -26, torch.float16).item() == 5.960464477539063e-08
    assert ldexp(3e-5, 20, torch.float16).item() == 31.4375
    assert ldexp(3e-5, 20, torch.bfloat16).item() == 31.5
    assert torch.ldexp(torch.tensor([1.0]), torch.tensor([0.5])).item() == pytest.approx(2**0.5)
    x = torch.tensor([3.0], requires_grad=True)
    n = torch.tensor([2.5], requires_grad=True)
    torch.ldexp(x, n).backward()
    assert x.grad.item() == pytest.approx(2**2.5)
    assert n.grad.item() == pytest.approx(3 * 2**2.5 * math.log(2))


def test_nextafter_of_halves():
    def after(dtype):
        x = torch.tensor([1.0, 0.0, -1.0, 60000.0, -2.0], dtype=dtype)
        return torch.nextafter(x, torch.tensor([2.0, 1.0, -2.0, inf, 0.0], dtype=dtype)).tolist()

    assert after(torch.float16) == [1.0009765625, 5.960464477539063e-08, -1.0009765625, 60032.0,
                                    -1.9990234375]
    assert after(torch.bfloat16) == [1.0078125, 9.183549615799121e-41, -1.0078125, 60160.0,
                                     -1.9921875]
    assert torch.nextafter(torch.ones(2, 1).half(), torch.zeros(3).half()).shape == (2, 3)


def test_frexp_of_all_sizes():
    for dtype, least in ((torch.float64, 5e-324), (torch.float32, 2.0 ** -149), (torch.float16, 2.0 ** -24)):
        info = torch.finfo(dtype)
        edges = [0.0, -0.0, least, -3 * least, info.tiny, -info.tiny, info.max, -info.max, 1.0, -0.1, 1e-3, 77.0]
        for x in torch.tensor(edges, dtype=dtype).tolist():
            mantissa, exponent = torch.frexp(torch.tensor([x], dtype=dtype))
            assert (mantissa.item(), exponent.item()) == math.frexp(x)
            assert math.copysign(1, mantissa.item()) == math.copysign(1, x)
    mantissa, exponent = torch.frexp(torch.tensor([inf, -inf, float("nan")]))
    assert mantissa.tolist()[:2] == [inf, -inf] and mantissa[2] != mantissa[2] and exponent.tolist() == [0, 0, 0]


def test_frexp():
    mantissa, exponent = torch.frexp(torch.tensor([0.5, 8.0, 0.0, -3.0, inf]))
    assert mantissa.tolist() == [0.5, 0.5, 0.0, -0.75, inf]
    assert exponent.tolist() == [0, 4, 0, 2, 0] and exponent.dtype == torch.int32
    x = torch.tensor([3.0], requires_grad=True)
    torch.frexp(x)[0].backward()
    assert x.grad.item() == 0.25


def test_deviations_whose_variance_is_beyond_the_dtype():
    assert torch.tensor([1e30, 2e30]).std().item() == 7.071067565216947e29
    assert torch.tensor([1e30, 2e30], dtype=torch.bfloat16).std().item() == 7.081017024712375e29
    assert torch.tensor([1e30, 2e30]).var().item() == inf
    assert torch.tensor([60000.0, -60000.0], dtype=torch.float16).std().item() == inf


def test_renorm_in_place():
    x = torch.arange(6.0).view(2, 3)
    want = [0.0, 0.4472135901451111, 0.8944271802902222, 0.4242640733718872, 0.5656854510307312,
            0.7071068286895752]
    assert x.renorm(2, 0, 1.0).flatten().tolist() == pytest.approx(want)
    assert x.renorm_(2, 0, 1.0).flatten().tolist() == pytest.approx(want)
    assert x.flatten().tolist() == pytest.approx(want)
    p = torch.arange(6.0).view(2, 3).requires_grad_()
    p.renorm(2, 0, 1.0).sum().backward()
    assert p.grad.flatten().tolist() == pytest.approx(
        [0.4472, 0.1789, -0.0894, 0.0396, 0.0057, -0.0283], abs=1e-4)


def test_forms_in_place():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert x.float_power_(2).tolist() == [1.0, 4.0]
    assert x.float_power_(torch.tensor([2, 3])).tolist() == [1.0, 64.0]
    assert torch.tensor([1.0]).polygamma_(1).item() == pytest.approx(1.644934058189392)
    p = torch.ones(2, requires_grad=True)
    (p * 1).polygamma_(1).sum().backward()
    assert p.grad.tolist() == pytest.approx([-2.4041138063] * 2)
    torch.manual_seed(0)
    assert torch.feature_dropout_(torch.ones(2, 3, 2), 0.5, True).flatten().tolist() == [
        0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0]
    torch.manual_seed(0)
    x = torch.ones(4)
    torch.alpha_dropout_(x, 0.5, True)
    assert x.tolist() == pytest.approx([-0.77919394, -0.77919394, 1.66559887, -0.77919394])
    torch.manual_seed(0)
    y = F.feature_alpha_dropout(torch.ones(1, 3, 2), 0.5, True, inplace=True)
    assert y.flatten().tolist() == pytest.approx([-0.77919394] * 4 + [1.66559887] * 2)


def test_fill_diagonal():
    assert torch.zeros(3, 3).fill_diagonal_(5).tolist() == [[5, 0, 0], [0, 5, 0], [0, 0, 5]]
    tall = torch.zeros(7, 3).fill_diagonal_(1, wrap=True)
    assert tall.sum(1).tolist() == [1, 1, 1, 0, 1, 1, 1]
    assert torch.zeros(2, 2, 2).fill_diagonal_(5).flatten().tolist() == [5, 0, 0, 0, 0, 0, 0, 5]
    p = torch.ones(2, 2, requires_grad=True)
    (p * 2).fill_diagonal_(5).sum().backward()
    assert p.grad.tolist() == [[0, 2], [2, 0]]


def test_copies_of_numbers():
    assert torch.ones(2).copy_(5.5).tolist() == [5.5, 5.5]
    assert torch.ones(2, dtype=torch.int64).copy_(5.5).tolist() == [5, 5]


def test_joins_into_tensors():
    out = torch.empty(0)
    assert torch.stack([torch.ones(1), torch.zeros(1)], out=out) is out
    assert out.tolist() == [[1.0], [0.0]]
    rows = torch.arange(8.0).view(4, 2)
    assert "some elements of the input tensor" in first_line(
        RuntimeError, lambda: torch.stack([rows[0], rows[1]], out=rows[:2]))


def test_counting_in_int64():
    assert torch.arange(0.5, 3.7, 1.5, dtype=torch.int64).tolist() == [0, 1, 2]


def test_layouts():
    gapped = torch.empty(4, 3, 5)[:, :, :4].permute(2, 0, 1)
    for like in (torch.empty_like, torch.zeros_like, torch.clone, torch.neg):
        assert like(gapped).stride() == (1, 12, 4)
    assert torch.ones(2, 3).nonzero().stride() == (1, 6)
    assert torch.tensor(5.0).nonzero().stride() == (1, 1)
    assert torch.ones(2, 3).nonzero().tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


def test_zeros_have_a_sign():
    assert math.copysign(1, F.logsigmoid(torch.tensor([inf])).item()) == 1


# ---- warnings of the library ----


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda: torch.tensor([1.0]).std(), r"std\(\): degrees of freedom is <= 0\. Correction"),
        (lambda: torch.tensor([1.0]).var(), r"var\(\): degrees of freedom is <= 0"),
        (lambda: torch.std_mean(torch.ones(2, 1), 1), r"std_mean\(\): degrees of freedom is <= 0"),
        (lambda: torch.range(0, 3), "torch.range is deprecated"),
        (lambda: torch.add(torch.ones(3), 1, out=torch.empty(2)),
         r"was resized since it had shape \[2\], which does not match the required output shape "
         r"\[3\]"),
        (lambda: torch.ones(3)[torch.tensor([1, 0, 1], dtype=torch.uint8)],
         "indexing with dtype torch.uint8 is now deprecated"),
    ],
)
def test_warnings(run, text):
    with pytest.warns(UserWarning, match=text) as caught:
        run()
    assert [w.filename for w in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=text):
            run()


def test_no_warning_where_none_is_due():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.ones(3).std().item() == 0
        assert torch.add(torch.ones(3), 1, out=torch.empty(0)).tolist() == [2, 2, 2]


# ---- resize_ ----


def test_resize():
    x = torch.arange(6.0)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    assert x.resize_((2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x.resize_as_(torch.ones(3, 2)).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert x.resize_(7).shape == (7,)
    assert torch.ones(2, 3)[:, 0].resize_(2).stride() == (3,)
    assert "cannot resize variables" in first_line(
        RuntimeError, lambda: torch.ones(2, requires_grad=True).resize_(1))
    assert "not resizable" in first_line(
        RuntimeError,
        lambda: torch.frombuffer(bytearray(8), dtype=torch.float32).resize_(5))
    assert "required rank 4" in first_line(
        RuntimeError,
        lambda: torch.empty(0).resize_(2, 3, memory_format=torch.channels_last))


def test_windows_without_a_place():
    with pytest.raises(RuntimeError, match="non-positive groups"):
        F.conv3d(torch.ones(1, 0, 5, 3, 3), torch.ones(5, 0, 2, 2, 2), padding="same", groups=0)


def test_segment_reduce():
    x = torch.arange(12.0).view(6, 2).requires_grad_()
    lengths = torch.tensor([2, 0, 4])
    rows = {"sum": [2, 0, 28], "mean": [1, math.nan, 7], "max": [2, -inf, 10],
            "min": [0, inf, 4], "prod": [0, 1, 1920]}
    started = {"sum": [5, 3, 31], "mean": [2.5, 3, 7.75], "max": [3, 3, 10], "min": [0, 3, 3],
               "prod": [0, 3, 5760]}
    for how, expected in rows.items():
        y = torch.segment_reduce(x, how, lengths=lengths)
        assert y[:, 0].tolist() == pytest.approx(expected, nan_ok=True)
        y = torch.segment_reduce(x, how, lengths=lengths, initial=3.0)
        assert y[:, 0].tolist() == pytest.approx(started[how])
    y = torch.segment_reduce(x, "sum", offsets=torch.tensor([1, 2, 5]))
    assert y.tolist() == [[2, 3], [18, 21]]
    y = torch.segment_reduce(x.T, "sum", lengths=torch.tensor([[2, 4], [5, 1]]), axis=1)
    assert y.tolist() == [[2, 28], [25, 11]]
    torch.segment_reduce(x, "mean", lengths=lengths).nansum().backward()
    assert x.grad[:, 0].tolist() == [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    for error, text, call in (
        (RuntimeError, "reduce argument must be either sum, prod, mean, amax or amin, got foo",
         lambda: torch.segment_reduce(x, "foo", lengths=lengths)),
        (RuntimeError, "segment_reduce(): Either lengths or offsets must be defined.",
         lambda: torch.segment_reduce(x, "sum")),
        (RuntimeError, "lengths contains negative value!",
         lambda: torch.segment_reduce(x, "sum", lengths=torch.tensor([-1, 7]))),
        (RuntimeError, "segment_reduce(): Expected all rows of lengths along axis to sum to "
         "data.size(lengths.dim()-1) when !unsafe.",
         lambda: torch.segment_reduce(x, "sum", lengths=torch.tensor([1, 2**62]))),
        (RuntimeError, "segment_reduce(): Expected axis to be the last dimension of lengths but "
         "got 1.", lambda: torch.segment_reduce(x, "sum", lengths=lengths, axis=1)),
        (NotImplementedError, "\"_segment_reduce_cpu\" not implemented for 'Long'",
         lambda: torch.segment_reduce(x.long(), "sum", lengths=lengths)),
    ):
        assert first_line(error, call) == text


def test_expand_tells_the_last_dim_that_does_not_fit():
    assert first_line(RuntimeError, lambda: torch.ones(2, 3).expand(5, 5)) == (
        "The expanded size of the tensor (5) must match the existing size (3) at non-singleton "
        "dimension 1.  Target sizes: [5, 5].  Tensor sizes: [2, 3]"
    )


def test_limits_of_complex_numbers_are_those_of_their_parts():
    assert repr(torch.finfo(torch.complex64)) == repr(torch.finfo(torch.float32))
    assert torch.finfo(torch.complex128) == torch.finfo(torch.float64)


def test_print_options_say_what_they_are():
    from flambeau._tensor_str import PRINT_OPTS

    assert repr(PRINT_OPTS) == (
        "__PrinterOptions(precision=4, threshold=1000, edgeitems=3, linewidth=80, sci_mode=None)")


def test_node_of_a_function_says_its_name():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    node = Twice.apply(torch.ones(1, requires_grad=True)).grad_fn
    assert repr(node).startswith("<torch.autograd.function.TwiceBackward object at 0x")


def test_gradgradcheck_draws_as_pytorch():
    torch.manual_seed(0)
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: x**3, (x,))
    assert torch.rand(1).item() == pytest.approx(0.4901, abs=1e-4)
    torch.manual_seed(0)
    made = torch.testing.make_tensor(2, dtype=torch.complex64, low=-1, high=1)
    assert made.tolist() == pytest.approx([-0.0075 + 0.5364j, -0.823 - 0.7359j], abs=1e-4)


def test_functionalize_leaves_results_alone():
    def change(x):
        y = x.clone()
        y.add_(1)
        return y

    assert torch.func.functionalize(change)(torch.ones(1)) == 2
    with pytest.raises(RuntimeError, match="received invalid argument for remove="):
        torch.func.functionalize(change, remove="views")


def test_zero_redundancy_optimizer_of_one_process():
    from flambeau.distributed.optim import ZeroRedundancyOptimizer

    w = torch.ones(2, requires_grad=True)
    optimizer = ZeroRedundancyOptimizer([w], torch.optim.Adam, lr=0.5)
    (w * 2).sum().backward()
    optimizer.step()
    optimizer.consolidate_state_dict()
    assert w.tolist() == pytest.approx([0.5, 0.5])
    again = ZeroRedundancyOptimizer([w], torch.optim.Adam, lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    assert again.param_groups[0]["lr"] == 0.5 and again.state[w]["step"] == 1
    optimizer.zero_grad()
    assert w.grad is None


def test_dual_tensors_print_their_tangent():
    forward = torch.autograd.forward_ad
    with forward.dual_level():
        x = forward.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        assert repr(x * x) == "tensor([1., 4.], tangent=tensor([ 6., 16.]))"
        assert repr(torch.ones(1)) == "tensor([1.])"


def test_cross_map_lrn2d():
    layer = torch.nn.CrossMapLRN2d(4, 0.5)
    assert repr(layer) == "CrossMapLRN2d(4, alpha=0.5, beta=0.75, k=1)"
    x = torch.arange(1.0, 9.0).view(1, 8, 1, 1).requires_grad_()
    y = layer(x)
    y.sum().backward()
    assert y.flatten().tolist() == pytest.approx(
        [0.69480026, 0.93654895, 0.93239737, 0.89379615, 0.84219694, 0.79215199, 0.74717563,
         1.03666306], rel=1e-5)
    assert x.grad.flatten().tolist() == pytest.approx(
        [0.55077541, 0.1066144, -0.29986188, -0.32884651, -0.25257751, -0.19492462, -0.20485781,
         -0.10901235], rel=1e-4)
    with pytest.raises(ValueError, match="^CrossMapLRN2d: Expected input to be 4D, got 3D instead"):
        layer(x[0])


def test_facts_for_a_report():
    from flambeau.utils import collect_env

    facts = collect_env.get_env_info()._replace(pip_packages="numpy==1.0\nfrob==2", conda_packages="")
    lines = collect_env.pretty_str(facts).splitlines()
    assert lines[0] == f"PyTorch version: {torch.__version__}"
    assert "Is CUDA available: False" in lines and "CUDA runtime version: No CUDA" in lines
    assert lines[-2:] == ["[pip3] numpy==1.0", "[conda] No relevant packages"]


def test_tensors_in_one():
    from flambeau import _utils

    tensors = [torch.ones(2, 3), torch.arange(2.0)]
    flat = _utils._flatten_dense_tensors(tensors)
    assert flat.tolist() == [1.0] * 6 + [0.0, 1.0]
    parts = _utils._unflatten_dense_tensors(flat, tensors)
    assert [tuple(part.shape) for part in parts] == [(2, 3), (2,)]
    assert [len(group) for group in _utils._take_tensors([*tensors, torch.ones(1)], 16)] == [1, 2]
    assert _utils._get_device_index("cuda:1") == 1
    with pytest.raises(ValueError, match="^Expected a non cpu device, but got: cpu"):
        _utils._get_device_index("cpu")
    assert _utils._get_device_index(torch.device("cpu"), allow_cpu=True) == -1


def test_signatures_of_functions():
    import inspect

    F = torch.nn.functional
    assert str(inspect.signature(F.interpolate)) == (
        "(input, size=None, scale_factor=None, mode='nearest', align_corners=None, "
        "recompute_scale_factor=None, antialias=False)")
    assert str(inspect.signature(F.normalize)) .startswith("(input, p=2.0, dim=1, eps=")


def test_parametrized_classes_say_where_they_are_from():
    from flambeau.nn.utils import parametrizations, parametrize

    layer = parametrizations.spectral_norm(torch.nn.Linear(3, 4))
    assert type(layer).__module__ == parametrize.ParametrizationList.__module__


def test_gradients_of_convolutions_as_functions():
    from flambeau.nn import grad

    x, w = torch.arange(18.0).view(1, 2, 3, 3), torch.arange(8.0).view(1, 2, 2, 2)
    g = torch.ones(1, 1, 2, 2)
    assert grad.conv2d_weight(x, w.shape, g)[0, 0].tolist() == [[8.0, 12.0], [20.0, 24.0]]
    assert grad.conv2d_input(x.shape, w, g)[0, 0].tolist() == [
        [0.0, 1.0, 1.0], [2.0, 6.0, 4.0], [2.0, 5.0, 3.0]]
    assert grad.conv1d_input((1, 2, 7), torch.ones(2, 1, 3), torch.ones(1, 2, 3), stride=2,
                             groups=2)[0, 0].tolist() == [1, 1, 2, 1, 2, 1, 1]
    assert not x.requires_grad and not w.requires_grad


def test_from_file(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(8)))
    assert torch.from_file(str(path), size=3, dtype=torch.uint8).tolist() == [0, 1, 2]
    torch.from_file(str(path), shared=True, size=2, dtype=torch.int16).fill_(5)
    assert path.read_bytes()[:4] == b"\5\0\5\0"
    with pytest.raises(RuntimeError, match="size <8> is smaller than the required mapping size"):
        torch.from_file(str(path), size=400)


def test_requires_grad_wants_a_bool():
    x = torch.ones(2)
    with pytest.raises(TypeError, match=r"^requires_grad_\(\): argument 'requires_grad' \(position "
                                        r"1\) must be bool, not int"):
        x.requires_grad_(1)
    with pytest.raises(TypeError, match="argument 'requires_grad' must be bool, not NoneType"):
        x.requires_grad_(requires_grad=None)
    assert not x.requires_grad and x.requires_grad_().requires_grad


def test_index_select_out_of_range():
    x = torch.ones(2, 3)
    with pytest.raises(IndexError, match="^index out of range in self"):
        x.index_select(0, torch.tensor([7]))
    with pytest.raises(RuntimeError, match="^INDICES element is out of DATA bounds, id=7 axis_dim=3"):
        x.index_select(1, torch.tensor([7]))


def test_insides_of_the_loader():
    from flambeau.utils.data.dataloader import _utils

    assert _utils.MP_STATUS_CHECK_INTERVAL == 5.0
    assert _utils.collate.default_collate_err_msg_format.endswith("found {}")
    with pytest.raises(TypeError, match="^default_collate: batch must contain tensors"):
        _utils.collate.default_collate([None])
