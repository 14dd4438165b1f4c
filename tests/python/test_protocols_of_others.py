"""What other libraries and Python's own protocols ask of tensors: NumPy, DLPack, pickle, nodes.

The answers are PyTorch 2.13's.
"""

import gc
import pickle
import subprocess
import sys
import weakref

import flambeau as torch
import flambeau.nn.functional as F
import pytest
from flambeau.autograd import Variable
from flambeau.utils import dlpack


def test_dlpack_names_its_device():
    kind, index = torch.ones(2).__dlpack_device__()
    assert (repr(kind), index) == ("<DLDeviceType.kDLCPU: 1>", 0)


def test_dlpack_capsules():
    x = torch.ones(2)
    capsule = dlpack.to_dlpack(x)
    torch.from_dlpack(capsule)[0] = 3
    assert x.tolist() == [3, 1]
    for bad in (capsule, [1]):
        with pytest.raises(RuntimeError, match="from_dlpack received an invalid capsule"):
            torch.from_dlpack(bad)


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_dlpack_copies_when_asked(version):
    x = torch.ones(2)
    torch.from_dlpack(x.__dlpack__(copy=True, max_version=version))[0] = 3
    torch.from_dlpack(x.__dlpack__(max_version=version))[1] = 5
    assert x.tolist() == [1, 5]


def test_a_capsule_that_nobody_takes_is_released():
    gc.collect()  # what earlier tests left
    before = torch._C.memory_stats()["allocated"]
    for version in (None, (1, 0)):
        torch.ones(1000).__dlpack__(max_version=version)
    gc.collect()
    assert torch._C.memory_stats()["allocated"] == before


def test_numpy_dtype_and_memory():
    numpy = pytest.importorskip("numpy")
    assert isinstance(torch.tensor([1]).numpy()[0], numpy.int64)
    x = torch.zeros(2)
    numpy.from_dlpack(x)[0] = 1
    array = numpy.from_dlpack(x, copy=True)
    array[1] = 1
    assert x.tolist() == [1, 0]
    readonly = numpy.ones(2)
    readonly.flags.writeable = False
    assert torch.from_dlpack(readonly).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda n: n.zeros((2, 10))[::-1], ValueError, "At least one stride in the given numpy"),
        (lambda n: n.array(["a"]), TypeError, "can't convert np.ndarray of type numpy.str_. The"),
        (lambda n: n.array([None]), TypeError, "can't convert np.ndarray of type numpy.object_."),
        (lambda n: n.zeros(2, dtype=">f4"), ValueError, "byte order different from the native"),
    ],
)
def test_numpy_refused(make, kind, message):
    numpy = pytest.importorskip("numpy")
    with pytest.raises(kind, match=message):
        torch.from_numpy(make(numpy))


def test_an_array_kept_by_its_tensor_is_collected():
    pytest.importorskip("numpy")
    kept = []
    for _ in range(20):
        x = torch.ones(3)
        x.n = x.numpy()
        kept.append(weakref.ref(x))
    del x
    gc.collect()
    assert not any(ref() for ref in kept)


def test_bytes_are_elements():
    x = torch.asarray(bytearray(8), dtype=torch.float32)
    assert x.shape == (2,) and x.dtype == torch.float32
    data = bytearray(b"\x00\x01")
    torch.asarray(data, dtype=torch.uint8)[0] = 7
    torch.asarray(data, dtype=torch.uint8, copy=True)[1] = 9
    assert data == b"\x07\x01"


@pytest.mark.parametrize("function", [F.relu, F.linear, F.gelu, torch.add, torch.special.erf])
def test_functions_are_pickled_by_name(function):
    assert pickle.loads(pickle.dumps(function)) is function


def test_types_of_nodes():
    x = torch.ones(2, requires_grad=True)
    node = (x * 2).sum().grad_fn
    names = []
    while node:
        names.append(type(node).__name__)
        node = node.next_functions[0][0] if node.next_functions else None
    assert names == ["SumBackward0", "MulBackward0", "AccumulateGrad"]
    assert type((x * 2).grad_fn) is type((x * 3).grad_fn)


def test_a_node_that_keeps_its_result_is_collected():
    kept = []
    for _ in range(20):
        y = torch.ones(2, requires_grad=True) * 2
        y.grad_fn.metadata["y"] = y
        kept.append(weakref.ref(y))
    del y
    gc.collect()
    assert not any(ref() for ref in kept)


def test_variable():
    x = torch.ones(2)
    v = Variable(x, requires_grad=True)
    assert type(v) is torch.Tensor and v.requires_grad and isinstance(x, Variable)
    v.data[0] = 3
    assert x.tolist() == [3, 1]


def test_numbers_for_tensors():
    t = torch.ones(2)
    assert torch.add(1, 2).item() == 3 and torch.add(1, 2).dtype == torch.int64
    assert torch.mul(2, 3.5).item() == 7 and torch.sub(2, t).tolist() == [1, 1]
    assert torch.floor_divide(7, t * 2).tolist() == [3, 3]
    with pytest.raises(TypeError, match="maximum.*must be Tensor, not int"):
        torch.maximum(2, t)


