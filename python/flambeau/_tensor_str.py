"""Text of tensors, in PyTorch's exact formatting (source: torch._tensor_str,
torch.set_printoptions).

The text itself is made in C (src/core/print.c), so that C programs print the same; here are the
options and what only Python has: the names of subclasses, format().
"""

import sys

from flambeau import _C

_INF = float("inf")
_PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, _INF, 3, 80)}


class _Options:
    """The options of set_printoptions; one instance, PRINT_OPTS, is in force."""

    __slots__ = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")

    def __init__(self):
        self._set(*_PROFILES["default"], None)

    def _set(self, *values):
        _C._set_print_options(*values)
        for name, value in zip(self.__slots__, values):
            object.__setattr__(self, name, value)

    def __repr__(self):
        pairs = (f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"__PrinterOptions({', '.join(pairs)})"

    def __setattr__(self, name, value):
        values = {other: getattr(self, other) for other in self.__slots__} | {name: value}
        self._set(*values.values())


PRINT_OPTS = _Options()


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Sets how tensors are printed (source: torch.set_printoptions).

    precision: digits after the point (4); threshold: number of elements from which a tensor is
    summarised (1000); edgeitems: items shown at each end of a summarised dimension (3); linewidth:
    characters a line (80); profile: "default", "short" or "full", overridden by the others;
    sci_mode: True or False forces or forbids scientific notation, None lets the values decide.
    """
    opts = PRINT_OPTS
    if profile in _PROFILES:
        opts.precision, opts.threshold, opts.edgeitems, opts.linewidth = _PROFILES[profile]
    if precision is not None:
        opts.precision = precision
    if threshold is not None:
        opts.threshold = threshold
    if edgeitems is not None:
        opts.edgeitems = edgeitems
    if linewidth is not None:
        opts.linewidth = linewidth
    opts.sci_mode = sci_mode


def get_printoptions():
    """The options in force, as a dictionary that set_printoptions takes (source:
    torch.get_printoptions)."""
    return {name: getattr(PRINT_OPTS, name) for name in _Options.__slots__}


class printoptions:
    """A context that sets print options and restores them on leaving (source:
    torch.printoptions)."""

    def __init__(self, **options):
        self._options = options

    def __enter__(self):
        self._old = get_printoptions()
        set_printoptions(**self._options)

    def __exit__(self, *exc):
        set_printoptions(**self._old)


def _str(t, *, tensor_contents=None):
    """The repr of a tensor. `tensor_contents` replaces the numbers where it is given."""
    lanes = _C._lanes(t)
    if lanes:  # each sample of a vmap's batch
        text = _str(_C._lane_leave(t, lanes[-1], 0, 0)).replace("\n", "\n    ")
        return f"BatchedTensor(lvl={len(lanes)}, bdim=0, value=\n    {text}\n)"
    forward = sys.modules.get("flambeau.autograd.forward_ad")
    tangent = forward.unpack_dual(t).tangent if forward else None
    kind = type(t)
    plain = kind is _C.Tensor or kind.__name__ == "Parameter"
    start = "tensor(" if plain else kind.__name__ + "("
    text = _C._tensor_text(t, start, tensor_contents)
    if tangent is not None:
        text = _add_suffixes(text[:-1], [f"tangent={tangent}"], len(start), t.is_sparse)
    if plain:
        return text
    from flambeau.nn.parameter import Parameter

    return f"Parameter({text})" if isinstance(t, Parameter) else text


def _format(t, spec):
    """format(t, spec): a 0-dim tensor is formatted as its number, any other as object does (source:
    torch.Tensor.__format__)."""
    if t.dim() == 0 and type(t) is _C.Tensor:
        return format(t.item(), spec)
    return object.__format__(t, spec)


def _tensor_str(t, indent):
    """The numbers of a tensor's repr alone, for lines after the first moved by `indent` (source:
    torch._tensor_str._tensor_str)."""
    if t.numel() == 0:
        return "[]"
    text = _C._tensor_text(t.detach(), " " * indent, None)[indent:]
    return text[: text.rindex("]") + 1] if t.dim() else text[: -1].split(",")[0]


def _add_suffixes(tensor_str, suffixes, indent, force_newline):
    """A repr with what follows its numbers, on the same line where there is room (source:
    torch._tensor_str._add_suffixes)."""
    text = tensor_str
    for suffix in suffixes:
        column = len(text) - text.rfind("\n") + 1
        wraps = force_newline or column + len(suffix) + 2 > PRINT_OPTS.linewidth
        text += (",\n" + " " * indent if wraps else ", ") + suffix
        force_newline = False
    return text + ")"
