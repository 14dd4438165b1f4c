"""Backward through calls of other processes (source: torch.distributed.autograd): there are none."""


def _refusal(name):
    return NotImplementedError(
        f"Flambeau has no torch.distributed.autograd.{name}: it runs one process (world size 1)"
    )


class context:  # noqa: N801  PyTorch's name
    """Never entered: NotImplementedError."""

    def __enter__(self):
        raise _refusal("context")

    def __exit__(self, *exception):
        return None


def backward(context_id, roots, retain_graph=False):
    """NotImplementedError."""
    raise _refusal("backward")


def get_gradients(context_id):
    """NotImplementedError."""
    raise _refusal("get_gradients")
