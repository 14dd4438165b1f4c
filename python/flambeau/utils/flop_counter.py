"""Counts of floating-point operations, two a multiply-add (source: torch.utils.flop_counter).

Calls are written down with the sizes of what they take and give, as the profiler has them; of those
that lie one in another the outermost with a rule counts. Rules are PyTorch's: matrix products and
convolutions with their gradients. What PyTorch does not count on a CPU is not counted here: products
with a vector, attention as one kernel; nor are recurrent layers.
"""

from collections import defaultdict
from math import prod
from time import monotonic_ns

from flambeau import _C
from flambeau.autograd.profiler import _Recorder
from flambeau.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

__all__ = ["FlopCounterMode"]

_SUFFIXES = ("", "K", "M", "B", "T")


# ---- Rules: (PyTorch's operator, count) of a call, from sizes given and made ---------------------


def _product(kind, inner, result):
    return kind, 2 * inner[-1] * prod(result)


def _convolution(weight, places, batch):
    return 2 * prod(weight) * prod(places) * batch


def _forward(given, made, transposed):
    x, weight = given[:2]
    places = (x if transposed else made[0])[-(len(weight) - 2) :]
    batch = x[0] if len(x) == len(weight) else 1
    return "convolution", _convolution(weight, places, batch)


def _backward(name, given, made):
    """A gradient: a convolution's kernel that no convolution calls. That of a weight with groups counts
    as PyTorch has it, as one of a single group."""
    first = given[0]
    if name.endswith("_weight"):
        channels, weight = first[1] * given[1][1], made[0]
        return "convolution_backward", 2 * first[0] * channels * prod(first[2:]) * prod(weight[2:])
    if name.endswith("_input"):
        return "convolution_backward", _convolution(given[2], first[2:], first[0])
    return "convolution_backward", _convolution(given[1], made[0][2:], first[0])


def _matmul(given, made):
    a, b = given[:2]
    if len(a) < 2 or len(b) < 2:
        return None
    return _product("mm" if min(len(a), len(b)) == 2 else "bmm", a, made[0])


def _rule(name, given, made):
    """What a call counts, or None."""
    if not given or not made or not made[0]:
        return None
    if name == "linear":
        with_bias = len(given) > 2 and given[2]
        return _product("addmm" if with_bias else "mm", given[0], made[0])
    if name in ("_linear_backward_input", "_linear_backward_weight"):
        return "mm", 2 * prod(given[0]) * given[1][-1]
    if name in ("mm", "bmm"):
        return _product(name, given[0], made[0])
    if name in ("addmm", "baddbmm"):
        return _product(name, given[1], made[0])
    if name == "matmul":
        return _matmul(given, made)
    if name.startswith("_conv"):
        return _backward(name, given, made)
    if name.startswith("conv_transpose"):
        return _forward(given, made, True)
    return _forward(given, made, False) if name[:4] == "conv" and name[4:5].isdigit() else None


# ---- Counting --------------------------------------------------------------------------------------


class _Modules:
    """When modules compute, forward and backward: ranges of time, each under the module's name."""

    def __init__(self):
        self.names, self.stack, self.ranges, self.open = {}, [], [], {}
        self.handles = []

    def name(self, module):
        if not self.stack:
            top = type(module).__name__
            self.names = {id(m): f"{top}.{n}" if n else top for n, m in module.named_modules()}
        return self.names.get(id(module), type(module).__name__)

    def begin(self, module, args):
        name = self.name(module)
        if not self.stack:
            self.close()
        self.stack.append((name, monotonic_ns()))
        for x in args:
            if isinstance(x, _C.Tensor) and x.requires_grad and x.grad_fn is not None:
                x.register_hook(lambda grad, name=name: self.leave(name))

    def end(self, module, args, result):
        name, start = self.stack.pop()
        self.ranges.append((name, start, monotonic_ns()))
        results = result if isinstance(result, (tuple, list)) else (result,)
        for y in results:
            if isinstance(y, _C.Tensor) and y.requires_grad:
                y.register_hook(lambda grad, name=name: self.enter(name))

    def enter(self, name):
        self.open.setdefault(name, monotonic_ns())

    def leave(self, name):
        if name in self.open:
            self.ranges.append((name, self.open.pop(name), monotonic_ns()))

    def close(self):
        """Ends what nothing else ended: backward through modules whose inputs want no gradient."""
        for name in list(self.open):
            self.leave(name)

    def at(self, time):
        names = {name for name, start, end in self.ranges if start <= time <= end}
        names.update(name for name, start in self.stack if start <= time)
        names.update(name for name, start in self.open.items() if start <= time)
        return names


