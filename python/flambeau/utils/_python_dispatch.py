"""Modes that see every operator below autograd (source: torch.utils._python_dispatch): there are
none. What libraries ask of them is answered as outside of any."""


class TorchDispatchMode:
    """Never in force: entering it is a NotImplementedError. torch.overrides.TorchFunctionMode sees
    the calls that a program makes."""

    def __init__(self, _dispatch_key=None):
        pass

    def __enter__(self):
        raise NotImplementedError(
            "Flambeau has no TorchDispatchMode: operators have no dispatcher below autograd. "
            "torch.overrides.TorchFunctionMode sees the calls that the program makes"
        )

    def __exit__(self, *exc):
        return False


def is_traceable_wrapper_subclass(t):
    """False: no tensor is made of others."""
    return False


def is_traceable_wrapper_subclass_type(t):
    return False


def is_in_torch_dispatch_mode(include_infra_modes=True):
    return False


def _get_current_dispatch_mode():
    return None


def _get_current_dispatch_mode_stack():
    return []
