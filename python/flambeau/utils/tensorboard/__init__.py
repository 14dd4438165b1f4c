"""Event files for TensorBoard (source: torch.utils.tensorboard), written by tensorboardX or
TensorBoard, which is looked for when a SummaryWriter is made."""

from flambeau.utils.tensorboard.writer import SummaryWriter  # noqa: F401


def __getattr__(name):
    if name in ("FileWriter", "RecordWriter"):
        from flambeau.utils.tensorboard import writer

        return getattr(writer._tensorboardx(), name)
    raise AttributeError(f"Flambeau has no torch.utils.tensorboard.{name} yet")
