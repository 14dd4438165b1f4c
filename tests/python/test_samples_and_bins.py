"""gradient, histogram, histogramdd, volumes at the points of a grid, and small operators that came with them:
values that PyTorch gives."""
import pytest

import flambeau as fl
from flambeau.nn import functional as F

T = [[1.0, 4, 9, 16], [2, 3, 7, 5], [0, 1, 8, 2]]


def close(got, want, tolerance=1e-6):
    flat, wanted = got.flatten().tolist(), fl.tensor(want, dtype=fl.float64).flatten().tolist()
    assert len(flat) == len(wanted)
    assert all(abs(g - w) <= tolerance * max(abs(w), 1) for g, w in zip(flat, wanted)), (got, want)


def test_gradient():
    t = fl.tensor(T, dtype=fl.float64)
    down, right = fl.gradient(t)
    close(down, [[1, -1, -2, -11], [-0.5, -1.5, -0.5, -7], [-2, -2, 1, -3]])
    close(right, [[3, 4, 6, 7], [1, 2.5, 1, -2], [1, 4, 0.5, -6]])
    down, right = fl.gradient(t, spacing=(0.5, 2), edge_order=2)
    close(down, [[5, -1, -7, -30], [-1, -3, -1, -14], [-7, -5, 5, 2]])
    close(right, [[1, 2, 3, 4], [-0.25, 1.25, 0.5, -2.5], [-1, 2, 0.25, -6.25]])
    places = fl.tensor([0, 1, 3, 7.0])
    close(fl.gradient(t, spacing=(places,), dim=1, edge_order=2)[0],
          [[3.1666665822, 2.8333333582, 2.25, 1.2499998808],
           [0.6666665524, 1.3333333284, 1.1666666493, -2.1666666865],
           [0.1666666269, 1.8333333731, 1.8333333284, -4.8333333433]])
    assert fl.gradient(fl.arange(5))[0].tolist() == [1.0] * 5 and fl.gradient(fl.tensor(1.0)) == ()


def test_gradient_is_derived():
    t = fl.tensor(T, dtype=fl.float64, requires_grad=True)
    fl.gradient(t, dim=1)[0].square().sum().backward()
    step = 1e-6
    for at in ((0, 0), (1, 2), (2, 3)):
        moved = t.detach().clone()
        moved[at] += step
        change = (fl.gradient(moved, dim=1)[0].square().sum()
                  - fl.gradient(t.detach(), dim=1)[0].square().sum()) / step
        assert abs(change.item() - t.grad[at].item()) < 1e-4


@pytest.mark.parametrize("options, message", [
    ({"spacing": [1.0, 2.0, 3.0]}, "since dim argument was not given, but got a list of length 3"),
    ({"spacing": [0.1], "dim": (1, 0)}, "a spacing argument of length 1 and a dim argument of length 2"),
    ({"edge_order": 3}, "only supports edge_order=1 and edge_order=2"),
    ({"dim": (1, 1)}, "dim 1 appears multiple times"), ({"dim": 3}, "Dimension out of range"),
    ({"spacing": [fl.ones(2, 2)] * 2}, "to have one dimension"),
])
def test_gradient_refuses(options, message):
    with pytest.raises((RuntimeError, IndexError), match=message):
        fl.gradient(fl.tensor(T), **options)


def test_histogram():
    x = fl.tensor([0.1, -0.5, 0.7, 1.2, -0.3])
    hist, edges = fl.histogram(x, 3)
    assert hist.tolist() == [2, 1, 2]
    close(edges, [-0.5, 0.0667, 0.6333, 1.2], 1e-3)
    close(x.histogram(3, density=True).hist, [0.70588, 0.35294, 0.70588], 1e-4)
    got = fl.histogram(x, fl.tensor([-0.3, 0.1, 0.7]), weight=fl.tensor([1.0, 2, 3, 4, 5]))
    assert got.hist.tolist() == [5, 4]  # the last bin has its upper edge
    assert fl.histogram(fl.ones(3), 3).bin_edges.tolist()[0] == 0.5
    assert fl.histogram(fl.empty(0), 2).bin_edges.tolist() == [0, 0.5, 1]


def test_histogramdd():
    points = fl.tensor([[1.0, 2], [3, 4], [1, 1.5]])
    hist, edges = fl.histogramdd(points, 2, density=True)
    close(hist, [[0.53333, 0], [0, 0.26667]], 1e-4)
    assert [e.tolist() for e in edges] == [[1, 2, 3], [1.5, 2.75, 4]]
    assert fl.histogramdd(points, [1, 2], range=[0, 4, 0, 2]).hist.tolist() == [[0, 2]]
    assert fl.histogramdd(points, list(edges)).hist.sum().item() == 3


