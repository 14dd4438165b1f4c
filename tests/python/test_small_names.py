"""Names of PyTorch's that stand alone: choices and loops of a compiler, types of results, modes."""

import pytest

import flambeau as torch


def test_cond_and_while_loop():
    x = torch.ones(2)
    assert torch.cond(x.sum() > 1, lambda a: a + 1, lambda a: a - 1, (x,)).tolist() == [2.0, 2.0]
    assert torch.cond(False, lambda: 1, lambda: 2) == 2
    with pytest.raises(RuntimeError, match="^Expected pred to be bool or tensor, but got 3."):
        torch.cond(3, lambda: 1, lambda: 2)
    with pytest.raises(RuntimeError, match="single-element"):
        torch.cond(x, lambda: 1, lambda: 2)
    i, y = torch.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2), (torch.tensor(0), x))
    assert i == 3 and y.tolist() == [8.0, 8.0]


def test_numbers_that_one_could_trace():
    assert torch.sym_max(1, 2) == 2 and isinstance(torch.sym_max(1, 2.0), float)
    assert torch.sym_int(-1.5) == -1 and torch.sym_not(False) and torch.sym_ite(True, 1, 2) == 1


def test_types_of_results():
    assert torch.return_types.max is type(torch.ones(2, 2).max(0))
    assert isinstance(torch.ones(3).topk(1), torch.return_types.topk)
    with pytest.raises(AttributeError, match="return_types.nothing"):
        torch.return_types.nothing


def test_modes():
    try:
        torch.set_deterministic_debug_mode("warn")
        assert torch.get_deterministic_debug_mode() == 1
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        torch.use_deterministic_algorithms(True)
        assert torch.get_deterministic_debug_mode() == 2
        with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
            torch.set_deterministic_debug_mode(3)
    finally:
        torch.set_deterministic_debug_mode(0)
    assert torch.get_deterministic_debug_mode() == 0 and torch.compiled_with_cxx11_abi()


def test_names_that_say_what_is_missing():
    with pytest.raises(NotImplementedError, match="custom_op"):
        torch.classes.load_library("x.so")
    with pytest.raises(NotImplementedError, match="Triton"):
        torch.library.wrap_triton(None)
    with pytest.raises(NotImplementedError, match="no __torch_dispatch__"):
        torch.Tensor._make_wrapper_subclass(torch.Tensor, (2, 3))
    with pytest.raises(NotImplementedError, match="nested_tensor"):
        torch.nested.nested_tensor([torch.ones(2)], layout=torch.jagged)


def test_close_as_in_older_programs():
    torch.testing.assert_allclose(torch.ones(2), [1, 1.00009])
    torch.testing.assert_allclose(torch.ones(2, dtype=torch.float64), torch.ones(2))
    with pytest.raises(AssertionError, match="^Tensor-likes are not close!"):
        torch.testing.assert_allclose(torch.ones(2), [1.0, 2.0])


def test_record_gives_the_function_back():
    from flambeau.distributed.elastic.multiprocessing.errors import record

    assert record(len) is len
