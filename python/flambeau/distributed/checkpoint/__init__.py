"""Checkpoints that many processes write together (source: torch.distributed.checkpoint): there is one
process, which saves by torch.save or safetensors."""


def refuse():
    """RuntimeError: for what would read or write such a checkpoint."""
    raise RuntimeError(
        "Flambeau runs one process (world size 1) and has no distributed checkpoints: save with "
        "torch.save or safetensors"
    )