@pytest.mark.parametrize("call, message", [
    (lambda x: fl.histogram(x, 0), "bins must be > 0"),
    (lambda x: fl.histogram(x, 3, range=(1, 0)), "min should not exceed max"),
    (lambda x: fl.histogram(x, 3, range=(1,)), "range should have 2 elements, but got 1"),
    (lambda x: fl.histogram(x / 0, 3), "is not finite"),
    (lambda x: fl.histogram(x, 3, weight=fl.ones(4)), "same shape as the input tensor"),
    (lambda x: fl.histogram(x, fl.zeros(0)), "at least 1 element"),
    (lambda x: fl.histogramdd(x, 3), "at least 2 dimensions"),
    (lambda x: fl.histogram(x.to(fl.int64), 3), "not implemented for 'Long'"),
])
def test_histogram_refuses(call, message):
    with pytest.raises((RuntimeError, NotImplementedError), match=message):
        call(fl.tensor([0.5, -1.0, 2.0]))


@pytest.mark.parametrize("padding, values, slopes", [
    ("zeros", [6.68, 1.092], [1.2, 2.4, -8.35, -2.52, 3.64, 1.17]),
    ("border", [8.35, 5.6], [1.5, 3, 0, 0, 0, 6]),
    ("reflection", [8.35, 5.6], [1.5, 3, 0, 0, 0, 6]),
])
def test_grid_sample_of_volumes(padding, values, slopes):
    points = [[[[[-0.5, 0.2, 0.7], [0.9, -1.2, 0.1]]]]]
    grid = fl.tensor(points, dtype=fl.float64, requires_grad=True)
    volume = fl.arange(12, dtype=fl.float64).reshape(1, 1, 2, 2, 3)
    y = F.grid_sample(volume, grid, "bilinear", padding, False)
    close(y, values, 1e-9)
    y.sum().backward()
    close(grid.grad, slopes, 1e-9)


def test_volumes_refuse_and_affine_grid():
    with pytest.raises(RuntimeError, match="bicubic interpolation only supports 4D input"):
        F.grid_sample(fl.ones(1, 1, 2, 2, 2), fl.ones(1, 1, 1, 1, 3), "bicubic", align_corners=False)
    with pytest.raises(RuntimeError, match="expected grid to have size 3 in last dimension"):
        F.grid_sample(fl.ones(1, 1, 2, 2, 2), fl.ones(1, 2, 2, 2), align_corners=False)
    grid = F.affine_grid(fl.arange(12.0).reshape(1, 3, 4), (1, 1, 2, 1, 2), align_corners=False)
    assert grid.flatten().tolist() == [2, 2, 2, 2, 6, 10, 4, 8, 12, 4, 12, 20]
    with pytest.raises(ValueError, match="Nx3x4"):
        F.affine_grid(fl.ones(1, 2, 3), (1, 1, 2, 1, 2), align_corners=False)


def test_empty_permuted():
    assert fl.empty_permuted((2, 3, 4), (0, 2, 1)).stride() == (12, 1, 3)
    for layout, message in (((0, 1), "does not match the length"), ((0, 1, 1), "Duplicate dim"),
                            ((0, 1, 3), "expected to be between 0 and 2, but got 3 at index 2")):
        with pytest.raises(RuntimeError, match=message):
            fl.empty_permuted((2, 3, 4), layout)


def test_native_dropout_and_group_norm():
    fl.manual_seed(0)
    y, kept = fl.native_dropout(fl.ones(6), 0.5, True)
    assert y.tolist() == [0, 0, 2, 0, 0, 0] and kept.tolist() == [v > 0 for v in y.tolist()]
    y, kept = fl.native_dropout(fl.ones(3), 0.5, False)
    assert y.tolist() == [1, 1, 1] and kept.all()
    x = fl.arange(8.0).reshape(1, 4, 2).requires_grad_()
    y, mean, rstd = fl.native_group_norm(x, None, None, 1, 4, 2, 2, 1e-5)
    assert mean.tolist() == [[1.5, 5.5]] and mean.requires_grad and rstd.requires_grad
    close(rstd, [[0.894424, 0.894424]], 1e-5)
    close(y, F.group_norm(x, 2).tolist())


def test_places_are_written_to_a_destination():
    edges, x = fl.tensor([1.0, 2.0, 3.0]), fl.tensor([0.5, 2.0, 9.0], requires_grad=True)
    out = fl.zeros(3, dtype=fl.long)
    assert fl.searchsorted(edges, x, out=out) is out and out.tolist() == [0, 1, 3]
    assert fl.bucketize(x, edges, right=True, out=out) is out and out.tolist() == [0, 2, 3]
