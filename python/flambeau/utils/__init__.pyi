# Types for editors of torch.utils.
from flambeau.utils import (
    _pytree as _pytree,
    checkpoint as checkpoint,
    data as data,
    hooks as hooks,
    tensorboard as tensorboard,
)
