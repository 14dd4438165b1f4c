"""Modules of devices that this build has not: how they answer."""


def refuse(text, error):
    """A function of any arguments that raises."""

    def refusing(*args, **kwargs):
        raise error(text)

    return refusing


def zero(*args, **kwargs):
    return 0


def no(*args, **kwargs):
    return False


def nothing(*args, **kwargs):
    """Accepted, as in PyTorch built without the device."""
