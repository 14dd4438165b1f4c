"""Names that libraries import (source: torch.distributed.checkpoint.hf_storage)."""

from flambeau.distributed.checkpoint import refuse

__all__ = ["HuggingFaceStorageReader", "HuggingFaceStorageWriter"]


class HuggingFaceStorageWriter:
    """RuntimeError: there are no distributed checkpoints."""

    def __init__(self, *args, **kwargs):
        refuse()


class HuggingFaceStorageReader:
    """RuntimeError: there are no distributed checkpoints."""

    def __init__(self, *args, **kwargs):
        refuse()
