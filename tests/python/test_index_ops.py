"""gather, scatter and their kin, sets, sums of products: literal facts, and gradients."""

import warnings

import pytest

import flambeau as torch


def grad(result, *inputs):
    return [g.tolist() for g in torch.autograd.grad(result, inputs)]


def test_gather_picks_for_each_position():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    i = torch.tensor([[0, 0], [1, 0]])
    y = x.gather(1, i)
    assert y.tolist() == [[1.0, 1.0], [4.0, 3.0]]
    assert grad(y.sum(), x) == [[[2.0, 0.0], [1.0, 1.0]]]
    assert x.gather(0, i).tolist() == [[1.0, 2.0], [3.0, 2.0]]
    assert x.detach().t().gather(0, i).tolist() == [[1.0, 3.0], [2.0, 3.0]]


def test_gather_takes_an_empty_index_of_any_dtype():
    empty = torch.empty(0, dtype=torch.uint8)
    assert torch.ones(5).gather(0, empty).shape == (0,)


@pytest.mark.parametrize("wrong", [-1, 2, 1 << 40])
def test_an_index_out_of_bounds_writes_nothing(wrong):
    x = torch.zeros(2)
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        x.scatter_(0, torch.tensor([0, wrong]), 1.0)
    assert x.tolist() == [0.0, 0.0]
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        x.gather(0, torch.tensor([wrong]))


def test_scatter_with_a_number_and_a_reduction():
    x = torch.tensor([1.0, 2.0, 3.0])
    i = torch.tensor([0, 0, 2])
    assert x.scatter(0, i, 2.0, reduce="add").tolist() == [5.0, 2.0, 5.0]
    assert x.scatter(0, i, 2.0, reduce="multiply").tolist() == [4.0, 2.0, 6.0]
    with pytest.raises(RuntimeError):
        x.scatter(0, i, 2.0, reduce="divide")


def test_scatter_add_along_both_dims():
    i = torch.tensor([[0, 1, 0], [1, 1, 0]])
    s = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert torch.zeros(2, 3, dtype=torch.int64).scatter_add(0, i, s).tolist() == [
        [1, 0, 9],
        [4, 7, 0],
    ]
    assert torch.zeros(2, 2, dtype=torch.int64).scatter_add(1, i, s).tolist() == [[4, 2], [6, 9]]


@pytest.mark.parametrize(
    "reduce, include, expected",
    [
        ("sum", True, [6.0, 2.0, 7.0]),
        ("sum", False, [5.0, 2.0, 4.0]),
        ("prod", True, [6.0, 2.0, 12.0]),
        ("prod", False, [6.0, 2.0, 4.0]),
        ("mean", True, [2.0, 2.0, 3.5]),
        ("amax", True, [3.0, 2.0, 4.0]),
        ("amin", True, [1.0, 2.0, 3.0]),
        ("amin", False, [2.0, 2.0, 4.0]),
    ],
)
def test_scatter_reduce(reduce, include, expected):
    x, i = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 2])
    y = x.scatter_reduce(0, i, torch.tensor([2.0, 3.0, 4.0]), reduce, include_self=include)
    assert y.tolist() == expected


def test_index_fill_counts_a_place_once():
    x = torch.arange(4.0)
    v = torch.tensor(9.0, requires_grad=True)
    y = x.index_fill(0, torch.tensor([1, 1, 3]), v)
    assert y.tolist() == [0.0, 9.0, 2.0, 9.0]
    assert grad(y.sum(), v) == [2.0]


def test_take_along_dim_counts_from_the_end():
    x = torch.tensor([[1, 2, 3]])
    assert torch.take_along_dim(x, torch.tensor([[-1, 0]]), 1).tolist() == [[3, 1]]


def test_searchsorted_by_side_and_sorter():
    edges = torch.tensor([1, 3, 3, 5])
    assert torch.searchsorted(edges, torch.tensor([3, 6])).tolist() == [1, 4]
    assert torch.searchsorted(edges, torch.tensor([3, 6]), side="right").tolist() == [3, 4]
    assert torch.searchsorted(edges, 4).item() == 3
    shuffled, order = torch.tensor([5, 1, 3]), torch.tensor([1, 2, 0])
    assert torch.searchsorted(shuffled, torch.tensor([4]), sorter=order).tolist() == [2]
    with pytest.raises(RuntimeError):
        torch.searchsorted(edges, 4, right=True, side="left")


