"""torch.func's reverse-mode transforms, beside what PyTorch 2.13 gives."""
import re

import pytest

import flambeau as torch
from flambeau.func import grad, grad_and_value, jacrev, vjp

X = [1.0, 2.0, 3.0]


def test_a_gradient_is_that_of_its_level_alone():
    x = torch.tensor(X)
    assert grad(lambda x: (x**3).sum())(x).tolist() == [3, 12, 27]
    assert not x.requires_grad and not grad(lambda x: (x**3).sum())(x).requires_grad
    third = grad(grad(grad(lambda x: x**4)))(torch.tensor(2.0))
    assert third.item() == 48 and not third.requires_grad
    # y moves, x does not: the inner derivative is 1, whatever the outer one does
    confused = grad(lambda x: x * grad(lambda y: x + y)(torch.tensor(1.0)))(torch.tensor(1.0))
    assert confused.item() == 1


def test_outer_histories_stay():
    x = torch.tensor(X, requires_grad=True)
    found = grad(lambda x: (x**3).sum())(x)
    assert found.requires_grad
    found.sum().backward()
    assert x.grad.tolist() == [6, 12, 18]
    w = torch.tensor(2.0, requires_grad=True)
    found, value = grad_and_value(lambda x: w * x * x)(torch.tensor(3.0))
    assert found.requires_grad and value.requires_grad and value.item() == 18
    found.backward()
    assert w.grad.item() == 6


def test_no_grad_outside_does_not_count_and_inside_does():
    def half(x):
        with torch.no_grad():
            c = x**2
        return x - c

    with torch.no_grad():
        assert grad(lambda x: x**2)(torch.tensor(3.0)).item() == 6
        assert grad(half)(torch.tensor(3.0)).item() == 1


def test_arguments_aux_and_trees():
    x = torch.tensor(X)
    found, aux = grad(lambda a, b: ((a * b).sum(), {"aux": a}), argnums=(0, 1), has_aux=True)(x, 2 * x)
    assert [t.tolist() for t in found] == [[2, 4, 6], [1, 2, 3]]
    assert aux["aux"].tolist() == X and not aux["aux"].requires_grad
    found = grad(lambda p, s: (p["w"] * s + p["b"]).sum())({"w": x, "b": x}, 2)
    assert found["w"].tolist() == [2, 2, 2] and found["b"].tolist() == [1, 1, 1]
    found = grad(lambda x, y=1.0: (x * y).sum())(x, y=3.0)
    assert found.tolist() == [3, 3, 3]
    assert grad(lambda x: torch.tensor(1.0))(x).tolist() == [0, 0, 0]


def test_vjp():
    x = torch.tensor(X)
    output, back = vjp(lambda a, b: (a * b, a.sum()), x, x)
    assert [t.tolist() for t in output] == [[1, 4, 9], 6]
    for _ in range(2):
        found = back((torch.ones(3), torch.tensor(1.0)))
        assert [t.tolist() for t in found] == [[2, 3, 4], X]
    _, back, aux = vjp(lambda x: (x * 2, x), x, has_aux=True)
    assert aux.tolist() == X and back(torch.ones(3))[0].tolist() == [2, 2, 2]


def test_jacobians():
    x = torch.tensor(X)
    assert jacrev(lambda x: x**2)(x).tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]]
    hessian = jacrev(jacrev(lambda x: (x**3).sum()))(x)
    assert hessian.tolist() == [[6, 0, 0], [0, 12, 0], [0, 0, 18]]
    for chunk in (None, 1, 2, 10):
        squares, total = jacrev(lambda x: (x**2, x.sum()), chunk_size=chunk)(x)
        assert squares.tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]] and total.tolist() == [1, 1, 1]
    by = jacrev(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, 2 * x)
    assert [t.tolist() for t in by] == [[2, 4, 6], X]
    jacobian, aux = jacrev(lambda x: (x**2, x), has_aux=True)(x)
    assert jacobian.shape == (3, 3) and aux.tolist() == X


ERRORS = [
    (lambda x: grad(lambda x: x)(x), RuntimeError,
     "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with 1 dims."
     " Maybe you wanted to use the vjp or jacrev APIs instead?"),
    (lambda x: grad(lambda x: 1.0)(x), RuntimeError,
     "grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got <class 'float'>"),
    (lambda x: grad(torch.sin, argnums=1)(x), RuntimeError,
     "Got argnum=1, but only 1 positional inputs"),
    (lambda x: grad(torch.sin, argnums=(0, 0))(x), RuntimeError,
     "argnums elements must be unique, got (0, 0)"),
    (lambda x: grad(torch.sin, argnums=())(x), RuntimeError, "argnums must be non-empty"),
    (lambda x: grad(torch.sin)(1.0), ValueError,
     "Thing passed to transform API must be Tensor, got <class 'float'>"),
    (lambda x: grad(torch.sin)(torch.tensor(1)), RuntimeError,
     "only Tensors of floating point dtype can require gradients"),
    (lambda x: vjp(lambda x: (x, 1), x), RuntimeError,
     "vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type "
     "<class 'int'>"),
    (lambda x: vjp(lambda x: (), x), RuntimeError,
     "vjp(f, *primals): Expected f to be a function that has non-empty output (got output = [])"),
    (lambda x: vjp(lambda x: x.long(), x), RuntimeError,
     "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype"
     " torch.int64"),
    (lambda x: jacrev(torch.sin, chunk_size=0), ValueError,
     "jacrev: `chunk_size` should be greater than 0."),
    (lambda x: grad(lambda x: x, has_aux=True)(x), RuntimeError,
     "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is"
     " True"),
]


@pytest.mark.parametrize("call, kind, text", ERRORS)
def test_errors(call, kind, text):
    with pytest.raises(kind, match="^" + re.escape(text)):
        call(torch.tensor(X))
