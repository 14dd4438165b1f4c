"""SummaryWriter, through tensorboardX, or through TensorBoard's own files where that is what is
installed (source: torch.utils.tensorboard.SummaryWriter)."""

from flambeau import _C
from flambeau._hint import hint

Tensor = _C.Tensor


def _tensorboardx():
    try:
        import tensorboardX
    except ImportError:
        raise ModuleNotFoundError(
            "torch.utils.tensorboard needs a writer of event files"
            + hint("pip install tensorboardX", "请执行 pip install tensorboardX"),
            name="tensorboardX",
        ) from None
    return tensorboardX


def _plain(value):
    """A value with NumPy arrays, or numbers where there is one element, in the place of tensors."""
    if isinstance(value, Tensor):
        value = value.detach()
        if value.numel() == 1 and value.dim() == 0:
            return value.item()
        return value.float().numpy() if value.dtype is _C.bfloat16 else value.numpy()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_plain(item) for item in value)
    return value


class SummaryWriter:
    """SummaryWriter(log_dir=None, comment="", ...): every add_... of tensorboardX's writer, which
    takes tensors too. ModuleNotFoundError, which says what to install, where it is missing."""

    def __init__(
        self,
        log_dir=None,
        comment="",
        purge_step=None,
        max_queue=10,
        flush_secs=120,
        filename_suffix="",
    ):
        self._writer = _tensorboardx().SummaryWriter(
            log_dir,
            comment,
            purge_step,
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )
        self.purge_step, self.max_queue = purge_step, max_queue
        self.flush_secs, self.filename_suffix = flush_secs, filename_suffix
        self.log_dir = self._writer.logdir

    @property
    def file_writer(self):
        return self._writer.file_writer

    def get_logdir(self):
        """The folder that is written to."""
        return self.log_dir

    def add_scalar(
        self,
        tag,
        scalar_value,
        global_step=None,
        walltime=None,
        new_style=False,
        double_precision=False,
    ):
        """A number at a step."""
        self._writer.add_scalar(tag, _plain(scalar_value), global_step, walltime)

    def add_graph(self, model, input_to_model=None, verbose=False, use_strict_trace=True):
        """Nothing: a model has no graph before it runs. A warning says so."""
        import warnings

        warnings.warn("Flambeau's SummaryWriter.add_graph writes nothing", stacklevel=2)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self._writer, name)
        if not name.startswith("add_"):
            return method

        def add(*args, **kwargs):
            return method(
                *(_plain(a) for a in args), **{key: _plain(a) for key, a in kwargs.items()}
            )

        return add

    def flush(self):
        """Writes what waits."""
        self._writer.flush()

    def close(self):
        """Writes what waits, and ends."""
        self._writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
