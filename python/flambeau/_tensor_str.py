"""Text of tensors, in PyTorch's exact formatting (source: torch._tensor_str,
torch.set_printoptions).

A tensor is turned into nested lists of Python numbers first, shortened to its edges where it is
summarised; everything after that works on lists, so that a repr costs a handful of tensor
operations whatever the shape. The numbers decide one format for all of them: integers with a point,
fixed or scientific, and a common width.
"""

from flambeau import _C

_INF = float("inf")
_PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, _INF, 3, 80)}


class _Options:
    """The options of set_printoptions; one instance, PRINT_OPTS, is in force."""

    __slots__ = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")

    def __init__(self):
        self.precision, self.threshold, self.edgeitems, self.linewidth = _PROFILES["default"]
        self.sci_mode = None


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


class _Ellipsis(list):
    """Stands in a summarised list where items were left out."""


_DOTS = _Ellipsis()


def _edges(t):
    """The nested list of a summarised tensor: each dimension longer than both edges keeps its edges
    and _DOTS."""
    edge = PRINT_OPTS.edgeitems
    size = t.shape[0]
    cut = size > 2 * edge
    if t.dim() == 1:
        if not cut:
            return t.tolist()
        return t[:edge].tolist() + [_DOTS] + t[size - edge :].tolist()
    if not cut:
        return [_edges(t[i]) for i in range(size)]
    head = [_edges(t[i]) for i in range(edge)]
    return head + [_DOTS] + [_edges(t[i]) for i in range(size - edge, size)]


def _flatten(data, depth):
    """All numbers of a nested list of the given depth, without the dots."""
    while depth > 1:
        data = [item for part in data if part is not _DOTS for item in part]
        depth -= 1
    return [item for item in data if item is not _DOTS]


def _choose(values, floating):
    """The function that turns one of these numbers into text of the common width, and that
    width."""
    width = 1
    if not floating:
        for value in values:
            width = max(width, len(str(value)))
        return (lambda value: str(value).rjust(width)), width

    finite = [v for v in values if v == v and v not in (_INF, -_INF) and v != 0]
    integers, scientific = True, False
    precision = PRINT_OPTS.precision
    if finite:
        sizes = [abs(v) for v in finite]
        low, high = min(sizes), max(sizes)
        integers = all(v.is_integer() for v in finite)
        scientific = PRINT_OPTS.sci_mode
        if scientific is None:
            scientific = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
    if scientific:
        for value in finite:
            width = max(width, len(f"{value:.{precision}e}"))
        return (lambda value: f"{value:{width}.{precision}e}"), width
    if integers:
        for value in finite:
            width = max(width, len(f"{value:.0f}") + 1)

        def whole(value):
            text = f"{value:.0f}"
            if value - value == 0:  # neither infinite nor NaN
                text += "."
            return text.rjust(width)

        return whole, width
    for value in finite:
        width = max(width, len(f"{value:.{precision}f}"))
    return (lambda value: f"{value:.{precision}f}".rjust(width)), width


def _join(data, depth, indent, form, per_line_width):
    """The bracketed text of a nested list; `indent` is the column of its first character."""
    if depth == 1:
        if data is _DOTS:
            return "..."
        texts = [" ..." if item is _DOTS else form(item) for item in data]
        per_line = max(1, (PRINT_OPTS.linewidth - indent) // per_line_width)
        lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = [
        "..." if part is _DOTS else _join(part, depth - 1, indent + 1, form, per_line_width)
        for part in data
    ]
    return "[" + ("," + "\n" * (depth - 1) + " " * (indent + 1)).join(parts) + "]"


def _contents(t, indent):
    """The text between the parentheses for a tensor of at least one element."""
    depth = t.dim()
    floating = t.dtype.is_floating_point
    if depth == 0:
        value = t.item()
        return _choose([value], floating)[0](value)
    if t.numel() > PRINT_OPTS.threshold:
        if not PRINT_OPTS.edgeitems:
            return "[...]"
        data = _edges(t)
    else:
        data = t.tolist()
    form, width = _choose(_flatten(data, depth), floating)
    return _join(data, depth, indent, form, width + 2)


def _grad_fn_name(t):
    """The name of the node that made t, None for a leaf."""
    try:
        node = t.grad_fn
    except RuntimeError:
        return "Invalid"
    if node is None:
        return None
    name = getattr(node, "name", None)
    text = name() if callable(name) else type(node).__name__
    return text.rsplit("::", 1)[-1]


def _str(t, *, tensor_contents=None):
    """The repr of a tensor. `tensor_contents` replaces the numbers where it is given."""
    kind = type(t)
    plain = kind is _C.Tensor or kind.__name__ == "Parameter"
    prefix = "tensor(" if plain else kind.__name__ + "("
    indent = len(prefix)
    name = _grad_fn_name(t)
    wants_grad = t.requires_grad
    shape, dtype, default = tuple(t.shape), t.dtype, _C.get_default_dtype()
    data = t.detach() if wants_grad or name else t
    suffixes = []
    device = data.device
    if device.type != "cpu":
        suffixes.append(f"device='{device}'")
    if device.type == "meta":
        text = "..."
        suffixes.append(f"size={shape}")
        if dtype is not default:
            suffixes.append(f"dtype={dtype}")
    elif data.numel() == 0:
        text = "[]"
        if len(shape) != 1:
            suffixes.append(f"size={shape}")
        if dtype is not default:
            suffixes.append(f"dtype={dtype}")
    else:
        if not PRINT_OPTS.edgeitems:
            suffixes.append(f"size={shape}")
        if dtype is not default and dtype is not _C.int64 and dtype is not _C.bool:
            suffixes.append(f"dtype={dtype}")
        text = _contents(data, indent) if tensor_contents is None else tensor_contents
    if tensor_contents is not None:
        text = tensor_contents
    if name is not None:
        suffixes.append(f"grad_fn=<{name}>")
    elif wants_grad:
        suffixes.append("requires_grad=True")
    return _add_suffixes(prefix + text, suffixes, indent)


def _add_suffixes(text, suffixes, indent):
    """Appends the suffixes, each on the last line while it fits into the line width."""
    parts = [text]
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > PRINT_OPTS.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            last = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            last += len(suffix) + 2
    parts.append(")")
    return "".join(parts)


def _format(t, spec):
    """format(t, spec): a 0-dim tensor is formatted as its number, any other as object does (source:
    torch.Tensor.__format__)."""
    if t.dim() == 0 and type(t) is _C.Tensor:
        return format(t.item(), spec)
    return object.__format__(t, spec)
