"""Sobol's sequence: PyTorch's points, plain and scrambled."""
import pytest

import flambeau as torch
from flambeau.quasirandom import SobolEngine


def test_first_points():
    engine = SobolEngine(2)
    assert engine.draw(3).tolist() == [[0.0, 0.0], [0.5, 0.5], [0.75, 0.25]]
    assert engine.num_generated == 3 and repr(engine) == "SobolEngine(dimension=2)"
    assert engine.draw().tolist() == [[0.25, 0.75]]
    assert engine.reset().draw_base2(1, dtype=torch.float64).dtype == torch.float64
    out = torch.empty(0)
    assert engine.reset().draw(1, out=out) is out and out.tolist() == [[0.0, 0.0]]


def test_scrambled_points():
    engine = SobolEngine(3, scramble=True, seed=7)
    wanted = [[0.199473, 0.170932, 0.749357], [0.692208, 0.711495, 0.48983],
              [0.850549, 0.296271, 0.787981], [0.357814, 0.836896, 0.043118]]
    for row, same in zip(engine.draw(4).tolist(), wanted, strict=True):
        assert row == pytest.approx(same, abs=1e-6)
    row = engine.fast_forward(2).draw(1)[0].tolist()
    assert row == pytest.approx([0.54799, 0.003887, 0.183999], abs=1e-6)
    assert repr(engine) == "SobolEngine(dimension=3, scramble=True, seed=7)"


def test_every_dimension():
    state = torch.zeros(1111, 30, dtype=torch.long)
    torch._sobol_engine_initialize_state_(state, 1111)
    assert (state * torch.arange(1, 31)).sum() == 278153197384456
    assert (state * torch.arange(1, 1112)[:, None]).sum() == 0x2352736EFA66C4
    points = SobolEngine(1111).draw(600, dtype=torch.float64)
    assert points[599, [0, 1, 7, 500, 1110]].tolist() == [
        0.2451171875, 0.9931640625, 0.6513671875, 0.6611328125, 0.1025390625]
    assert points.sum() == 332751.4609375


def test_refusals():
    with pytest.raises(ValueError, match=r"^Supported range of dimensionality for SobolEngine is"):
        SobolEngine(0)
    engine = SobolEngine(2)
    engine.draw(3)
    with pytest.raises(ValueError, match="n=3[+]2[*][*]2=7"):
        engine.draw_base2(2)
    with pytest.raises(RuntimeError, match="contiguous int64 tensor of 2 dims"):
        torch._sobol_engine_initialize_state_(torch.zeros(30, 4, dtype=torch.long).t(), 4)
    with pytest.raises(ValueError, match="has 1 to 1111 dimensions, got 0"):
        torch._sobol_engine_initialize_state_(torch.zeros(0, 30, dtype=torch.long), 0)
    with pytest.raises(ValueError, match="goes forward"):
        torch._sobol_engine_ff_(engine.quasi, -1, engine.sobolstate, 2, 0)
    with pytest.raises(ValueError, match="points"):
        engine.fast_forward(2**40)
