"""multiprocessing's Pool under the name that PyTorch has for its own: tensors are shared through
every pool (source: torch.multiprocessing.pool)."""

from multiprocessing.pool import Pool  # noqa: F401

import flambeau.multiprocessing  # noqa: F401  teaches it tensors
