"""torch.utils.benchmark, and the checks that programs make."""
import pytest

import flambeau as torch
from flambeau.utils.benchmark import Compare, Measurement, TaskSpec, Timer


def test_a_timer_runs_its_statement():
    ran = []
    measured = Timer("f(torch.ones(2))", globals={"f": ran.append}, num_threads=2).timeit(20)
    assert len(ran) == 22 and measured.number_per_run == 20 and len(measured.times) == 1
    assert 0 < measured.mean == measured.median == measured.times[0] and measured.num_threads == 2
    made = Timer("x + 1", "x = 2", label="sum", sub_label="ints").blocked_autorange(min_run_time=0.01)
    assert sum(made.raw_times) >= 0.01 and "sum: ints" in repr(made) and "setup" in repr(made)
    assert Timer("1 + 1").adaptive_autorange(max_run_time=0.05).median > 0
    with pytest.raises(ZeroDivisionError):
        Timer("1 / 0").timeit(1)
    with pytest.raises(NotImplementedError, match="Python alone"):
        Timer("x", language="c++")


def test_measurements_and_tables():
    spec = TaskSpec("f(x)", label="call", description="small")
    one = Measurement(10, [10.0], spec)
    assert one.times == [1.0] and repr(one).splitlines()[1:] == [
        "call", "small", "  1.00 s", "  1 measurement, 10 runs , 1 thread"
    ]
    (merged,) = Measurement.merge([one, Measurement(10, [30.0], spec)])
    assert merged.times == [1, 3] and merged.mean == 2 and merged.has_warnings
    table = str(Compare([one, Measurement(10, [40.0], TaskSpec("g(x)", label="call", description="large"))]))
    assert "[" in table and "small" in table and "large" in table
    assert table.endswith("Times are in seconds (s).")
    with pytest.raises(ValueError, match="^Expected an instance of `Measurement`"):
        Compare([1])


def test_checks():
    torch._check(True)
    torch._assert(torch.ones(1) > 0, "no")
    with pytest.raises(AssertionError, match="^no$"):
        torch._assert(False, "no")
    with pytest.raises(RuntimeError, match="^Expected cond to be True, but got False"):
        torch._check(False)
    with pytest.raises(ValueError, match="^7 rows$"):
        torch._check_value(False, lambda: "7 rows")
    with pytest.raises(TypeError, match="^cond must be a bool, but got <class 'int'>"):
        torch._check(1)
    assert torch.is_nonzero(torch.tensor(2)) and not torch.tensor([0.0]).is_nonzero()
    with pytest.raises(RuntimeError, match="^Boolean value of Tensor with more than one value is"):
        torch.is_nonzero(torch.ones(2))
