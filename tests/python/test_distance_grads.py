"""Distances at ties, and what linear algebra makes of matrices that are not finite."""

import math

import pytest

import flambeau as torch


def gradients(f, *values):
    leaves = [torch.tensor(v, requires_grad=True) for v in values]
    f(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


def test_the_largest_distance_goes_to_each_of_equals():
    a, b = gradients(lambda a, b: torch.cdist(a, b, p=math.inf),
                     [[1., 2., 3.], [0., 0., 0.]], [[2., 3., 4.], [0., 0., 0.], [1., 1., -1.]])
    assert a == [[-1., -1., 1.], [-1., -1., 0.]]
    assert b == [[1., 1., 2.], [0., 0., -1.], [1., 1., -2.]]
    rows = [[1., 2., 3.], [0., 0., 0.], [1., 1., 1.], [2., 3., 4.]]
    assert gradients(lambda a: torch.pdist(a, p=math.inf), rows)[0] == [
        [-1., -1., 1.], [-1., -1., -3.], [1., 1., -1.], [1., 1., 3.]]


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_no_distance_along_a_dim_has_no_gradient(p):
    a, b = gradients(lambda a, b: torch.cdist(a, b, p=p),
                     [[1., 2., 0.]], [[1., 0., 0.], [1., 2., 0.]])
    assert a == [[0., pytest.approx(1.), 0.]]
    assert b == [[0., pytest.approx(-1.), 0.], [0., 0., 0.]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_matrices_that_are_not_finite(n, dtype):
    a = torch.eye(n, dtype=dtype)
    a[n - 1, 0] = math.inf
    both = torch.stack([torch.eye(n, dtype=dtype), a])
    values, vectors = torch.linalg.eigh(both)
    assert values[1].isnan().all() and vectors[1].isnan().all()
    assert not values[0].isnan().any() and not vectors[0].isnan().any()
    for hermitian in (False, True):
        inverse = torch.linalg.pinv(both, hermitian=hermitian)
        assert inverse[1].isnan().all() and torch.equal(inverse[0], both[0])
    assert torch.linalg.lstsq(both, both[:, :, :1], driver="gelsd").solution[1].isnan().all()


def test_distances_of_order_0_count_infinities():
    rows = torch.tensor([[1.0, math.inf], [0.0, math.inf], [2.0, 3.0], [2.0, math.nan]])
    gaps = torch.pdist(rows, p=0).tolist()
    assert [gaps[1], gaps[3]] == [2.0, 2.0] and all(math.isnan(gaps[i]) for i in (0, 2, 4, 5))
    assert torch.cdist(rows[:1], rows[2:3], p=0).tolist() == [[2.0]]
    assert gradients(lambda a: torch.pdist(a, p=0), rows.tolist()) == [[[0.0, 0.0]] * 4]


def test_cosines_near_eps_are_derived_as_if_the_norms_counted():
    a, b = gradients(lambda a, b: torch.nn.functional.cosine_similarity(a, b, eps=1e-3),
                     [[1e-4, 1e-5]], [[1e-5, 0.0]])
    assert a == [pytest.approx([9.00496101, -0.09950371])]
    assert b == [pytest.approx([98.99999237, 9.99999809])]


def test_determinants_of_matrices_that_are_not_finite():
    nan, inf = math.nan, math.inf
    for a, sign, size in (([[nan, 1.0], [1.0, 2.0]], 0.0, nan), ([[inf, 1.0], [1.0, 2.0]], 1.0, inf),
                          ([[-1.0, 1.0], [1.0, inf]], -1.0, inf)):
        got = torch.linalg.slogdet(torch.tensor(a))
        assert got.sign.item() == sign
        assert got.logabsdet.item() == size or math.isnan(size) and math.isnan(got.logabsdet.item())


def test_gels_refuses_what_has_not_full_rank():
    whole, half = [[1.0, 2.0], [2.0, 5.0], [3.0, 6.0]], [[0.0, 2.0], [0.0, 4.0], [0.0, 6.0]]
    b = torch.ones(3, 1)
    with pytest.raises(torch.linalg.LinAlgError, match="does not have full rank"):
        torch.linalg.lstsq(torch.tensor(half), b, driver="gels")
    with pytest.raises(torch.linalg.LinAlgError, match="Batch element 1"):
        torch.linalg.lstsq(torch.tensor([whole, half]), torch.stack([b, b]), driver="gels")
    assert torch.linalg.lstsq(torch.tensor(half), b).rank == 1


@pytest.mark.parametrize("dtype, near", [(torch.float32, 2e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 1.7, 2.0, 3.0, math.inf])
def test_distances_are_norms_of_differences(p, dtype, near):
    """cdist and pdist, of more columns than a stretch and more rows than a panel, beside linalg.vector_norm."""
    torch.manual_seed(0)
    a, b = torch.randn(2, 5, 130, dtype=dtype), torch.randn(70, 130, dtype=dtype)
    a[0, 0, :3] = b[0, :3]
    gaps = torch.linalg.vector_norm(a.unsqueeze(-2) - b, ord=p, dim=-1)
    mode = "donot_use_mm_for_euclid_dist"
    assert (torch.cdist(a, b, p=p, compute_mode=mode) / gaps - 1).abs().max() < near * (8 if 0 < p < 1 else 1)
    rows, columns = torch.triu_indices(70, 70, 1)
    pairs = torch.linalg.vector_norm(b[rows] - b[columns], ord=p, dim=-1)
    assert (torch.pdist(b, p=p) / pairs - 1).abs().max() < near * (8 if 0 < p < 1 else 1)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_gradients_of_distances(p):
    a = [[0.5, -1.0, 2.0], [1.0, 1.0, 0.0]]
    b = [[0.0, 0.25, 1.0], [1.0, 1.0, 0.0]]
    mine = gradients(lambda x, y: torch.cdist(x, y, p=p), a, b)
    theirs = gradients(lambda x, y: torch.linalg.vector_norm(x[:, None] - y + 0.0, ord=p, dim=-1), a, b)
    for got, want in zip(mine, theirs):
        for row, wanted in zip(got, want):
            assert row == pytest.approx(wanted, abs=1e-6)


def test_distances_of_nothing():
    assert torch.cdist(torch.ones(2, 0), torch.ones(3, 0), p=1).tolist() == [[0.0] * 3] * 2
    assert torch.cdist(torch.ones(0, 2), torch.ones(3, 2), p=1).shape == (0, 3)
    assert torch.pdist(torch.ones(1, 2), p=1).shape == (0,) and torch.pdist(torch.ones(0, 2)).shape == (0,)
    with pytest.raises(RuntimeError):
        torch.cdist(torch.ones(2, 3, 4), torch.ones(3, 3, 4), p=1)
