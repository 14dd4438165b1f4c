"""FloatTensor and its kin, Tensor.new, storages, set_ and version comparison."""

import copy
import pickle

import pytest

import flambeau as torch


def test_constructors():
    assert torch.LongTensor([1, 2]).dtype is torch.int64
    assert torch.FloatTensor([[1, 2]]).tolist() == [[1.0, 2.0]]
    assert torch.LongTensor([1.5]).tolist() == [1]
    assert torch.LongTensor(2, 3).shape == (2, 3) and torch.LongTensor().shape == (0,)
    assert torch.FloatTensor(torch.Size([4])).shape == (4,)
    assert torch.FloatTensor(size=(2,)).shape == (2,) and torch.FloatTensor(data=[1.0]).numel() == 1
    assert torch.FloatTensor(range(3)).tolist() == [0, 1, 2]
    assert torch.BoolTensor([1, 0, 2]).tolist() == [True, False, True]
    assert torch.ByteTensor([True, False]).dtype is torch.uint8
    assert torch.ByteTensor(bytearray(b"abc")).tolist() == [97, 98, 99]
    assert torch.HalfTensor([1]).dtype is torch.float16
    assert torch.BFloat16Tensor([1]).dtype is torch.bfloat16
    assert torch.DoubleTensor([1]).dtype is torch.float64
    assert torch.CharTensor([1]).dtype is torch.int8
    assert torch.ShortTensor([1]).dtype is torch.int16
    assert torch.IntTensor([1]).dtype is torch.int32
    assert torch.FloatTensor(torch.tensor(3), torch.tensor(2)).shape == (3, 2)
    x = torch.arange(4.0)
    assert torch.FloatTensor(x).data_ptr() == x.data_ptr()
    assert torch.Tensor(torch.arange(3)).dtype is torch.int64


