"""Points that fill a cube more evenly than random ones do (source: torch.quasirandom)."""
from __future__ import annotations

import flambeau


class SobolEngine:
    """Sobol's sequence in [0, 1) to the power of dimension, 1 to MAXDIM, scrambled by a seed if
    asked. ValueError for other dimensions."""

    MAXBIT = 30
    MAXDIM = 1111

    def __init__(self, dimension, scramble=False, seed=None):
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(
                "Supported range of dimensionality for SobolEngine is "
                f"[1, {self.MAXDIM}]"
            )
        self.seed, self.scramble, self.dimension = seed, scramble, dimension
        state = flambeau.zeros(dimension, self.MAXBIT, device="cpu", dtype=flambeau.long)
        self.sobolstate = flambeau._sobol_engine_initialize_state_(state, dimension)
        if scramble:
            self._scramble()
        else:
            self.shift = flambeau.zeros(dimension, device="cpu", dtype=flambeau.long)
        self.quasi = self.shift.clone()
        self._first_point = (self.quasi / 2**self.MAXBIT).reshape(1, -1)
        self.num_generated = 0

    def draw(self, n=1, out=None, dtype=None):
        """The next n points: (n, dimension), of the default dtype unless one is given."""
        if dtype is None:
            dtype = flambeau.get_default_dtype()
        first = self.num_generated == 0
        result = self._first_point.to(dtype)
        if not first or n != 1:
            more, self.quasi = flambeau._sobol_engine_draw(
                self.quasi,
                n - first,
                self.sobolstate,
                self.dimension,
                0 if first else self.num_generated - 1,
                dtype=dtype,
            )
            result = flambeau.cat((result, more), dim=-2) if first else more
        self.num_generated += n
        if out is None:
            return result
        return out.resize_as_(result).copy_(result)

    def draw_base2(self, m, out=None, dtype=None):
        """The next 2 ** m points. ValueError where, with those before, they are no power of 2."""
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}={total}. If you still want to do this, please use "
                "'SobolEngine.draw()' instead."
            )
        return self.draw(n=n, out=out, dtype=dtype)

    def reset(self):
        """Back to the first point."""
        self.quasi.copy_(self.shift)
        self.num_generated = 0
        return self

    def fast_forward(self, n):
        """Leaves out the next n points."""
        first = self.num_generated == 0
        flambeau._sobol_engine_ff_(
            self.quasi,
            n - first,
            self.sobolstate,
            self.dimension,
            0 if first else self.num_generated - 1,
        )
        self.num_generated += n
        return self

    def _scramble(self):
        generator = None
        if self.seed is not None:
            generator = flambeau.Generator()
            generator.manual_seed(self.seed)
        bits = (self.dimension, self.MAXBIT)
        shift = flambeau.randint(2, bits, device="cpu", generator=generator)
        powers = flambeau.pow(2, flambeau.arange(0, self.MAXBIT, device="cpu"))
        self.shift = (shift * powers).sum(1)
        ltm = flambeau.randint(2, (*bits, self.MAXBIT), device="cpu", generator=generator).tril()
        flambeau._sobol_engine_scramble_(self.sobolstate, ltm, self.dimension)

    def __repr__(self):
        parts = [f"dimension={self.dimension}"]
        if self.scramble:
            parts.append("scramble=True")
        if self.seed is not None:
            parts.append(f"seed={self.seed}")
        return f"{self.__class__.__name__}({', '.join(parts)})"
