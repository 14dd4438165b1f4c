"""Gradients of tables of embeddings with sparse=True: PyTorch 2.13's values after three steps, and
its refusals."""
import contextlib
import gc

import pytest

import flambeau as torch
from flambeau import nn

TABLE = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
INDICES = [[1, 2, 5], [5, 1, 3]]
STEPS = [
    ('SparseAdam', {}, [0.0, 0.1, -0.06718, 0.01329, 0.4, 0.5, 0.30354, 0.40274, 0.8, 0.9,
                        0.70159, 0.80138]),
    ('SGD', {'momentum': 0.9}, [0.0, 0.1, -0.108, -0.162, 0.4, 0.5, 0.0372, 0.0434, 0.8, 0.9,
                                -0.54, -0.594]),
    ('Adagrad', {}, [0.0, 0.1, 0.03128, 0.10732, 0.4, 0.5, 0.38724, 0.48474, 0.8, 0.9, 0.78046,
                     0.87959]),
]


def table(sparse=True):
    weight = torch.tensor(TABLE).view(6, 2)
    return nn.Embedding(6, 2, padding_idx=2, sparse=sparse, _weight=weight)


@pytest.mark.parametrize('name, options, expected', STEPS)
def test_steps(name, options, expected):
    module = table()
    optimizer = getattr(torch.optim, name)(module.parameters(), lr=0.1, **options)
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.tensor(INDICES)).pow(2).sum().backward()
        optimizer.step()
    assert module.weight.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_gathered_over_backwards():
    module, dense = table(), table(sparse=False)
    for m in (module, dense):
        for _ in range(3):
            m(torch.tensor(INDICES)).pow(2).sum().backward()
        (m(torch.tensor([4])) + m(torch.tensor([4, 5])).sum()).sum().backward()
    gc.collect()
    grad = module.weight.grad
    assert grad.is_sparse and grad.layout == torch.sparse_coo
    torch.testing.assert_close(grad.to_dense(), dense.weight.grad)
    found, = torch.autograd.grad(module(torch.tensor([0])).sum(), module.weight)
    assert found.is_sparse and found.to_dense()[0].tolist() == [1.0, 1.0]


def test_beside_a_dense_gradient():
    module = table()
    (module(torch.tensor([1])).sum() + module.weight.sum()).backward()
    assert not module.weight.grad.is_sparse
    assert module.weight.grad[:2].tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_zeroed_in_place():
    module = table()
    module(torch.tensor(INDICES)).sum().backward()
    torch.optim.SGD(module.parameters(), lr=0.1).zero_grad(set_to_none=False)
    assert module.weight.grad._nnz() == 0
    module(torch.tensor([3])).sum().backward()
    assert module.weight.grad.to_dense().sum() == 2.0


@pytest.mark.parametrize('name', ['Adam', 'AdamW', 'RMSprop', 'Adadelta', 'NAdam', 'Adamax'])
def test_refused(name):
    module = table()
    module(torch.tensor(INDICES)).sum().backward()
    optimizer = getattr(torch.optim, name)(module.parameters(), lr=0.1)
    said = 'Adam does not' if name == 'AdamW' else f'{name} does not'
    with pytest.raises(RuntimeError, match=f'^{said} support sparse gradients'):
        optimizer.step()


def test_dense_gradients_are_refused_by_sparseadam():
    module = table(sparse=False)
    module(torch.tensor(INDICES)).sum().backward()
    with pytest.raises(RuntimeError, match='SparseAdam does not support dense gradients'):
        torch.optim.SparseAdam(module.parameters()).step()


def test_bags():
    module = nn.EmbeddingBag(6, 2, mode='mean', sparse=True,
                             _weight=torch.tensor(TABLE).view(6, 2))
    out = module(torch.tensor([1, 2, 4, 5, 4]), torch.tensor([0, 2]))
    assert out.flatten().tolist() == pytest.approx([0.3, 0.4, 0.8666666, 0.9666667])
    out.pow(2).sum().backward()
    grad = module.weight.grad
    assert grad.is_sparse
    assert grad.to_dense().flatten().tolist() == pytest.approx(
        [0, 0, 0.3, 0.4, 0.3, 0.4, 0, 0, 1.1555555, 1.2888889, 0.5777777, 0.6444445])


def test_bags_on_another_device():
    weight = torch.ones(4, 2, device="meta", requires_grad=True)
    bags = torch.nn.functional.embedding_bag(
        torch.zeros(3, dtype=torch.int64, device="meta"), weight,
        torch.zeros(1, dtype=torch.int64, device="meta"), mode="sum", sparse=True)
    assert bags.shape == (1, 2) and bags.device.type == "meta"