def test_constructors_take_arrays():
    numpy = pytest.importorskip("numpy")
    assert torch.FloatTensor(numpy.arange(3)).tolist() == [0.0, 1.0, 2.0]
    assert torch.LongTensor(numpy.array([1.7])).tolist() == [1]
    assert torch.FloatTensor(numpy.int64(2)).shape == (2,)
    assert torch.arange(2.0).new(numpy.arange(2)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: torch.FloatTensor(2.5), TypeError, r"data must be a sequence \(got float\)"),
        (lambda: torch.FloatTensor(True), TypeError, r"data must be a sequence \(got bool\)"),
        (lambda: torch.FloatTensor("a"), TypeError, "invalid data type 'str'"),
        (lambda: torch.FloatTensor(None), TypeError, r"must be a sequence \(got NoneType\)"),
        (lambda: torch.FloatTensor([[1, 2], [3]]), ValueError, "expected sequence of length 2"),
        (lambda: torch.FloatTensor(-1), RuntimeError, "negative dimension -1"),
        (lambda: torch.FloatTensor(1, [2]), TypeError, "invalid combination"),
        (lambda: torch.FloatTensor(3, 4, requires_grad=True), TypeError, "requires_grad"),
        (lambda: torch.FloatTensor([1], device="cuda"), RuntimeError, "legacy constructor expects"),
        (lambda: torch.FloatTensor(torch.arange(2)), TypeError, "expected a tensor of dtype"),
        (lambda: torch.ByteTensor([300]), RuntimeError, "without overflow"),
        (lambda: torch.cuda.FloatTensor(2), TypeError, "torch.cuda.FloatTensor not available"),
        (lambda: torch.LongTensor(torch.FloatStorage(2)), RuntimeError, "Storage of type Long"),
        (lambda: torch.set_default_tensor_type(torch.LongTensor), TypeError, "floating-point"),
        (lambda: torch.set_default_tensor_type("torch.cuda.FloatTensor"), TypeError, "CUDA"),
        (lambda: torch.arange(2).type("FloatTensor"), ValueError, "invalid type: 'FloatTensor'"),
        (lambda: torch.arange(2).type(int), ValueError, "invalid type: 'int'"),
        (lambda: torch.zeros(2, device="cuda"), AssertionError, "not compiled with CUDA"),
        (lambda: torch.zeros(2).to("cuda"), AssertionError, "not compiled with CUDA"),
        (lambda: torch.tensor(2, device="cuda"), AssertionError, "not compiled with CUDA"),
        (lambda: torch.set_default_device("cuda"), AssertionError, "not compiled with CUDA"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_kinds():
    x, i = torch.arange(2.0), torch.arange(2)
    assert isinstance(x, torch.FloatTensor) and not isinstance(i, torch.FloatTensor)
    assert isinstance(i, torch.LongTensor) and not isinstance(x, torch.cuda.FloatTensor)
    assert not isinstance(5, torch.FloatTensor)
    assert isinstance(torch.nn.Parameter(x), torch.FloatTensor)
    assert str(torch.FloatTensor) == "<class 'torch.FloatTensor'>"
    assert str(torch.cuda.LongTensor) == "<class 'torch.cuda.LongTensor'>"
    assert torch.FloatTensor.dtype is torch.float32 and torch.cuda.FloatTensor.is_cuda
    assert torch.typename(torch.FloatTensor) == torch.typename(x) == "torch.FloatTensor"
    for kind in (torch.FloatTensor, "torch.FloatTensor", torch.float, torch.Tensor, "torch.Tensor"):
        assert i.type(kind).dtype is torch.float32
    assert x.type() == "torch.FloatTensor" and i.type(dtype=torch.IntTensor).dtype is torch.int32
    assert x.type("torch.FloatTensor") is x


def test_default_tensor_type():
    try:
        torch.set_default_tensor_type(torch.DoubleTensor)
        assert torch.get_default_dtype() is torch.float64
        assert torch.Tensor([1]).dtype is torch.float64
        torch.set_default_tensor_type("torch.FloatTensor")
        assert torch.zeros(1).dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    torch.set_default_device("cpu")
    assert torch.get_default_device() == torch.device("cpu")


def test_new():
    x, i = torch.arange(2.0), torch.arange(2)
    assert x.new(2, 3).shape == (2, 3) and x.new().shape == (0,)
    assert x.new((2, 3)).tolist() == [2.0, 3.0] and i.new([1.5]).tolist() == [1]
    assert x.new([1], device="cpu").dtype is torch.float32
    assert x.new(x).data_ptr() == x.data_ptr()
    assert x.new(x.storage()).data_ptr() == x.data_ptr()
    with pytest.raises(TypeError):
        x.new(i)


def test_untyped_storage():
    x = torch.arange(4.0)
    u, v = x.untyped_storage(), x[1:3]
    assert u is v.untyped_storage() and u.nbytes() == len(u) == u.size() == 16
    assert u.tolist()[4:8] == [0, 0, 128, 63] and u[7] == 63 and u[4:8].tolist() == [0, 0, 128, 63]
    assert u.data_ptr() == x.data_ptr() and not u.is_shared() and u.untyped() is u
    u[7] = 64
    assert x[1] == 4.0
    u.fill_(0)
    assert x.tolist() == [0] * 4
    assert repr(torch.UntypedStorage([1, 2])) == (
        " 1\n 2\n[torch.storage.UntypedStorage(device=cpu) of size 2]"
    )
    with pytest.raises(IndexError, match="index 100 out of range for storage of size 16"):
        u[100]
    copied = copy.deepcopy(u)
    copied.fill_(1)
    assert u[0] == 0 and pickle.loads(pickle.dumps(x.storage())).tolist() == [0.0] * 4
    assert torch.UntypedStorage.from_buffer(b"abc", dtype=torch.uint8).tolist() == [97, 98, 99]
    assert torch.UntypedStorage().nbytes() == 0 and torch.zeros(0).untyped_storage().tolist() == []


def test_typed_storage():
    x = torch.arange(4.0)
    s = x[1:].storage()
    assert len(s) == 4 and s.nbytes() == 16 and s.dtype is torch.float32 and s[-1] == 3.0
    assert isinstance(s, torch.FloatStorage) and not isinstance(s, torch.LongStorage)
    assert isinstance(s, torch.TypedStorage) and torch.is_storage(s) and not torch.is_storage(x)
    assert s.type() == "torch.FloatStorage" and s == x.storage() and s.double().dtype is torch.double
    assert list(s) == s.tolist() == [0.0, 1.0, 2.0, 3.0]
    s[0] = 9
    s.copy_(torch.LongStorage([9, 2, 3, 4]))
    assert x.tolist() == [9, 2, 3, 4]
    assert torch.FloatStorage([1, 2, 3]).tolist() == [1.0, 2.0, 3.0]
    assert torch.FloatStorage.from_buffer(b"\0\0\x80\x3f", "little").tolist() == [1.0]
    assert torch.TypedStorage(wrap_storage=x.untyped_storage(), dtype=torch.int32)[1] == 0x40000000


def test_set():
    x = torch.arange(4.0)
    assert torch.empty(0).set_(x.storage(), 1, (2,), (1,)).tolist() == [1.0, 2.0]
    assert torch.empty(0).set_(x.storage(), 0, (2, 2)).tolist() == [[0, 1], [2, 3]]
    y = torch.empty(3)
    assert y.set_(x) is y and y.data_ptr() == x.data_ptr()
    assert torch.empty(0).set_(x.untyped_storage()).tolist() == [0, 1, 2, 3]
    assert y.set_().shape == (0,)
    for call in (
        lambda: y.set_(x.storage(), 2, (3,), (1,)),
        lambda: y.set_(x.storage(), -1, (3,), (1,)),
        lambda: y.set_(x.storage(), 0, (2**62,), (2**62,)),
        lambda: y.set_(torch.arange(2)),
    ):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(TypeError):
        y.set_(3)


def test_versions():
    version = torch.torch_version.TorchVersion
    spoken = version("2.13.0+flambeau.0.1.0")
    assert spoken >= (2, 0) and spoken >= "1.10" and spoken > "2" and (2, 0) <= spoken
    assert spoken < (3,) and spoken != "2.13.0" and not spoken >= "parrot"
    assert spoken.split(".")[:2] == ["2", "13"] and isinstance(spoken, str)
    assert version("1.2") < "1.10" and version("2.0.0") == (2,) and version("2.0rc1") < "2.0"
    assert version("2.0.dev3") < "2.0a1" < version("2.0.post1")
    assert isinstance(torch.__version__, version)
