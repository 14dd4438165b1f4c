"""Tensors of different sizes in one (source: torch.nested): Flambeau has none, and says what serves in
their place."""

from flambeau._hint import hint


def _refuse(name):
    raise NotImplementedError(
        f"Flambeau has no torch.nested.{name}"
        + hint(
            "use torch.nn.utils.rnn.pad_sequence and a mask, or pack_sequence.",
            "请使用 torch.nn.utils.rnn.pad_sequence 和掩码，或 pack_sequence。",
        )
    )


class _Jagged:
    """The layout of tensors whose rows have lengths of their own: a name."""

    def __repr__(self):
        return "torch.jagged"


jagged = _Jagged()


def nested_tensor(tensor_list, *, dtype=None, layout=None, device=None, requires_grad=False,
                  pin_memory=False):
    """NotImplementedError."""
    _refuse("nested_tensor")


def as_nested_tensor(ts, dtype=None, device=None, layout=None):
    """NotImplementedError."""
    _refuse("as_nested_tensor")


def nested_tensor_from_jagged(values, offsets=None, lengths=None, **options):
    """NotImplementedError."""
    _refuse("nested_tensor_from_jagged")


def to_padded_tensor(input, padding, output_size=None, out=None):
    """NotImplementedError."""
    _refuse("to_padded_tensor")