TABLES = {
    'times': (lambda w: w * 3, [[0, 0], [6, 6], [0, 0]]),
    'relu': (torch.relu, [[0, 0], [2, 2], [0, 0]]),
    'double': (lambda w: w.double(), [[0, 0], [2, 2], [0, 0]]),
    'rows': (lambda w: w[1:], [[0, 0], [0, 0], [2, 2]]),
    'view': (lambda w: w.view(3, 2), [[0, 0], [2, 2], [0, 0]]),
    'turned': (lambda w: w.t(), [[0, 2], [0, 2], [0, 2]]),
}


@pytest.mark.parametrize('bag', [False, True])
@pytest.mark.parametrize('name', TABLES)
def test_table_that_was_computed(name, bag):
    """A node before the look-up gets the gradient made dense: it once read zeros."""
    compute, expected = TABLES[name]
    w = torch.ones(3, 2, requires_grad=True)
    index = torch.tensor([1, 1])
    if bag:
        out = nn.functional.embedding_bag(index[None], compute(w), mode='sum', sparse=True)
    else:
        out = nn.functional.embedding(index, compute(w), sparse=True)
    out.sum().backward()
    assert w.grad.to_dense().tolist() == expected


def test_functional_call_on_a_computed_table():
    module = nn.Embedding(3, 2, sparse=True)
    weight = {'weight': module.weight * 1}
    torch.func.functional_call(module, weight, (torch.tensor([1, 1]),)).sum().backward()
    assert module.weight.grad.to_dense().tolist() == [[0, 0], [2, 2], [0, 0]]


def sparse_matrix():
    return torch.sparse_coo_tensor([[0, 2]], torch.tensor([[1., 2.], [3., 4.]]), (3, 2))


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


@pytest.mark.parametrize('compute, expected', [
    (lambda x: x * 2, [[2, 4], [0, 0], [6, 8]]),
    (lambda x: x * 2 + x, [[3, 6], [0, 0], [9, 12]]),
    (Twice.apply, [[2, 4], [0, 0], [6, 8]]),
    (lambda x: x, [[1, 2], [0, 0], [3, 4]]),
])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_backward_from_a_sparse_gradient(compute, expected, dtype):
    x = torch.ones(3, 2, requires_grad=True)
    compute(x).backward(sparse_matrix().to(dtype))
    assert x.grad.dtype == torch.float32 and x.grad.to_dense().tolist() == expected
    if compute(x) is not x:
        found, = torch.autograd.grad(compute(x), x, sparse_matrix())
        assert found.to_dense().tolist() == expected


def test_hook_that_gives_a_sparse_gradient():
    x = torch.ones(3, 2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: sparse_matrix())
    y.sum().backward()
    assert x.grad.to_dense().tolist() == [[2, 4], [0, 0], [6, 8]]


def test_anomaly_mode_looks_at_the_values():
    module = nn.Embedding(3, 2, sparse=True)
    with torch.autograd.set_detect_anomaly(True):
        module(torch.tensor([1, 1])).sum().backward()
        assert module.weight.grad.is_sparse
        with pytest.warns(UserWarning), pytest.raises(RuntimeError, match='returned nan values'):
            (module(torch.tensor([1])) * float('nan')).sum().backward()


def set_data(s):
    torch.ones(3, 2).data = s


@pytest.mark.parametrize('read, error, said', [
    (lambda s: nn.Parameter(s), NotImplementedError, "Could not run 'aten::_make_subclass'"),
    (lambda s: torch.tensor(s), NotImplementedError, "Could not run 'aten::copy_'"),
    (lambda s: torch.ones(3, 2).set_(s), NotImplementedError,
     r"Could not run 'aten::set_\.source_Tensor'"),
    (set_data, RuntimeError, r'Attempted to call `variable\.set_data\(tensor\)`'),
    (torch.func.vmap(lambda a: a + 1), NotImplementedError, "Could not run 'aten::vmap'"),
    (memoryview, RuntimeError, 'Cannot access data pointer of Tensor'),
    (lambda s: s.as_subclass(torch.Tensor) + 1, NotImplementedError, "Could not run 'aten::"),
])
def test_elements_that_only_the_object_has_are_refused(read, error, said):
    with pytest.warns(UserWarning) if 'copy_' in said else contextlib.nullcontext():
        with pytest.raises(error, match=said):
            read(sparse_matrix())
