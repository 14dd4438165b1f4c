"""Histograms of points in several dims."""

import collections

from flambeau import _C

__all__ = ["histogramdd"]

_Histogram = collections.namedtuple("histogramdd", "hist bin_edges")


def histogramdd(input, bins, range=None, weight=None, density=False):
    """How many points (..., N) fall into each cell of a grid of N dims: its counts, or with density
    what integrates to 1, and the edges of each dim. bins: so many in each dim, over a flat `range`
    of pairs or over that of the points; or the edges themselves (source: torch.histogramdd)."""
    if isinstance(bins, int):
        bins = [bins] * (input.shape[-1] if input.dim() else 1)
    edges = tuple(bins)
    if not edges or not isinstance(edges[0], _C.Tensor):
        edges = _C._histogramdd_bin_edges(input, list(edges), range=range)
    return _Histogram(
        _C._histogramdd_from_bin_tensors(input, edges, weight=weight, density=density), edges
    )
