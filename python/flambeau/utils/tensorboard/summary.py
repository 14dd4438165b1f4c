"""What makes the summaries in event files (source: torch.utils.tensorboard.summary): tensorboardX's
functions of these names, hparams among them."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from flambeau.utils.tensorboard import writer

    return getattr(writer._tensorboardx().summary, name)
