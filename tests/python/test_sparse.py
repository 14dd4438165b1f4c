"""torch.sparse: what PyTorch 2.13 gives for the same lines."""
import copy
import pickle

import pytest

import flambeau as torch

I = torch.tensor([[0, 1, 1, 0], [2, 0, 2, 2]])
V = torch.tensor([3.0, 4.0, 5.0, 1.0])


def example():
    return torch.sparse_coo_tensor(I, V, (2, 3))


def test_what_it_is():
    s = example()
    assert isinstance(s, torch.Tensor) and s.is_sparse and not s.is_sparse_csr
    assert s.layout == torch.sparse_coo and s.shape == (2, 3) and s.dtype == torch.float32
    assert (s.ndim, s.dim(), s.size(0), len(s), s.numel()) == (2, 2, 2, 2, 6)
    assert (s.sparse_dim(), s.dense_dim(), s._nnz(), s.is_coalesced()) == (2, 0, 4, False)
    assert s._indices() is I and s._values() is V
    with pytest.raises(RuntimeError, match="^Cannot get indices on an uncoalesced tensor"):
        s.indices()
    c = s.coalesce()
    assert c.indices().tolist() == [[0, 1, 1], [2, 0, 2]] and c.values().tolist() == [4.0, 4.0, 5.0]
    assert s.to_dense().tolist() == [[0, 0, 4], [4, 0, 5]] == c.to_dense().tolist()
    assert s.t().to_dense().tolist() == [[0, 4], [0, 0], [4, 5]]
    assert torch.sparse_coo_tensor((2, 3)).to_dense().tolist() == [[0] * 3] * 2
    assert torch.sparse.FloatTensor(I, V, torch.Size([2, 3])).to_dense().tolist()[1] == [4, 0, 5]


def test_text():
    assert repr(example().coalesce()) == (
        "tensor(indices=tensor([[0, 1, 1],\n                       [2, 0, 2]]),\n"
        "       values=tensor([4., 4., 5.]),\n       size=(2, 3), nnz=3, layout=torch.sparse_coo)"
    )
    assert repr(torch.eye(2).double().to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1, 2]),\n       col_indices=tensor([0, 1]),\n"
        "       values=tensor([1., 1.]), size=(2, 2), nnz=2, dtype=torch.float64,\n"
        "       layout=torch.sparse_csr)"
    )
    assert repr(torch.sparse_coo_tensor((2, 3))) == (
        "tensor(indices=tensor([], size=(2, 0)),\n       values=tensor([], size=(0,)),\n"
        "       size=(2, 3), nnz=0, layout=torch.sparse_coo)"
    )


def test_products():
    s, d = example(), torch.arange(6.0).view(3, 2)
    want = [[16, 20], [20, 29]]
    for y in (torch.sparse.mm(s, d), s @ d, torch.mm(s, d), s.matmul(d), torch.spmm(s, d)):
        assert y.tolist() == want
    assert torch.mv(s, torch.ones(3)).tolist() == [4, 9] == (s @ torch.ones(3)).tolist()
    assert (torch.ones(4, 2) @ s).tolist() == [[4, 0, 9]] * 4
    assert torch.sparse.addmm(torch.ones(2, 1), s, torch.ones(3, 1)).tolist() == [[5], [10]]
    assert torch.sparse.mm(s, s.t()).to_dense().tolist() == [[16, 20], [20, 41]]
    assert (torch.eye(2).to_sparse_csr() @ d[:2]).tolist() == d[:2].tolist()
    assert (s.half() @ d.half()).tolist() == want and (s.double() @ d.double()).tolist() == want
    with pytest.raises(RuntimeError, match="^addmm: Argument #3 .dense.: Expected dim 0 size 3, got 2"):
        torch.sparse.mm(s, torch.ones(2, 2))
    with pytest.raises(RuntimeError, match="^expected scalar type Float but found Double"):
        s @ d.double()


def test_products_without_elements():
    none = torch.sparse_coo_tensor((2, 3))
    assert (none @ torch.ones(3, 0)).shape == (2, 0) and (none @ torch.ones(3, 2)).tolist() == [[0, 0]] * 2
    assert (torch.sparse_coo_tensor((0, 3)) @ torch.ones(3, 2)).shape == (0, 2)


