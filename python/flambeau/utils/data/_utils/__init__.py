"""The parts of the loader, under the names that PyTorch keeps them by (source:
torch.utils.data._utils)."""

from flambeau._utils import ExceptionWrapper  # noqa: F401
from flambeau.utils.data._utils import collate, fetch  # noqa: F401

MP_STATUS_CHECK_INTERVAL = 5.0  # PyTorch's; nothing is asked at intervals here
python_exit_status = False


def __getattr__(name):
    if name != "worker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module(__name__ + ".worker")
