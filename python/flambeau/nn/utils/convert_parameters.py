"""Parameters as one vector (source: torch.nn.utils.convert_parameters)."""
from __future__ import annotations

import flambeau

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters):
    """All parameters, flattened, one after the other, in one vector."""
    return flambeau.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec, parameters):
    """Makes the parameters views of one vector, in the order of parameters_to_vector."""
    if not isinstance(vec, flambeau.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {flambeau.typename(vec)}")
    position = 0
    for parameter in parameters:
        count = parameter.numel()
        parameter.data = vec[position:position + count].view_as(parameter).data
        position += count
