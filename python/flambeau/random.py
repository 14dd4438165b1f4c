"""The generator that operators use when none is given (source: torch.random)."""

from flambeau import _C

default_generator = _C.default_generator


def manual_seed(seed):
    """Seeds the default generator and returns it (source: torch.manual_seed). Negative seeds wrap
    at 2^64."""
    return default_generator.manual_seed(int(seed))


def seed():
    """Seeds the default generator from the system's randomness and returns the seed (source:
    torch.seed)."""
    return default_generator.seed()


def initial_seed():
    """The seed that the default generator was last given (source: torch.initial_seed)."""
    return default_generator.initial_seed()


def get_rng_state():
    """The state of the default generator: a tensor of uint8 (source: torch.get_rng_state)."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Puts back a state that get_rng_state gave (source: torch.set_rng_state)."""
    default_generator.set_state(new_state)


class fork_rng:
    """A context that leaves the default generator as it found it (source:
    torch.random.fork_rng)."""

    def __init__(self, devices=None, enabled=True, device_type=None):
        self._enabled = enabled

    def __enter__(self):
        if self._enabled:
            self._state = get_rng_state()

    def __exit__(self, *exc):
        if self._enabled:
            set_rng_state(self._state)
