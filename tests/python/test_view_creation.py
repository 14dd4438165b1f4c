"""Views that may not be written, or not be used once their base was: PyTorch's refusals."""

import pytest

import flambeau as torch

MANY = (" This view is the output of a function that returns multiple views. Such functions do not "
        "allow the output views to be modified inplace. You should replace the inplace operation "
        "by an out-of-place one.")
MODE = (" Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify "
        "your code by moving both the view and the inplace either both inside the {0} block (if "
        "you don't want the inplace to be tracked) or both outside (if you want the inplace to be "
        "tracked).")
OWN = (" This view was created inside a custom Function (or because an input was returned as-is) "
       "and the autograd logic to handle view+inplace would override the custom backward "
       "associated with the custom Function, leading to incorrect gradients. This behavior is "
       "forbidden. You can fix this by cloning the output of the custom Function.")
WRITTEN = " modified inplace."
IS_WRITTEN = " is a view and is being modified inplace."
BASE_WRITTEN = " is a view and its base or another view of its base has been modified inplace."


def first_line(run):
    with pytest.raises(RuntimeError) as caught:
        run()
    return str(caught.value).split("\n")[0]


def recorded(*sizes):
    return torch.ones(*sizes, requires_grad=True) * 1


@pytest.mark.parametrize(
    ("views", "name"),
    [
        (lambda x: x.unbind(), "Output 1 of Unbind"),
        (lambda x: list(x), "Output 1 of Unbind"),
        (lambda x: x.split(2), "Output 1 of Split"),
        (lambda x: x.chunk(2), "Output 1 of Split"),
        (lambda x: x.split([1, 3]), "Output 1 of SplitWithSizes"),
        (lambda x: [v.view(-1) for v in x.split(2)], "Output 0 of View"),
    ],
)
def test_one_of_several_views(views, name):
    x = recorded(4)
    view = views(x)[1]
    assert first_line(lambda: view.add_(1)) == name + IS_WRITTEN + MANY
    x.mul_(2)
    assert first_line(lambda: view * 1) == name + BASE_WRITTEN + MANY
    assert first_line(lambda: view.grad_fn) == name + BASE_WRITTEN + MANY
    assert "grad_fn=<Invalid>" in repr(view)


def test_one_of_several_views_outside_a_graph():
    a, b = torch.zeros(4).split(2)
    a.add_(1)
    b.copy_(a)
    assert b.tolist() == [1, 1]
    p = torch.ones((), requires_grad=True)
    assert first_line(lambda: a.add_(p)) == (
        "A view was created in no_grad mode and is being modified inplace with grad mode enabled."
        + MANY
    )


def test_views_of_other_functions_may_be_written():
    for views in (lambda x: x.tensor_split(2), torch.meshgrid, torch.broadcast_tensors):
        x = recorded(4)
        views(x)[0].add_(1)
        assert x.tolist()[0] == 2


def test_views_made_without_grad():
    x = torch.ones(3, 3, requires_grad=True)
    with torch.no_grad():
        w = x.view(-1)
    assert w.requires_grad and w.is_leaf and w.grad_fn is None
    (w * 2).sum().backward()  # nothing comes back, as in PyTorch
    assert w.grad is None and x.grad is None
    text = "A view was created in no_grad mode and is being" + WRITTEN
    text = text.replace(".", " with grad mode enabled.") + MODE.format("no_grad")
    assert first_line(lambda: w.add_(1)) == text
    v = w[2:]
    assert v.grad_fn.name() == "SliceBackward0"
    assert first_line(lambda: v.add_(1)) == text.replace(
        "A view was", "Output 0 of Slice is a view of a view which was"
    )
    with torch.no_grad():
        w.mul_(2)
    assert first_line(lambda: w + 1) == text.replace(
        "is being", "its base or another view of its base has been"
    )


def test_views_made_under_inference_mode():
    x = torch.ones(3, requires_grad=True)
    with torch.inference_mode():
        v = x[0:]
    assert v.requires_grad and not v.is_inference()
    assert (v * 2).tolist() == [2, 2, 2]
    assert first_line(lambda: v.add_(1)) == (
        "A view was created in inference mode and is being modified inplace in normal mode."
        + MODE.format("inference_mode")
    )


class Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view(-1)

    @staticmethod
    def backward(ctx, g):
        return g


class Same(Rows):
    @staticmethod
    def forward(ctx, x):
        return x


class Two(Rows):
    @staticmethod
    def forward(ctx, x):
        return x.view(-1), x.sum()


@pytest.mark.parametrize(("function", "why"), [(Rows, OWN), (Same, OWN), (Two, MANY)])
def test_views_that_a_function_returns(function, why):
    x = recorded(3)
    y = function.apply(x)
    y = y if isinstance(y, torch.Tensor) else y[0]
    name = f"Output 0 of {function.__name__}"
    assert y._base is x
    assert first_line(lambda: y.add_(1)) == name + IS_WRITTEN + why
    x.mul_(2)
    assert first_line(lambda: y * 2) == name + BASE_WRITTEN + why


def test_integers_shown_of_a_recorded_tensor_ask_for_nothing():
    x = torch.ones(3, requires_grad=True)
    assert not x.view(torch.int32).requires_grad
    assert not (x * 1).view(torch.int32).requires_grad


def test_a_kept_gradient_has_its_history():
    x = torch.tensor([1., 2.], requires_grad=True)
    y = x * 2
    y.retain_grad()
    with pytest.warns(UserWarning, match="reference cycle"):
        (y**3).sum().backward(create_graph=True)
    assert y.grad.requires_grad
    assert torch.autograd.grad(y.grad.sum(), x)[0].tolist() == [24, 48]


def test_a_view_of_no_grad_whose_base_is_written_has_no_node_to_show():
    p, t = torch.ones(2, requires_grad=True), torch.zeros(2)
    with torch.no_grad():
        u = t[:1]
    assert u.grad_fn is None
    t.copy_(p)
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode and its base"):
        u.grad_fn
