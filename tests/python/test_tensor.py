"""Tensor as a Python object: identity, attributes, subclasses, copies, operators with numbers."""

import copy
import gc
import pickle
import weakref

import pytest

import flambeau as torch


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()


# ---- Life ------------------------------------------------------------------------------------------


def test_one_object_a_handle():
    x = torch.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad is x.grad
    g = x.grad
    assert x.grad is g
    y = x.detach()
    assert y.add_(1) is y
    y += 1
    assert y.tolist() == [3, 3, 3]


def test_attributes_and_weak_references():
    x = torch.ones(2)
    x.label = "a"
    assert x.label == "a" and x.__dict__ == {"label": "a"} and "label" in dir(x)
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'other'"):
        x.other
    ref = weakref.ref(x)
    assert ref() is x
    del x
    assert ref() is None


def test_a_cycle_through_dict_is_collected():
    x = torch.ones(2)
    x.me = x
    ref = weakref.ref(x)
    del x
    gc.collect()
    assert ref() is None


def test_freed_objects_are_used_again_without_content():
    for _ in range(1000):
        x = torch.ones(2)
        x.label = 1
        y = torch.ones(2)
        del x
    assert not hasattr(torch.ones(2), "label") and y.numel() == 2


def test_subclasses():
    class Named(torch.Tensor):
        def double(self):
            return self * 2

    x = torch.Tensor._make_subclass(Named, torch.ones(2), True)
    assert type(x) is Named and x.requires_grad and x.is_leaf
    assert x.double().tolist() == [2, 2]
    assert isinstance(torch.ones(2).as_subclass(Named), Named)
    x.label = 3
    assert copy.deepcopy(x).label == 3 and type(copy.deepcopy(x)) is Named
    del x
    gc.collect()


def test_hash_and_equality():
    x, y = torch.ones(2), torch.ones(2)
    assert hash(x) == id(x) and len({x, y}) == 2
    assert (x == y).tolist() == [True, True]
    assert (x == "a") is False and (x != None) is True  # noqa: E711


# ---- Properties -------------------------------------------------------------------------------------


def test_properties():
    x = torch.zeros(2, 3, dtype=torch.float64)
    assert x.shape == (2, 3) and x.ndim == 2 and x.dim() == 2
    assert x.dtype is torch.float64 and str(x.device) == "cpu" and x.layout is torch.strided
    assert x.itemsize == 8 and x.element_size() == 8 and x.nbytes == 48 and x.numel() == 6
    assert x.stride() == (3, 1) and x.stride(0) == 3 and x.size(1) == 3 and x.size(-1) == 3
    assert x.storage_offset() == 0 and x[1].storage_offset() == 3
    assert x.is_contiguous() and not x.T.is_contiguous() and x.T.shape == (3, 2)
    assert x.is_leaf and not x.requires_grad and x.grad is None and x.grad_fn is None
    assert not x.is_cuda and x.is_cpu and not x.is_sparse and x.names == (None, None)
    assert x.is_floating_point() and not x.long().is_floating_point()
    assert x.type() == "torch.DoubleTensor" and x.get_device() == -1
    assert torch.ones(2, 3, 4).mT.shape == (2, 4, 3)
    assert x._version == 0
    x.add_(1)
    assert x._version == 1 and x[0]._version == 1
    assert x[0]._base is x and x._base is None


def test_property_errors():
    x = torch.zeros(2, 3)
    with pytest.raises(
        IndexError,
        match=r"Dimension out of range \(expected to be in range of " r"\[-2, 1\], but got 5\)",
    ):
        x.size(5)
    with pytest.raises(TypeError, match=r"size\(\): argument 'dim' \(position 1\) must be int"):
        x.size("x")
    with pytest.raises(RuntimeError, match="only supported on matrices"):
        torch.ones(3).mT
    with pytest.raises(AttributeError):
        x.shape = (3, 2)
    with pytest.raises(RuntimeError, match="requires_grad must be a bool"):
        x.requires_grad = 1


def test_data_shares_memory_and_replaces_it():
    p = torch.ones(2, requires_grad=True)
    p.data.mul_(3)
    assert p.tolist() == [3, 3] and p._version == 0
    p.data = torch.zeros(3)
    assert p.shape == (3,) and p.requires_grad
    with pytest.raises(TypeError):
        p.data = 1


