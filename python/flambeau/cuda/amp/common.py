"""Whether autocast can work (source: torch.cuda.amp.common)."""


def amp_definitely_not_available():
    """True: there is no GPU."""
    return True