class FlopCounterMode:
    """A context that counts the operations of what runs in it, forward and backward, as a whole
    ("Global") and by modules (source: torch.utils.flop_counter.FlopCounterMode).

    display: prints a table at the end, of modules down to `depth`. RuntimeError inside a profile, which
    would write the same calls down.
    """

    def __init__(self, mods=None, depth=2, display=True, custom_mapping=None):
        if custom_mapping:
            raise NotImplementedError("Flambeau's FlopCounterMode has no custom_mapping")
        if mods is not None:
            import warnings

            warnings.warn("mods argument is not needed anymore, you can stop passing it", stacklevel=2)
        self.depth, self.display = depth, display
        self.flop_counts = {}
        self._modules = None

    def __enter__(self):
        if _Recorder.active:
            raise RuntimeError("FlopCounterMode cannot count inside a profile or another counter")
        self.flop_counts = {}
        self._modules = modules = _Modules()
        modules.handles = [
            register_module_forward_pre_hook(modules.begin),
            register_module_forward_hook(modules.end, always_call=True),
        ]
        _Recorder.active += 1
        _C._take_profile()
        _C._profile(5)
        return self

    def __exit__(self, *exc):
        self._read()
        _C._profile(0)
        _Recorder.active -= 1
        for handle in self._modules.handles:
            handle.remove()
        self._modules = None
        if self.display:
            print(self.get_table(self.depth))
        return False

    def _read(self):
        """Counts what was written down so far."""
        until = 0
        for name, start, end, _, given, made in _C._take_profile() if self._modules else ():
            found = _rule(name, given, made) if start >= until else None
            if found is None:
                continue
            until = end
            for place in (*sorted(self._modules.at(start), reverse=True), "Global"):
                counts = self.flop_counts.setdefault(place, defaultdict(int))
                counts[_packet(found[0])] += found[1]

    def get_total_flops(self):
        """The operations of all."""
        self._read()
        return sum(self.flop_counts.get("Global", {}).values())

    def get_flop_counts(self):
        """The operations by module, each a dict by operator."""
        self._read()
        self.flop_counts.setdefault("Global", defaultdict(int))
        return {place: dict(counts) for place, counts in self.flop_counts.items()}

    def get_table(self, depth=None):
        """The counts as a table of modules, their operators and their shares."""
        total = self.get_total_flops()
        unit = max(0, min(len(_SUFFIXES) - 1, (len(str(total)) - 2) // 3))
        depth = self.depth if depth is None else depth

        def row(name, count):
            share = f"{count / total:.2%}" if total else "0%"
            return [name, f"{count / 1000**unit:.3f}{_SUFFIXES[unit]}" if count else "0", share]

        def rows(place, pad):
            counts = self.flop_counts[place]
            yield row(pad + place, sum(counts.values()))
            for operator, count in counts.items():
                yield row(f"{pad} - {operator}", count)

        table, covered = [], False
        for place in sorted(self.flop_counts):
            if place != "Global" and place.count(".") < depth:
                covered |= sum(self.flop_counts[place].values()) >= total
                table += rows(place, " " * place.count("."))
        if "Global" in self.flop_counts and not covered:
            table = [*rows("Global", ""), *([" " + r[0], *r[1:]] for r in table)]
        return _layout(table or [["Global", "0", "0%"]])


def _packet(name):
    """torch.ops.aten.NAME, by which PyTorch names what it counts."""
    from flambeau.library import ops

    return getattr(ops.aten, name)


def _layout(rows):
    """Rows under headings, in columns."""
    rows = [["Module", "FLOP", "% Total"], *rows]
    widths = [max(len(r[i]) for r in rows) for i in range(3)]
    lines = [
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
