"""Anomaly detection: NaN in a gradient is an error, and the forward call is told in a warning."""

import warnings

import pytest

import flambeau as torch


def forward_of(x):
    return (x.sqrt() * 0).sum()


def leaf():
    return torch.tensor([0.0, -1.0], requires_grad=True)


@pytest.fixture
def told():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told
    assert not torch.is_anomaly_enabled()


def test_nan_names_the_function_and_the_forward_line(told):
    with torch.autograd.detect_anomaly():
        x = leaf()
        y = forward_of(x)
        with pytest.raises(RuntimeError) as error:
            y.backward()
    first = str(error.value).splitlines()[0]
    assert first == "Function 'SqrtBackward0' returned nan values in its 0th output."
    assert str(error.value).splitlines()[1].startswith(("hint: an input of that function", "提示"))
    assert x.grad is None
    on, failed = (str(w.message) for w in told)
    assert on.startswith("Anomaly Detection has been enabled.")
    assert failed.startswith(
        "Error detected in SqrtBackward0. Traceback of forward call that caused the error:\n"
    )
    assert "in forward_of\n    return (x.sqrt() * 0).sum()" in failed
    assert all(w.category is UserWarning and w.filename == __file__ for w in told)


def test_a_forward_without_anomaly_mode_is_not_known(told):
    y = forward_of(leaf())
    with torch.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="returned nan"):
        y.backward()
    assert "No forward pass information available." in str(told[-1].message)


def test_nan_is_let_through_where_asked(told):
    with torch.autograd.detect_anomaly(check_nan=False):
        assert not torch.is_anomaly_check_nan_enabled()
        x = leaf()
        forward_of(x).backward()
    assert x.grad.isnan().all()
    assert torch.is_anomaly_check_nan_enabled()
    assert len(told) == 1


def test_an_exception_of_a_function_is_told_and_stays(told):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            raise ValueError("mine")

    with torch.autograd.set_detect_anomaly(True):
        with pytest.raises(ValueError, match="mine"):
            Broken.apply(leaf()).sum().backward()
    assert "Error detected in BrokenBackward" in str(told[-1].message)


def test_a_warning_that_is_an_error():
    with torch.autograd.set_detect_anomaly(True), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="Error detected in SqrtBackward0"):
            forward_of(leaf()).backward()


def test_integers_and_absent_gradients_are_no_nan(told):
    with torch.autograd.set_detect_anomaly(True):
        x, y = leaf(), torch.ones(2, requires_grad=True)
        table = torch.ones(3, 2, requires_grad=True)
        ((x.detach() * y) + table[torch.tensor([0, 2])].sum(0)).sum().backward()
    assert y.grad.tolist() == [0, -1] and not told
