"""Python data, buffers, NumPy arrays and DLPack capsules as tensors, and back."""

import array
import gc

import pytest

import flambeau as torch

try:
    import numpy
except ImportError:
    numpy = None

needs_numpy = pytest.mark.skipif(numpy is None, reason="NumPy is what is tested")


@pytest.mark.parametrize(
    "data, dtype",
    [
        (1, torch.int64),
        (1.0, torch.float32),
        (True, torch.bool),
        ([1, 2.5], torch.float32),
        ([True, 2], torch.int64),
        ([], torch.float32),
        ([[], []], torch.float32),
        (range(3), torch.int64),
        (((1, 2), (3, 4)), torch.int64),
        ([torch.tensor(1), 2.0], torch.float32),
        ([torch.tensor(1.0, dtype=torch.float64), 2], torch.float64),
        (bytearray(b"ab"), torch.int64),
    ],
)
def test_inferred_dtype(data, dtype):
    assert torch.tensor(data).dtype is dtype


def test_values_and_shapes():
    assert torch.tensor([[1, 2, 3], [4, 5, 6]]).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert torch.tensor([[], []]).shape == (2, 0) and torch.tensor([]).shape == (0,)
    assert torch.tensor(5).shape == () and torch.tensor(5).tolist() == 5
    assert torch.tensor([1.5, -1.5], dtype=torch.int32).tolist() == [1, -1]
    assert torch.tensor([-1], dtype=torch.uint8).tolist() == [255]
    assert torch.tensor([0, 2], dtype=torch.bool).tolist() == [False, True]
    assert torch.tensor([1.1], dtype=torch.bfloat16).tolist() == [1.1015625]
    assert torch.tensor([1.1], dtype=torch.float16).tolist() == [1.099609375]
    assert torch.tensor([2**62], dtype=torch.int64).item() == 2**62
    assert torch.tensor(1.5, requires_grad=True).requires_grad
    x = torch.ones(2)
    assert torch.tensor(x) is not x and torch.tensor(x).tolist() == [1, 1]


@pytest.mark.parametrize(
    "data, options, error, message",
    [
        ([[1, 2], [3]], {}, ValueError, "expected sequence of length 2 at dim 1 (got 1)"),
        ([1, "a"], {}, TypeError, "new(): invalid data type 'str'"),
        ("a", {}, TypeError, "new(): invalid data type 'str'"),
        (b"a", {}, TypeError, "new(): invalid data type 'bytes'"),
        (None, {}, RuntimeError, "Could not infer dtype of NoneType"),
        ({1: 2}, {}, RuntimeError, "Could not infer dtype of dict"),
        ([2**70], {}, ValueError, "Overflow when unpacking long long"),
        (2**63, {}, ValueError, "Overflow when unpacking long long"),
        ([[1, 2], 3], {}, TypeError, "not a sequence"),
        (
            [300],
            {"dtype": torch.uint8},
            RuntimeError,
            "value cannot be converted to type uint8 without overflow",
        ),
        (
            [float("nan")],
            {"dtype": torch.int32},
            RuntimeError,
            "value cannot be converted to type int32",
        ),
        (
            [torch.ones(2)],
            {},
            ValueError,
            "only one element tensors can be converted to Python scalars",
        ),
        (
            [1],
            {"requires_grad": True},
            RuntimeError,
            "Only Tensors of floating point and complex dtype",
        ),
        ([1], {"dtype": "f"}, TypeError, "tensor(): argument 'dtype' must be torch.dtype, not str"),
        ([1], {"foo": 1}, TypeError, "tensor() got an unexpected keyword argument 'foo'"),
    ],
)
def test_refused(data, options, error, message):
    with pytest.raises(error) as info:
        torch.tensor(data, **options)
    assert message in str(info.value)


def test_a_list_that_contains_itself():
    data = []
    data.append(data)
    with pytest.raises((ValueError, RecursionError)):
        torch.tensor(data)


def test_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor(1.0).dtype is torch.float64 and torch.tensor([]).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_asarray_obeys_requires_grad_where_it_is_given():
    leaf = torch.ones(3, requires_grad=True)
    result = leaf + 2
    cut = torch.asarray(result, requires_grad=False)
    assert not cut.requires_grad and cut.data_ptr() == result.data_ptr()
    assert not torch.asarray(leaf, requires_grad=False, copy=True).requires_grad
    assert torch.asarray(result, requires_grad=True) is result
    copied = torch.asarray(result, requires_grad=True, copy=True)
    assert copied.grad_fn.name() == "CloneBackward0" and copied.data_ptr() != result.data_ptr()
    plain = torch.ones(2)
    assert torch.asarray(plain, requires_grad=True) is plain and plain.requires_grad
    with pytest.warns(UserWarning, match="unspecified requires_grad now defaults"):
        assert torch.asarray(result) is result


def test_as_tensor_and_asarray():
    x = torch.ones(2)
    assert (
        torch.as_tensor(x) is x and torch.as_tensor(x, dtype=torch.float64).dtype is torch.float64
    )
    assert torch.as_tensor([1, 2]).tolist() == [1, 2] and torch.asarray([1.0]).tolist() == [1]
    assert torch.asarray(x, copy=True) is not x
    with pytest.raises(ValueError):
        torch.asarray([1], copy=False)
    assert x.new_tensor([1, 2]).dtype is torch.float32


def test_legacy_constructor():
    assert torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor().shape == (0,)
    with pytest.raises(TypeError, match="data must be a sequence"):
        torch.Tensor(3.0)


def test_to_list():
    assert torch.tensor([[True], [False]]).tolist() == [[True], [False]]
    assert torch.arange(6).reshape(2, 3).T.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert torch.zeros(2, 0).tolist() == [[], []]