def test_resize_():
    a = torch.arange(4.0)
    assert a.resize_(2, 1).tolist() == [[0], [1]]
    assert a.resize_(4).tolist() == [0, 1, 2, 3]
    assert a.resize_as_(torch.ones(2, 2)).tolist() == [[0, 1], [2, 3]]
    grown = torch.zeros(2, 2).resize_(2, 3, 1, 1, memory_format=torch.channels_last)
    assert grown.stride() == (3, 1, 3, 3)
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        torch.ones(2, requires_grad=True).resize_(3)


def test_keywords_of_a_function():
    class Times(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k=2):
            ctx.k = k
            return x * k

        @staticmethod
        def backward(ctx, g):
            return g * ctx.k, None

    x = torch.ones(2, requires_grad=True)
    Times.apply(x, k=3).sum().backward()
    assert x.grad.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: torch.Size([1]) + [2], TypeError, "can only concatenate tuple .not list. to"),
        (lambda: torch.device("bad"), RuntimeError, "Expected one of cpu, cuda, ipu, xpu, mkldnn"),
        (lambda: torch.nn.Parameter([1]), AttributeError, "no attribute 'detach'"),
        (lambda: torch.tensor([1], requires_grad=True), RuntimeError, "Only Tensors of floating"),
        (lambda: torch.iinfo(torch.bool), TypeError, "torch.bool is not supported by torch.iinfo"),
        (lambda: torch.numel(5), TypeError, "numel.*'input' .position 1. must be Tensor, not int"),
        (
            lambda: torch.tensor([1.0, 2.0]) in torch.ones(3),
            RuntimeError,
            r"The size of tensor a \(2\) must match the size of tensor b \(3\)",
        ),
        (
            lambda: F.conv1d(torch.ones(1, 1, 2), torch.ones(1, 1, 3)),
            RuntimeError,
            r"Calculated padded input size per channel: \(2\). Kernel size: \(3\)",
        ),
        (
            lambda: torch.nn.utils.clip_grad_value_([], 1.0),
            RuntimeError,
            r"Expected !nested_tensorlist\[0\].empty\(\) to be true",
        ),
    ],
)
def test_exceptions(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_warnings_that_are_told_once():
    code = (
        "import warnings\nimport flambeau as torch\n"
        "with warnings.catch_warnings(record=True) as heard:\n"
        "    warnings.simplefilter('always')\n"
        "    p = torch.ones(1, requires_grad=True)\n"
        "    float(p), int(p), torch.ones(2).T, torch.ones(2, 2).T\n"
        "    torch.ones(2, 2, 2).T, torch.ones(2, 2, 2).T, torch.tensor(1.0).T\n"
        "print(*(str(w.message)[:40] for w in heard), sep='\\n')\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == [
        "Converting a tensor with requires_grad=T",
        "The use of `x.T` on tensors of dimension",
        "Tensor.T is deprecated on 0-D tensors. T",
    ]


def test_a_turned_signal_stays_in_rows():
    x = torch.ones(2, 5, 3).transpose(1, 2)
    assert F.conv1d(x, torch.ones(4, 3, 2)).stride() == (16, 4, 1)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: setattr(torch.ones(1, dtype=torch.int), "requires_grad", True), RuntimeError,
         "^only Tensors of floating point and complex dtype"),
        (lambda: torch.device("float64"), RuntimeError, "Invalid device string: 'float64'"),
        (lambda: torch.ones(2, 2).sum(dim="a"), TypeError, r"got \(dim=str, \), but expected"),
        (lambda: torch.Generator().set_state(torch.ones(5056)), TypeError,
         "RNG state must be a torch.ByteTensor"),
        (lambda: torch.nn.ModuleList([torch.nn.ReLU]), TypeError,
         "^torch.nn.modules.activation.ReLU is not a Module subclass"),
        (lambda: torch.nn.Sequential() * 0, ValueError,
         "factor 0 for <class 'torch.nn.modules.container.Sequential'>"),
        (lambda: torch.frombuffer("ab", dtype=torch.uint8), ValueError,
         "object does not implement Python buffer protocol"),
        (lambda: torch.ones(3)[1:].narrow(0, 0, 1).view(torch.float64), RuntimeError,
         r"self.size\(-1\) must be divisible by 2"),
        (lambda: F.cross_entropy(torch.ones(2, 3), torch.zeros(1)), ValueError,
         r"Expected input batch_size \(2\) to match target batch_size \(1\)"),
        (lambda: setattr(torch.ones(1), "grad", torch.ones(1, dtype=torch.float64)), RuntimeError,
         "gradient with dtype 'double' to a tensor with grad_dtype 'Float'"),
    ],
)
def test_messages(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_a_generator_shows_itself_as_pytorch_does():
    assert repr(torch.Generator()).startswith("<torch._C.Generator object at 0x")


def test_a_missing_argument_is_told_before_an_unknown_keyword():
    with pytest.raises(TypeError, match="flip.* missing 1 required positional arguments: .dims."):
        torch.ones(2).flip(axis=0)


def test_no_tensors_and_no_shape():
    with pytest.raises(RuntimeError, match="meshgrid expects a non-empty TensorList"):
        torch.meshgrid()
    assert torch.broadcast_shapes(None) == () and torch.broadcast_shapes(None, (2, 1)) == (2, 1)


def test_one_dim_as_a_tensor():
    assert torch.ones(2, 3).sum(dim=torch.tensor([0])).tolist() == [2, 2, 2]


def test_a_device_that_is_no_int_of_the_machine():
    with pytest.raises(ValueError, match="Overflow when unpacking long"):
        torch.tril_indices(2, 1, device=2**64 + 1)