def test_products_do_not_depend_on_threads():
    torch.manual_seed(0)
    n = 3000
    places = torch.randint(0, n, (2, 40000))
    s = torch.sparse_coo_tensor(places, torch.randn(40000), (n, n))
    d = torch.randn(n, 17)
    threads = torch.get_num_threads()
    results = []
    for count in (1, 3):
        torch.set_num_threads(count)
        results.append(s @ d)
    torch.set_num_threads(threads)
    assert torch.equal(*results)
    assert torch.allclose(results[0], s.to_dense() @ d, atol=1e-4)


def test_gradients():
    values = V.double().requires_grad_()
    d = torch.arange(6.0, dtype=torch.float64).view(3, 2).requires_grad_()

    def f(values, d):
        return torch.sparse.mm(torch.sparse_coo_tensor(I, values, (2, 3)), d)

    assert torch.autograd.gradcheck(f, (values, d)) and torch.autograd.gradgradcheck(f, (values, d))
    s = torch.sparse_coo_tensor(I, V, (2, 3), requires_grad=True)
    assert s.requires_grad and s.is_leaf and s.grad is None
    torch.sparse.mm(s, torch.ones(3, 1)).sum().backward()
    assert s.grad.is_sparse and s.grad.to_dense().tolist() == [[0, 0, 1], [1, 0, 1]]
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    torch.sparse_coo_tensor([[0, 1]], w * 2, (3,)).to_dense().pow(2).sum().backward()
    assert w.grad.tolist() == [16, 24]


def test_arithmetic():
    x = torch.tensor([[0, 1.0], [2, 0]])
    s = x.to_sparse()
    for y, want in (
        (s * 2, x * 2), (2 * s, x * 2), (s / 2, x / 2), (s + s, x + x), (s - s, x - x), (-s, -x),
        (s * x, x * x), (s * s, x * x), (s**2, x**2), (s.abs(), x), (torch.sqrt(s), x.sqrt()),
        (s.transpose(0, 1), x.T), (s.clone(), x), (s.to(torch.float64), x.double()),
        (s.index_select(0, torch.tensor([1, 0])), x.flip(0)), (s[1], x[1]), (s.detach(), x),
    ):
        assert y.is_sparse and torch.equal(y.to_dense(), want)
    assert (x + s).tolist() == (x + x).tolist() and torch.add(x, s).tolist() == (x + x).tolist()
    assert torch.sparse.sum(s).item() == 3 and torch.sparse.sum(s, 0).to_dense().tolist() == [2, 1]
    assert torch.sparse.sum(s, (0, 1)).item() == 3
    two = torch.sparse_coo_tensor([[0, 0, 1], [0, 1, 1]], [1.0, 2.0, 3.0], (2, 2))
    assert torch.allclose(torch.sparse.softmax(two, 1).to_dense()[0], torch.tensor([1.0, 2.0]).softmax(0))
    assert torch.sparse.softmax(two, 1).to_dense()[1].tolist() == [0, 1]
    assert x.sparse_mask(s).to_dense().tolist() == x.tolist()
    e = torch.sparse_coo_tensor([[0, 2]], torch.ones(2, 2), (3, 2))
    assert e.dense_dim() == 1 and e.to_dense().tolist() == [[1, 1], [0, 0], [1, 1]]