# ---- Numbers and operators ---------------------------------------------------------------------------


def test_operators_with_numbers_on_both_sides():
    x = torch.tensor([1.0, 2.0, 4.0])
    assert (x + 1).tolist() == [2, 3, 5] and (1 + x).tolist() == [2, 3, 5]
    assert (x - 1).tolist() == [0, 1, 3] and (1 - x).tolist() == [0, -1, -3]
    assert (x * 2).tolist() == [2, 4, 8] and (8 / x).tolist() == [8, 4, 2]
    assert (x**2).tolist() == [1, 4, 16] and (2**x).tolist() == [2, 4, 16]
    assert (x // 3).tolist() == [0, 0, 1] and (9 // x).tolist() == [9, 4, 2]
    assert (x % 3).tolist() == [1, 2, 1] and (5 % x).tolist() == [0, 1, 1]
    assert (-x).tolist() == [-1, -2, -4] and abs(-x).tolist() == [1, 2, 4] and +x is x
    assert (x < 2).tolist() == [True, False, False] and (2 < x).tolist() == [False, False, True]
    assert (x @ x).item() == 21
    i = torch.tensor([1, 2, 3])
    assert (i & 1).tolist() == [1, 0, 1] and (1 | i).tolist() == [1, 3, 3] and (i ^ 1).tolist()
    assert (~i).tolist() == [-2, -3, -4] and (i << 1).tolist() == [2, 4, 6]
    assert (i / 2).dtype is torch.float32 and (i + 1.5).dtype is torch.float32
    assert (i + True).dtype is torch.int64


def test_operators_in_place():
    x = torch.tensor([1.0, 2.0])
    y = x
    x += 1
    x *= 2
    x -= 1
    x /= 3
    assert x is y
    assert x.tolist() == pytest.approx([1, 5 / 3])
    i = torch.tensor([5, 6])
    i //= 2
    i %= 2
    i <<= 3
    i |= 1
    assert i.tolist() == [1, 9]
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output"):
        i += 1.5


def test_operators_refuse_other_types():
    x = torch.ones(2)
    with pytest.raises(
        TypeError, match=r"unsupported operand type\(s\) for \+: 'Tensor' and 'str'"
    ):
        x + "a"
    with pytest.raises(TypeError):
        x @ 1
    with pytest.raises(TypeError):
        pow(x, 2, 3)
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        torch.ones(3) + torch.ones(4)


def test_as_python_numbers():
    assert float(torch.tensor(2)) == 2.0 and int(torch.tensor(2.7)) == 2
    assert bool(torch.tensor(0.0)) is False and [10, 20, 30][torch.tensor(1)] == 20
    assert list(range(torch.tensor(2))) == [0, 1]
    assert torch.tensor([[5]]).item() == 5 and isinstance(torch.tensor(True).item(), bool)
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value"):
        bool(torch.ones(2))
    with pytest.raises(
        RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"
    ):
        torch.ones(2).item()
    with pytest.raises(ValueError, match="only one element tensors can be converted"):
        float(torch.ones(2))
    with pytest.raises(TypeError, match="only integer tensors of a single element"):
        [1][torch.tensor(0.0)]


def test_sequence_protocol():
    x = torch.tensor([[1, 2], [3, 4], [5, 6]])
    assert len(x) == 3 and [row.tolist() for row in x] == [[1, 2], [3, 4], [5, 6]]
    assert [r.tolist() for r in reversed(x)] == [[5, 6], [3, 4], [1, 2]]
    assert 4 in x and 7 not in x
    a, b = torch.tensor([1.0, 2.0])
    assert a.item() == 1 and b.item() == 2
    with pytest.raises(TypeError, match="len.. of a 0-d tensor"):
        len(torch.tensor(1))
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
        "a" in x


def test_format():
    assert f"{torch.tensor(1.23456):.2f}" == "1.23" and f"{torch.tensor([1])}" == "tensor([1])"


# ---- dtype and device ----------------------------------------------------------------------------------


def test_conversions():
    x = torch.tensor([1.7, -2.2, 0.0])
    assert x.float() is x and x.to(torch.float32) is x and x.to("cpu") is x and x.cpu() is x
    assert x.long().tolist() == [1, -2, 0] and x.bool().tolist() == [True, True, False]
    assert x.double().dtype is torch.float64 and x.half().dtype is torch.float16
    assert x.to(torch.int32).dtype is torch.int32 and x.type(torch.int8).dtype is torch.int8
    assert x.to(x.double()).dtype is torch.float64 and x.to("cpu", torch.int16).dtype is torch.int16
    assert x.to(dtype=torch.bfloat16).dtype is torch.bfloat16
    assert x.to(torch.float32, copy=True) is not x and x.type_as(x.int()).dtype is torch.int32
    assert x.type("torch.LongTensor").dtype is torch.int64
    y = torch.ones(2, requires_grad=True)
    y.double().sum().backward()
    assert y.grad.dtype is torch.float32
    with pytest.raises(RuntimeError, match="device type at start of device string: x"):
        x.to("x")
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        x.cuda()


def test_contiguous():
    x = torch.arange(6).reshape(2, 3)
    assert x.contiguous() is x
    y = x.T.contiguous()
    assert y.is_contiguous() and y.tolist() == [[0, 3], [1, 4], [2, 5]]
    z = torch.zeros(2, 3, 4, 5)
    assert not z.is_contiguous(memory_format=torch.channels_last)


# ---- Copies ---------------------------------------------------------------------------------------------


def test_deepcopy():
    x = torch.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    assert same(x.detach(), y.detach()) and y.requires_grad and y.grad.tolist() == [3, 3]
    assert y.grad is not x.grad
    pair = copy.deepcopy([x, x])
    assert pair[0] is pair[1]
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_pickle(dtype):
    x = torch.tensor([[1, 0], [3, 4]]).to(dtype).T
    y = pickle.loads(pickle.dumps(x))
    assert same(x, y) and y.stride() == (1, 2)
    loose = pickle.loads(pickle.dumps(torch.ones(2, requires_grad=True) * 2))
    assert loose.is_leaf and loose.requires_grad and loose.tolist() == [2, 2]


def test_pickles_and_copies_keep_what_is_shared():
    x = torch.arange(6.0)
    for again in (lambda obj: pickle.loads(pickle.dumps(obj)), copy.deepcopy):
        a, b, c = again([x, x[2:4], x.reshape(2, 3).t()])
        a[2] = 9
        assert b.tolist() == [9, 3] and c.tolist() == [[0, 3], [1, 4], [9, 5]]
        assert b.storage_offset() == 2 and c.stride() == (1, 3) and x[2] == 2
        wide = again(torch.ones(1).expand(1000))
        assert wide.stride() == (0,) and wide.untyped_storage().nbytes() == 4
    assert len(pickle.dumps(torch.ones(1).expand(1000))) < 500
    shared = copy.copy(x)
    assert shared is not x and shared.data_ptr() == x.data_ptr()


class Tagged(torch.Tensor):
    pass


def test_pickles_of_parameters_and_subclasses():
    p = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    p.tag = 3
    for made in (pickle.loads(pickle.dumps(p)), copy.copy(p)):
        assert type(made) is torch.nn.Parameter and not made.requires_grad and made.tag == 3
    assert copy.copy(p).data_ptr() == p.data_ptr()
    x = torch.ones(2).as_subclass(Tagged)
    x.label = [1]
    for made in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x)):
        assert type(made) is Tagged and made.label == [1] and made.tolist() == [1, 1]


def test_pickles_of_generators_and_operators():
    g = torch.Generator().manual_seed(3)
    torch.rand(5, generator=g)
    again = pickle.loads(pickle.dumps(g))
    assert again.initial_seed() == 3
    assert torch.equal(torch.rand(3, generator=again), torch.rand(3, generator=g))
    for f in (torch.nn.functional.relu, torch.add, len):
        assert pickle.loads(pickle.dumps(f)) is f


def test_apply_and_map():
    x = torch.tensor([1.0, 2.0])
    x.apply_(lambda v: v * 10)
    assert x.tolist() == [10, 20]
    x.map_(torch.tensor([1.0, 2.0]), lambda a, b: a + b)
    assert x.tolist() == [11, 22]
    with pytest.raises(ZeroDivisionError):
        x.apply_(lambda v: 1 / 0)
