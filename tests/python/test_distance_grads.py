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
