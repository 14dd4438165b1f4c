"""How the layers of a module would be spread over processes (source:
torch.distributed.tensor.parallel). Over a mesh of one process every layer stays whole, so that
parallelize_module returns the module as it is."""


class ParallelStyle:
    """How one layer would be spread: what it is given is kept and not used."""

    def __init__(self, **options):
        self.options = options


class ColwiseParallel(ParallelStyle):
    """By the rows of a linear layer's weight, or the columns of a table of embeddings."""


class RowwiseParallel(ParallelStyle):
    """By the columns of a linear layer's weight."""


class SequenceParallel(ParallelStyle):
    """By the steps of a sequence."""


class PrepareModuleInput(ParallelStyle):
    """What comes in is laid out anew."""


class PrepareModuleOutput(ParallelStyle):
    """What goes out is laid out anew."""


def parallelize_module(module, device_mesh=None, parallelize_plan=None, *, src_data_rank=0):
    """The module, as it is. NotImplementedError for a mesh of more than one process."""
    if device_mesh is not None and device_mesh.size() != 1:
        raise NotImplementedError("Flambeau runs one process, over which no module is spread")
    return module


def loss_parallel():
    """A context in which losses of spread tensors would be computed."""
    from contextlib import nullcontext

    return nullcontext()