# ---- Buffers -------------------------------------------------------------------------------------------


def test_memory_of_a_tensor_as_a_buffer():
    x = torch.arange(6, dtype=torch.int32).reshape(2, 3)
    view = memoryview(x)
    assert view.shape == (2, 3) and view.format == "i" and view.strides == (12, 4)
    assert view.tolist() == x.tolist()
    view[0, 0] = 7
    assert x[0, 0].item() == 7
    assert memoryview(x.T).tolist() == x.T.tolist()
    assert bytes(torch.tensor([1, 2], dtype=torch.uint8)) == b"\1\2"
    assert array.array("f", memoryview(torch.tensor([1.0, 2.0])).tolist()).tolist() == [1, 2]
    with pytest.raises(BufferError):
        memoryview(torch.ones(1, dtype=torch.bfloat16))
    with pytest.raises(BufferError):
        memoryview(torch.ones(1, requires_grad=True))
    del x
    assert view[1, 2] == 5


def test_frombuffer():
    data = bytearray(b"\1\0\0\0\2\0\0\0")
    x = torch.frombuffer(data, dtype=torch.int32)
    data[0] = 9
    assert x.tolist() == [9, 2]
    assert torch.frombuffer(data, dtype=torch.int32, count=1, offset=4).tolist() == [2]
    del data
    gc.collect()
    assert x.tolist() == [9, 2]


@pytest.mark.parametrize(
    "data, options, message",
    [
        (b"", {}, "both buffer length (0) and count (-1) must not be 0"),
        (b"abc", {}, "must be a multiple of element size"),
        (b"abcd", {"offset": 4}, "must be non-negative and no greater than buffer length"),
        (b"abcd", {"count": 2}, "must not be greater than actual buffer length"),
        (b"abcd", {"count": 2**62}, "must not be greater than actual buffer length"),
        (3, {}, "object does not implement Python buffer protocol."),
    ],
)
def test_frombuffer_refused(data, options, message):
    with pytest.raises(ValueError) as info:
        torch.frombuffer(data, dtype=torch.int32, **options)
    assert message in str(info.value)


# ---- DLPack --------------------------------------------------------------------------------------------


def test_dlpack_with_itself():
    x = torch.arange(6).reshape(2, 3).T
    y = torch.from_dlpack(x)
    assert y.tolist() == x.tolist() and y.stride() == x.stride()
    y[0, 0] = 9
    assert x[0, 0].item() == 9
    del x
    gc.collect()
    assert y[0, 0].item() == 9
    assert torch.ones(1).__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="meta tensor"):
        torch.empty(1, device="meta").__dlpack_device__()
    torch.ones(1).__dlpack__()  # a capsule that nobody takes
    capsule = torch.ones(2).__dlpack__()
    assert torch.from_dlpack(capsule).tolist() == [1, 1]
    with pytest.raises(Exception):
        torch.from_dlpack(capsule)
    with pytest.raises(BufferError):
        torch.ones(1, requires_grad=True).__dlpack__()


# ---- NumPy -----------------------------------------------------------------------------------------------


@needs_numpy
@pytest.mark.parametrize(
    "name", "bool uint8 int8 int16 int32 int64 float16 float32 float64".split()
)
def test_numpy_there_and_back(name):
    a = numpy.arange(6).reshape(2, 3).astype(name)
    x = torch.from_numpy(a)
    assert x.dtype is getattr(torch, name) and x.tolist() == a.tolist()
    assert x.numpy().dtype == a.dtype and numpy.array_equal(x.numpy(), a)
    assert numpy.shares_memory(x.numpy(), a)
    assert torch.from_numpy(a.T).tolist() == a.T.tolist() and torch.tensor(a).tolist() == a.tolist()
    assert numpy.asarray(x).dtype == a.dtype


@needs_numpy
def test_numpy_shares_and_keeps_memory():
    a = numpy.zeros(3)
    x = torch.from_numpy(a)
    a[1] = 5
    assert x[1].item() == 5
    del a
    gc.collect()
    assert x.tolist() == [0, 5, 0]
    y = torch.ones(3).numpy()
    gc.collect()
    assert y.tolist() == [1, 1, 1]
    assert (
        torch.as_tensor(y).data_ptr() == y.ctypes.data
        and torch.tensor(y).data_ptr() != y.ctypes.data
    )


@needs_numpy
def test_numpy_numbers():
    assert torch.tensor(numpy.float64(3)).dtype is torch.float64
    assert torch.tensor([numpy.float32(3)]).dtype is torch.float32
    assert torch.tensor(numpy.int32(3)).dtype is torch.int32
    assert (torch.ones(2) * numpy.float32(2)).tolist() == [2, 2]
    assert (
        torch.zeros(numpy.int64(2), 3).shape == (2, 3)
        and torch.ones(3).sum(numpy.int64(0)).item() == 3
    )
    assert torch.tensor([numpy.ones(2), numpy.zeros(2)]).tolist() == [[1, 1], [0, 0]]


@needs_numpy
def test_numpy_refused():
    with pytest.raises(TypeError, match="expected np.ndarray .got list."):
        torch.from_numpy([1])
    with pytest.raises(ValueError, match="negative"):
        torch.from_numpy(numpy.ones(3)[::-1])
    with pytest.raises(TypeError, match="can't convert np.ndarray of type"):
        torch.from_numpy(numpy.array(["a"]))
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        torch.ones(1, requires_grad=True).numpy()
    with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
        torch.ones(1, dtype=torch.bfloat16).numpy()
    assert torch.ones(1, requires_grad=True).numpy(force=True).tolist() == [1]
