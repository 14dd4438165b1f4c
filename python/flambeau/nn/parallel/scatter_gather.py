"""Parts of arguments for several devices, of which there is one (source:
torch.nn.parallel.scatter_gather)."""

from flambeau.nn.parallel.data_parallel import gather, scatter

__all__ = ["scatter", "scatter_kwargs", "gather"]


def scatter_kwargs(inputs, kwargs, target_gpus, dim=0):
    """((inputs,), (kwargs,)): one part of each, the whole."""
    return tuple(scatter(inputs, target_gpus, dim)), tuple(scatter(kwargs or {}, target_gpus, dim))
