"""Operators that are compositions in the table: what the walk over it cannot know, PyTorch's values and
refusals, and how Python shows results that are there only where they were asked for."""
import subprocess
import sys

import pytest

import flambeau as torch
import flambeau.nn.functional as F


def test_results_that_were_asked_for():
    x = torch.tensor([3, 1, 3, 2])
    assert isinstance(torch.unique(x), torch.Tensor)
    values, counts = torch.unique(x, return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([1, 2, 3], [1, 1, 2])
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert inverse.tolist() == [2, 0, 2, 1]
    values, inverse = torch.unique_consecutive(torch.tensor([1, 1, 2, 1]), return_inverse=True)
    assert (values.tolist(), inverse.tolist()) == ([1, 2, 1], [0, 0, 1, 2])


def test_slices():
    m = torch.tensor([[2, 1], [1, 5], [2, 1]])
    rows, inverse, counts = torch.unique(m, return_inverse=True, return_counts=True, dim=0)
    assert (rows.tolist(), inverse.tolist(), counts.tolist()) == (
        [[1, 5], [2, 1]], [1, 0, 1], [1, 2])
    assert torch.unique(m, dim=1).tolist() == [[1, 2], [5, 1], [1, 2]]
    with pytest.raises(RuntimeError, match="There are 0 sized dimensions"):
        torch.unique(torch.zeros(2, 0), dim=0)


@pytest.mark.parametrize("equation, error", [
    ("ij,jk,kl", r"einsum\(\): fewer operands were provided than specified in the equation"),
    ("ij", r"einsum\(\): more operands were provided than specified in the equation"),
    ("i,jk", r"einsum\(\): the number of subscripts in the equation \(1\) does not match the number of"
             r" dimensions \(2\) for operand 0 and no ellipsis was given"),
    ("ij,j1->i", r"einsum\(\): invalid subscript given at index 4 in the equation string, subscripts "
                 r"must be in \[a-zA-Z\]"),
    ("ij,jk->ii", r"einsum\(\): output subscript i appears more than once in the output"),
    ("ij,jk->iz", r"einsum\(\): output subscript z does not appear in the equation for any input "
                  r"operand"),
    ("i.j,jk", r"einsum\(\): found '.' for operand 0 that is not part of any ellipsis"),
    ("ij,ik->jk", r"einsum\(\): subscript i has size 3 for operand 1 which does not broadcast with "
                  r"previously seen size 2"),
    ("ii,jk", r"einsum\(\): subscript i is repeated for operand 0 but the sizes don't match, 3 != 2"),
])
def test_einsum_refuses(equation, error):
    with pytest.raises(RuntimeError, match=error):
        torch.einsum(equation, torch.ones(2, 3), torch.ones(3, 2))


def test_einsum_forms():
    a, b = torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(3, 2)
    want = [[10.0, 13.0], [28.0, 40.0]]
    assert torch.einsum("ij,jk", a, b).tolist() == want
    assert torch.einsum("ij, jk -> ik", [a, b]).tolist() == want
    assert torch.einsum(a, [0, 1], b, [1, 2], [0, 2]).tolist() == want
    assert torch.einsum("...j,j...->...", a, b).shape == (2,)
    assert torch.einsum("ii->i", torch.eye(3)).tolist() == [1.0, 1.0, 1.0]
    assert torch.tensordot(a, b, dims=([1], [0])).tolist() == want
    assert torch.tensordot(a, a).item() == 55.0


def test_copies_are_copies():
    x = torch.arange(6.0).reshape(2, 3)
    for y in (torch.permute_copy(x, (1, 0)), torch.select_copy(x, 0, 1), x.narrow_copy(1, 0, 2),
              *torch.split_copy(x, 1), *torch.unbind_copy(x, 1), torch.as_strided_copy(x, (2,), (1,))):
        assert y.is_contiguous() and y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()


def test_interpolate_reads_sizes():
    x = torch.zeros(1, 2, 4, 6)
    assert F.interpolate(x, 8).shape == (1, 2, 8, 8)
    assert F.interpolate(x, (2, 3)).shape == (1, 2, 2, 3)
    assert F.interpolate(x, scale_factor=0.5).shape == (1, 2, 2, 3)
    assert F.interpolate(x, scale_factor=(2, 0.5), mode="bilinear").shape == (1, 2, 8, 3)
    with pytest.raises(ValueError, match="Input and output must have the same number of spatial "
                                         "dimensions"):
        F.interpolate(x, (2, 3, 4))
    with pytest.raises(ValueError, match="only one of size or scale_factor should be defined"):
        F.interpolate(x, 4, 2.0)
    with pytest.raises(RuntimeError, match=r"Input and output sizes should be greater than 0, but got "
                                           r"input \(H: 4, W: 6\) output \(H: 0, W: 3\)"):
        F.interpolate(x, (0, 3))


def test_reduced_into_places():
    index, src = torch.tensor([0, 0, 2]), torch.tensor([2.0, 4.0, 3.0], requires_grad=True)
    own = torch.tensor([1.0, 5.0, 3.0], requires_grad=True)
    for how, want in (("sum", [7, 5, 6]), ("prod", [8, 5, 9]), ("mean", [7 / 3, 5, 3]),
                      ("amax", [4, 5, 3]), ("amin", [1, 5, 3])):
        assert torch.scatter_reduce(own, 0, index, src, how).tolist() == pytest.approx(want)
    y = own.scatter_reduce(0, index, src, "amax", include_self=True)
    y.sum().backward()
    assert own.grad.tolist() == [0.0, 1.0, 0.5] and src.grad.tolist() == [0.0, 1.0, 0.5]
    y = torch.zeros(3).scatter_reduce_(0, index, torch.tensor([2.0, 4.0, 3.0]), "mean",
                                       include_self=False)
    assert y.tolist() == [3.0, 0.0, 3.0]


def test_old_arguments_of_losses():
    x, t = torch.zeros(2, 3), torch.tensor([0, 2])
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert F.nll_loss(x + 1, t, size_average=False).item() == -2.0
    with pytest.raises(TypeError, match=r"nll_loss\(\) got multiple values for argument 'target'"):
        F.nll_loss(x, t, None, False, target=t)


@pytest.mark.parametrize("call", ["mm(a, a.t(), out=out)", "matmul(a, a.t(), out=out)",
                                  "sum(a.unsqueeze(1).expand(-1, 1024, -1), 2, out=out)"])
def test_out_is_written_without_a_second_tensor(call):
    """The result has 4 MiB: the most that was in use at once, in a process of its own, shows no
    second one."""
    program = f"""if True:
        import flambeau as torch
        a, out = torch.arange(4096.0).reshape(1024, 4), torch.empty(1024, 1024)
        before, version, place = torch.memory_stats()["allocated"], out._version, out.data_ptr()
        assert torch.{call} is out and out._version > version and out.data_ptr() == place
        assert torch.memory_stats()["peak"] - before < 1 << 20
        assert torch.equal(out, torch.{call.replace("out=out", "out=torch.empty(0)")})
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_out_that_is_an_argument():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.mm(a, a, out=a).tolist() == [[7.0, 10.0], [15.0, 22.0]]


def test_einsum_of_bools_multiplies_where_it_sums_nothing():
    a, b = torch.tensor([True, False]), torch.tensor([[True], [False]])
    assert torch.einsum("i,jk->jki", a, b).tolist() == [[[True, False]], [[False, False]]]
    assert torch.einsum("i,i->i", a, a).tolist() == [True, False]
    with pytest.raises(NotImplementedError):
        torch.einsum("i,ij->j", a, b)


def test_einsum_reads_its_operands_where_they_lie():
    """Dims that are exchanged are views: nothing is copied on the way to the product, nor back."""
    from flambeau.profiler import profile
    q, k = (torch.randn(2, 5, 3, 4, requires_grad=True) for _ in range(2))
    with profile() as seen:
        y = torch.einsum("bihd,bjhd->bhij", q, k)
        dq, dk = torch.autograd.grad(y.square().sum(), (q, k))
    names = {row.key for row in seen.key_averages()}
    assert "aten::matmul" in names and not names & {"aten::clone", "aten::copy_", "aten::expand_copy"}
    a, b = q.detach().transpose(1, 2), k.detach().transpose(1, 2)
    assert torch.equal(y, a @ b.mT)
    g = 2 * y.detach()
    assert torch.equal(dq, (g @ b).transpose(1, 2)) and torch.equal(dk, (g.mT @ a).transpose(1, 2))


@pytest.mark.parametrize("product", [
    lambda x, w: x @ w.mT, lambda x, w: x[0] @ w[0].t(), lambda x, w: torch.bmm(x, w.mT),
    lambda x, w: torch.mm(x[0], w[0].t()), lambda x, w: x @ w[0].t(),
], ids=["batches", "matrices", "bmm", "mm", "rows"])
def test_the_gradient_of_a_transposed_factor_lies_as_it_does(product):
    x, w = torch.randn(2, 3, 4), torch.randn(2, 5, 4, requires_grad=True)
    y = product(x, w)
    g, = torch.autograd.grad(y, w, torch.ones_like(y))
    assert g.is_contiguous() and g.shape == w.shape
