"""Gradients of tables of embeddings with sparse=True: PyTorch 2.13's values after three steps, and
its refusals."""
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
