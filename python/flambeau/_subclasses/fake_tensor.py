"""What programs ask of a compiler's stand-ins for tensors."""


class FakeTensor:
    """No tensor is one."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError("Flambeau compiles nothing: tensors of the device 'meta' have no elements")


def is_fake(x):
    """Whether x is such a stand-in: False (source: torch._subclasses.fake_tensor.is_fake)."""
    return isinstance(x, FakeTensor)