def test_repeat_interleave_holds_to_its_output_size():
    x, r = torch.tensor([1, 2]), torch.tensor([1, 2])
    assert x.repeat_interleave(r, output_size=3).tolist() == [1, 2, 2]
    with pytest.raises(RuntimeError):
        x.repeat_interleave(r, output_size=4)


def test_unique_and_its_companions():
    x = torch.tensor([[3, 1], [3, 2]])
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 3]
    assert inverse.tolist() == [[2, 0], [2, 1]]
    assert counts.tolist() == [1, 1, 2]
    assert torch.unique(torch.tensor([[2, 0], [1, 1], [2, 0]]), dim=0).tolist() == [[1, 1], [2, 0]]
    assert torch.tensor([1, 1, 2, 1]).unique_consecutive().tolist() == [1, 2, 1]


def test_nonzero_in_both_forms():
    x = torch.tensor([[0, 1], [1, 0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert [t.tolist() for t in x.nonzero(as_tuple=True)] == [[0, 1], [1, 0]]


def test_isin():
    x = torch.tensor([1, 2, 3])
    assert torch.isin(x, torch.tensor([3, 1])).tolist() == [True, False, True]
    assert torch.isin(x, 2, invert=True).tolist() == [True, False, True]


def test_einsum():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    assert torch.einsum("ij,jk->ik", a, b).tolist() == [[19.0, 22.0], [43.0, 50.0]]
    assert torch.einsum("ii", a).item() == 5.0
    assert torch.einsum("ij->ji", a).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert torch.einsum("...ij,...jk", a, b).tolist() == [[19.0, 22.0], [43.0, 50.0]]
    assert grad(torch.einsum("ij,ij->", a, b), a) == [b.tolist()]
    with pytest.raises(RuntimeError):
        torch.einsum("ij,jk->il", a, b)


def test_sums_of_products():
    a, b = torch.tensor([[1, 2]]), torch.tensor([[1], [3]])
    assert torch.kron(a, b).tolist() == [[1, 2], [3, 6]]
    assert torch.tensordot(a, b, 1).tolist() == [[7]]
    assert torch.trace(torch.tensor([[1, 2], [3, 4]])).item() == 5
    x, y = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    assert torch.cross(x, y, dim=0).tolist() == [0.0, 0.0, 1.0]


def test_quantiles_and_counts():
    x = torch.tensor([4.0, 1.0, 3.0, 2.0])
    assert torch.quantile(x, 0.5).item() == 2.5
    assert torch.quantile(x, torch.tensor([0.0, 1.0])).tolist() == [1.0, 4.0]
    assert torch.histc(x, bins=2, min=1, max=5).tolist() == [2.0, 2.0]
    assert torch.diff(x).tolist() == [-3.0, 2.0, -1.0]


def test_distances():
    a, b = torch.tensor([[0.0, 0.0]], requires_grad=True), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    d = torch.cdist(a, b)
    assert d.tolist() == [[5.0, 0.0]]
    assert torch.allclose(
        torch.autograd.grad(d.sum(), a)[0], torch.tensor([[-0.6, -0.8]])
    )


@pytest.mark.parametrize("size", [(3,), ()])
def test_a_source_without_dims_has_one_element(size):
    x, i, one = torch.zeros(size), torch.tensor([0, 0, 0]), torch.tensor(1.0)
    text = "no larger than self .* apart from dimension 0 and to be no larger size than src"
    for call in (lambda: x.scatter_reduce(0, i, one, "sum"), lambda: x.scatter_add(0, i, one)):
        with pytest.raises(RuntimeError, match=text):
            call()
    assert torch.zeros(()).scatter_reduce(0, i, torch.ones(3), "sum").item() == 3


def test_scatter_reduce_of_an_index_without_dims_and_its_gradient():
    src = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = torch.zeros(3).scatter_reduce(0, torch.tensor(1), src, "sum")
    y.sum().backward()
    assert y.tolist() == [0.0, 1.0, 0.0] and src.grad.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("spacing", [[], ()])
def test_gradient_with_no_spacing_in_a_list(spacing):
    x = torch.arange(4.0)
    with pytest.raises(RuntimeError, match="but got a list of length 0"):
        torch.gradient(x, spacing=spacing)
    with pytest.raises(RuntimeError, match="a spacing argument of length 0"):
        torch.gradient(x, spacing=spacing, dim=[0])


def test_combinations_of_many():
    x = torch.arange(40)
    assert torch.combinations(x[:3], r=2**62).shape == (0, 2**62)
    assert torch.combinations(x, r=38).shape == (780, 38)
    assert torch.combinations(x[:1], r=70, with_replacement=True).shape == (1, 70)
    for n, r in ((3, 2**62), (2, 2**63 - 1)):
        with pytest.raises(RuntimeError):
            torch.combinations(x[:n], r=r, with_replacement=True)


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_index_add_and_scatter_add_of_each_dtype(dtype):
    """Slices and elements are added in order, as the dtype adds."""
    dtype = getattr(torch, dtype)
    x, i = torch.tensor([[1, 0], [100, 2], [3, 1]]).to(dtype), torch.tensor([2, 0, 2])
    v = torch.tensor([[100, 1], [2, 0], [50, 1]]).to(dtype)
    want = x.clone()
    for k, row in enumerate(i.tolist()):
        want[row] = want[row] + v[k]
    assert torch.equal(x.index_add(0, i, v), want)
    assert torch.equal(x.scatter_add(0, i.unsqueeze(1).expand(3, 2), v), want)
    assert torch.equal(x.t().contiguous().index_add(1, i, v.t()), want.t())
    if dtype != torch.bool:
        assert torch.equal(x.index_add(0, i, v, alpha=2), x.index_add(0, i, v * 2))


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include", [True, False])
def test_index_reduce_joins_rows(dtype, reduce, include):
    """Along each dim, whole rows and single elements: scatter_reduce of an index written out."""
    torch.manual_seed(0)
    for dim, shape in ((0, (4, 20)), (1, (20, 4)), (1, (3, 4, 5)), (2, (2, 18, 4))):
        x = torch.randint(1, 9, shape).to(getattr(torch, dtype))
        i = torch.tensor([3, 0, 3, 1, 3])
        source = torch.randint(1, 9, [5 if d == dim else n for d, n in enumerate(shape)]).to(x.dtype)
        wide = i.reshape([-1 if d == dim else 1 for d in range(len(shape))]).expand(source.shape).contiguous()
        want = x.scatter_reduce(dim, wide, source, reduce, include_self=include)
        for k in range(4):
            rows = [source.select(dim, s) for s, to in enumerate(i.tolist()) if to == k]
            rows += [x.select(dim, k)] if include or not rows else []
            rows = torch.stack(rows).double()
            one = {"prod": rows.prod(0), "mean": rows.mean(0), "amax": rows.amax(0), "amin": rows.amin(0)}[reduce]
            got = want.select(dim, k).double()
            assert torch.allclose(got, one if x.is_floating_point() else one.floor(), rtol=1e-2 if dtype == "bfloat16" else 1e-6)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert torch.equal(x.index_reduce(dim, i, source, reduce, include_self=include), want)
        with pytest.raises((IndexError, RuntimeError)):
            x.index_reduce(dim, i + 1, source, reduce)


@pytest.mark.parametrize("name", ["scatter", "scatter_add"])
def test_scatter_by_an_index_of_other_dims(name):
    x, src = (torch.ones(2, 3, requires_grad=True) for _ in range(2))
    y = getattr(x, name)(1, torch.zeros(0, dtype=torch.int64), src)
    assert grad(y.sum(), x, src) == [[[1.0] * 3] * 2, [[0.0] * 3] * 2]
    x, src = (torch.ones(3, requires_grad=True) for _ in range(2))
    y = getattr(x, name)(0, torch.tensor(1), src)
    assert grad(y @ torch.tensor([1.0, 2.0, 4.0]), src) == [[2.0, 0.0, 0.0]]


def test_pad_of_a_length_that_no_kind_has():
    for sizes, pad in (((2, 4), []), ((3,), [1, 1]), ((1, 2, 3, 4), [1, 1]), ((1,) * 5, [1] * 8)):
        with pytest.raises(NotImplementedError, match=f"^Padding size {len(pad)} is not supported "
                           f"for {len(sizes)}D input tensor."):
            torch.nn.functional.pad(torch.ones(sizes), pad, "reflect")


def test_variance_that_no_dtype_holds():
    x = torch.ones(3, dtype=torch.uint8)
    with pytest.raises((RuntimeError, ValueError)):
        torch.nn.functional.gaussian_nll_loss(x, torch.ones(3), -2 ** 63)