def test_rows_compressed():
    c = torch.sparse_csr_tensor([0, 2, 3], [0, 1, 1], torch.tensor([1.0, 2.0, 3.0]), (2, 2))
    assert c.is_sparse_csr and not c.is_sparse and c.layout == torch.sparse_csr
    assert c.crow_indices().tolist() == [0, 2, 3] and c.col_indices().tolist() == [0, 1, 1]
    assert c.values().tolist() == [1, 2, 3] and c.to_dense().tolist() == [[1, 2], [0, 3]]
    assert (c @ torch.ones(2, 1)).tolist() == [[3], [3]]
    assert c.to_sparse_coo().coalesce().indices().tolist() == [[0, 0, 1], [0, 1, 1]]
    with pytest.raises(RuntimeError, match="expected sparse row compressed tensor layout"):
        example().crow_indices()
    with pytest.raises(RuntimeError):
        torch.sparse_csr_tensor([0, 3, 2], [0, 1], torch.ones(2), (2, 2))


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: torch.sparse_coo_tensor(I, V, (1, 3)), RuntimeError, "size is inconsistent with"),
        (lambda: torch.sparse_coo_tensor(-I, V, (2, 3)), RuntimeError, "found negative index -2"),
        (lambda: torch.sparse_coo_tensor(I, V[:2], (2, 3)), RuntimeError,
         "indices and values must have same nnz, but got nnz from indices: 4"),
        (lambda: example().numpy(), TypeError, "can't convert Sparse layout tensor to numpy"),
        (lambda: example().softmax(0), NotImplementedError, "Could not run 'aten::softmax'"),
        (lambda: torch.exp(example()), NotImplementedError, "Could not run 'aten::exp'"),
        (lambda: torch.flip(example(), [0]), NotImplementedError, "Could not run 'aten::flip'"),
        (lambda: example().view(6), NotImplementedError, "Could not run 'aten::view'"),
        (lambda: example().tolist(), NotImplementedError, "Could not run 'aten::tolist'"),
        (lambda: example().add_(1), NotImplementedError, "Could not run 'aten::add_"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_copies_and_files(tmp_path):
    s = example()
    csr = s.to_sparse_csr()
    torch.save([s, csr], tmp_path / "s.pt")
    for t in (copy.deepcopy(s), copy.copy(s), pickle.loads(pickle.dumps(s)),
              *torch.load(tmp_path / "s.pt")):
        assert torch.equal(t.to_dense(), s.to_dense())
    assert torch.load(tmp_path / "s.pt")[1].layout == torch.sparse_csr


def test_a_graph_convolution_learns():
    torch.manual_seed(0)
    edges = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3]])
    adjacency = torch.sparse_coo_tensor(
        torch.cat([edges, edges.flip(0), torch.arange(6).repeat(2, 1)], 1), torch.ones(18) / 3, (6, 6)
    )
    features, labels = torch.eye(6), torch.tensor([0, 0, 0, 1, 1, 1])
    w = torch.nn.Linear(6, 2)
    optimizer = torch.optim.Adam(w.parameters(), lr=0.1)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(torch.spmm(adjacency, w(features)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_several_and_more_dims():
    s = example()
    for joined, places, size in (
        (torch.cat([s, s], 1), [[0, 1, 1, 0, 0, 1, 1, 0], [2, 0, 2, 2, 5, 3, 5, 5]], (2, 6)),
        (torch.stack([s, s], 1),
         [[0, 1, 1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1], [2, 0, 2, 2, 2, 0, 2, 2]], (2, 2, 3)),
        (s.unsqueeze(-1), [*I.tolist(), [0] * 4], (2, 3, 1)),
        (torch.zeros_like(s), [[], []], (2, 3)),
    ):
        assert joined._indices().tolist() == places and joined.shape == size
    assert torch.cat([s, s]).to_dense().tolist() == [[0, 0, 4], [4, 0, 5]] * 2
    h = torch.sparse_coo_tensor(I, torch.ones(4, 2), (2, 3, 2))
    assert [h.unsqueeze(d).sparse_dim() for d in (1, 2, 3)] == [3, 3, 2]
    assert torch.sparse_coo_tensor([[0]], [2.0], (1,)).item() == 2
    for call, error in (
        (lambda: torch.cat([s, torch.eye(3)[:2]]), "Concatenating sparse tensors, but a dense"),
        (lambda: torch.cat([s, s.t()]), r"All tensors must have the same shape: \[2, 3\]"),
        (lambda: s.item(), "a Tensor with 6 elements cannot be converted to Scalar"),
        (lambda: example().requires_grad_().div_(2), "a leaf Variable that requires grad"),
    ):
        with pytest.raises(RuntimeError, match=error):
            call()


def test_a_dense_tensor_refuses_what_sparse_ones_answer():
    d = torch.eye(2)
    for name, layout in dict(coalesce="coordinate tensor", indices="coordinate tensor",
                             is_coalesced="coordinate tensor", values="tensor",
                             crow_indices="row compressed tensor").items():
        with pytest.raises(RuntimeError, match=f"^{name} expected sparse {layout} layout but got Strided"):
            getattr(d, name)()
    for name in "_indices", "_values", "_nnz":
        with pytest.raises(NotImplementedError, match=f"^Could not run 'aten::{name}'"):
            getattr(d, name)()
    assert (d.sparse_dim(), d.dense_dim()) == (0, 2)
    s = example()
    assert torch.Tensor.coalesce(s).is_coalesced() and torch.Tensor._nnz(s) == 4
    assert torch.Tensor.sparse_dim(s) == 2
