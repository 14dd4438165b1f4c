"""Random programs over the operator table, a line at a time.

A program is a list of lines `name = expression`. Writer draws the next line knowing the tensors that
the lines before it made, so that most calls fit; the rest is wrong in all ways it can think of. The
same seed and the same tensors give the same line.
"""

import random
import sys
from pathlib import Path

from fill import FLOATS, INTS, LAYOUTS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "table"))
from samples import NoSample, Recipe, operators  # noqa: E402

DTYPES = ("bool", *INTS, *FLOATS)
HUGE = (2**40, -(2**40), 2**62, 2**63 - 1, -(2**63), 2**63, 2**64 + 1)
NUMBERS = ("0", "1", "-1", "2", "0.5", "-2.5", "3", "True", "float('nan')", "float('inf')",
           "-float('inf')", "1e300", "1e-300", "-0.0", "2**31", "-2**63", "2**63 - 1", "2**63")
WRONG = ("None", "'text'", "3.5", "object()", "[]", "()", "{}", "True", "1 + 2j", "[[1], [2]]",
         "[None]", "['a']", "torch.float32", "torch", "b'bytes'", "[1.5]", "range(3)", "slice(1)",
         "float('nan')", "10**30", "[2**63]", "[0] * 70", "[1] * 70", "[-1]", "[5]", "[0, 0]",
         "...", "torch.tensor(1)", "torch.tensor([1., 2.])", "torch.tensor(True)", "Exception")
WORDS = ("mean", "sum", "none", "batchmean", "floor", "trunc", "tanh", "fro", "nuc", "add",
         "multiply", "left", "right", "U", "L", "same", "valid", "", "reflect", "constant")


class Writer:
    """Draws lines. known: whether the libraries under test have a dotted name; apart: the results
    are compared with another library's, so that nothing undefined may be drawn."""

    def __init__(self, known, apart):
        self.apart = apart
        self.places = {}
        for op in operators():
            if apart and ("empty" in op.base or "resize" in op.base or op.base[0] == "_"):
                continue  # not set, or PyTorch's own affair
            places = list(places_of(op, known))
            given = list(samples_of(op))
            if places and given:
                self.places[op] = places, given
        self.ops = list(self.places)

    def start(self, seed):
        """Begins a program."""
        self.r = random.Random(seed)
        self.count = 0
        self.pool = {}  # name -> sizes, dtype
        self.before = []

    def made(self, name, tensor):
        """A line gave this tensor to the name."""
        if tensor.numel() < 100000:
            self.pool[name] = tuple(tensor.shape), str(tensor.dtype).split(".")[1]

    def line(self):
        """The next line: a name and an expression."""
        if self.before:
            return self.before.pop(0)
        if len(self.pool) < 2:
            return self.fresh(self.sizes(), self.r.choice(DTYPES + FLOATS * 2))
        expression = self.call() if self.r.random() < 0.75 else self.deed()
        self.before.append((self.name(), expression))
        return self.before.pop(0)

    # ---- tensors ----

    def name(self):
        self.count += 1
        return f"v{self.count - 1}"

    def fresh(self, sizes, dtype, recipe=None):
        r = self.r
        fill = "plain"
        if r.random() < 0.12:
            fill = "wild" if self.apart or r.random() < 0.5 else "largest"
        more = ""
        if recipe is not None and recipe.low is not None and fill == "plain":
            more = f", low={recipe.low}, high={recipe.high}"
        elif recipe is not None and recipe.kind == "int":
            fill, more = "plain", f", low=0, high={recipe.high or 4}"
        if recipe is not None and recipe.kind == "definite" and len(sizes) > 1 and \
                sizes[-1] == sizes[-2] and dtype in FLOATS:
            fill = "definite"
        layout = r.choice(LAYOUTS) if r.random() < 0.5 else "dense"
        if self.apart and layout == "overlapping":
            layout = "expanded"  # what a write to overlapping memory does is not defined
        grad = dtype in FLOATS and r.random() < 0.5
        return self.name(), (f"make({tuple(sizes)}, '{dtype}', '{fill}'{more}, layout='{layout}', "
                             f"seed={r.randrange(1000)}{', grad=True' if grad else ''})")

    def sizes(self):
        r = self.r
        if r.random() < 0.03:
            return r.choice([(70000,), (300, 200), (2, 129, 65), (1, 4097), (33, 33)])
        return tuple(r.choice((0, 1, 1, 2, 2, 3, 3, 4, 5)) for _ in range(r.choice((0, 1, 2, 2, 3, 4))))

    def new(self, sizes, dtype, recipe=None):
        """The name of a tensor that a line before this one makes."""
        line = self.fresh(sizes, dtype, recipe)
        self.before.append(line)
        return line[0]

    def any(self):
        return self.r.choice(list(self.pool))

    # ---- calls of operators ----

    def call(self):
        r = self.r
        op = r.choice(self.ops)
        places, given = self.places[op]
        form, place = r.choice(places)
        mood = r.choices(("proper", "sized", "pool"), (5, 3, 2))[0]
        dtype = r.choice(FLOATS) if r.random() < 0.8 else r.choice(DTYPES)
        sizes = {n: r.choice((0, 1, 1, 2, 3, 5)) for n in range(1, 9)}
        args = {}
        for p in op.params:
            value = given[0].get(p["name"], self)
            value = r.choice(given).get(p["name"], value)
            if value is self and r.random() > 0.25:
                continue
            args[p["name"]] = self.argument(p, value, mood, dtype, sizes)
        if args and r.random() < 0.2:
            args[r.choice(list(args))] = self.wrong()
        return self.written(op, form, place, args)

    def written(self, op, form, place, args):
        r = self.r
        if form == "out":
            n = max(1, len(op.results))
            outs = [self.any() if r.random() < 0.6 else self.new(self.sizes(), r.choice(DTYPES))
                    for _ in range(n)]
            args["out"] = outs[0] if n == 1 else f"({', '.join(outs)})"
        first = ""
        if form in ("method", "inplace"):
            first = args.pop("self", None) or self.any()
            if not first.isidentifier():
                first = self.any()
        text, named = [], False
        for p in op.params:
            if p["name"] not in args:
                named = named or p["name"] != "self"
            else:
                named = named or p["keyword"] or r.random() < 0.05
                shown = "input" if p["name"] == "self" else p["name"]
                text.append(f"{shown}={args[p['name']]}" if named else args[p["name"]])
        if "out" in args:
            text.append(f"out={args['out']}")
        return f"{first}{'.' if first else ''}{place if not first else place.split('.')[-1]}" \
               f"({', '.join(text)})"

    def argument(self, p, value, mood, dtype, sizes):
        r, kind = self.r, p["type"]
        if isinstance(value, Recipe):
            return self.tensor(value, mood, dtype, sizes)
        if isinstance(value, list) and value and isinstance(value[0], Recipe):
            return f"[{', '.join(self.tensor(v, mood, dtype, sizes) for v in value)}]"
        if value is not self and not isinstance(value, Recipe) and r.random() < 0.7:
            return f"torch.{str(value).split('.')[1]}" if kind == "dtype" and value else repr(value)
        if kind in ("Tensor", "Tensor|Scalar"):
            return self.any() if kind == "Tensor" or r.random() < 0.6 else r.choice(NUMBERS)
        if kind == "Tensor[]":
            return f"[{', '.join(self.any() for _ in range(r.choice((0, 1, 2, 3))))}]"
        if kind == "int":
            return str(r.choice(HUGE) if r.random() < 0.04 else r.randrange(-3, 5))
        if kind == "int[]":
            n = r.choice((0, 1, 1, 2, 2, 3, 4))
            return repr([r.choice(HUGE) if r.random() < 0.02 else r.randrange(-2, 5)
                         for _ in range(n)])
        if kind in ("float", "Scalar"):
            return r.choice(NUMBERS)
        if kind == "bool":
            return r.choice(("True", "False"))
        if kind == "dtype":
            return f"torch.{r.choice(DTYPES)}"
        if kind == "str":
            return repr(r.choice(WORDS))
        if kind == "memory_format":
            return r.choice(("torch.contiguous_format", "torch.channels_last",
                             "torch.preserve_format"))
        return "None"

    def tensor(self, recipe, mood, dtype, sizes):
        r = self.r
        if mood == "pool" and r.random() < 0.7:
            return self.any()
        if recipe.kind == "literal":
            return f"torch.tensor({recipe.values!r})".replace("nan", "float('nan')")
        shape = recipe.sizes
        if mood == "sized":
            shape = tuple(sizes.get(n, n) for n in shape)
        kind = {"int": str(recipe.dtype or "torch.int64").split(".")[1], "bool": "bool"}.get(
            recipe.kind, dtype)
        if r.random() < 0.08:
            kind = r.choice(DTYPES)
        return self.new(shape, kind, recipe)

    def wrong(self):
        r = self.r
        if not self.apart and r.random() < 0.4:
            a, b = self.any(), self.any()
            worst = r.choice((f"{a}.resize_(0)", f"setattr({a}, 'data', {b})", f"{a}.set_()",
                              f"{a}.resize_(2, 0, 3)", "1 / 0", f"{a}.t_()", f"{a}.add_({b})"))
            return f"Worst({r.choice((0, 1, -1, 2, 2**62))}, lambda: {worst})"
        if r.random() < 0.3:
            return str(r.choice(HUGE))
        return r.choice(WRONG)

    # ---- other deeds ----

    def key(self):
        r, a = self.r, self.any()
        one = lambda: r.choice((  # noqa: E731
            str(r.randrange(-3, 4)), "None", "...", ":", "1:", "::2", ":0", "True", "[0, 1]",
            f"slice({r.randrange(-3, 3)}, {r.randrange(-3, 4)})", "torch.tensor([0, 1, 0])", a,
            f"{a} > 0", "torch.tensor([True, False])", str(r.choice(HUGE)), "torch.tensor(1)"))
        keys = [one() for _ in range(r.choice((1, 1, 2, 3)))]
        keys = [f"slice({', '.join((k.split(':') + [''])[:3])})" if ":" in k else k for k in keys]
        keys = [k.replace("slice(, )", "slice(None)").replace("slice(1, , )", "slice(1, None)")
                .replace("slice(, , 2)", "slice(None, None, 2)").replace("slice(, 0, )", "slice(0)")
                .replace("slice(, , )", "slice(None)") for k in keys]
        return keys[0] if len(keys) == 1 else f"({', '.join(keys)})"

    def deed(self):
        r = self.r
        a, b, c = self.any(), self.any(), self.any()
        sizes, dtype = self.pool[a]
        dim = r.randrange(len(sizes)) if sizes else 0
        deeds = [
            f"{a}.__getitem__({self.key()})", f"{a}.__getitem__({self.key()})",
            f"{a}.__setitem__({self.key()}, {b})", f"{a}.__setitem__({self.key()}, 1)",
            f"{a}.backward({b})", f"{a}.sum().backward()", f"{a}.backward(torch.ones_like({a}))",
            f"torch.autograd.grad({a}.sum(), [{b}], create_graph=True, allow_unused=True)",
            f"torch.autograd.grad({a}, [{b}, {c}], torch.ones_like({a}), retain_graph=True, "
            "allow_unused=True)",
            f"torch.autograd.grad({a}.sum(), {b}, create_graph=True)",
            f"{a}.grad", f"{a}.detach()", f"{a}.to(torch.{r.choice(DTYPES)})", f"{a} * 1",
            f"{a}.transpose({dim}, -1)", f"{a}.narrow({dim}, 1, 1)", f"{a}.T", f"{a}.mT",
            f"{a}.view(-1)", f"{a}.expand(2, *{a}.shape)", f"{a}.unsqueeze(0).expand({a}.shape)",
            f"{a}.as_strided(({r.randrange(4)}, 2), (1, {r.randrange(3)}), {r.randrange(3)})",
            f"{a}.requires_grad_({r.choice(('True', 'False'))})", f"{a}.detach_()", f"{a}.zero_()",
            f"{a}.add_({b})", f"{a}.mul_({a})", f"{a}.copy_({b})", f"{a}.t_()", f"{a}.squeeze_()",
            f"{a}.view(torch.{r.choice(DTYPES)})", f"{a}.retain_grad()", f"{a}.clone()",
            f"{a}.swapaxes_(0, -1)", f"{a}.unsqueeze_(0)", f"{a}.is_contiguous()", f"{a}.tolist()",
            f"torch.nn.functional.pad({a}, ({r.randrange(-2, 3)}, {r.randrange(-2, 3)}))",
            f"setattr({a}, 'data', {b})", f"setattr({a}, 'grad', {b})", f"{a}.set_({b})",
            f"{a}.register_hook(lambda g: {r.choice((b, 'g * 2', 'None', 'g[:1]', 'g.double()'))})",
            f"torch.set_num_threads({r.choice((1, 2))})",
        ]
        if not self.apart:
            deeds += [
                f"{a}.resize_({r.randrange(9)}, {r.randrange(5)})", f"{a}.resize_(2**50)",
                f"{a}.untyped_storage().resize_({r.randrange(64)})", f"repr({a})",
                f"torch._C._memory_fail_nth({r.randrange(1, 9)})", f"memoryview({a}.numpy())",
                f"{a}.register_hook(lambda g: {b}.resize_(0))", f"copy.deepcopy({a})",
                f"pickle.loads(pickle.dumps({a}))", f"{a}.share_memory_()",
            ]
        return r.choice(deeds)


def samples_of(op):
    """The arguments of sample calls, by name."""
    try:
        for sample in op._given():
            yield sample.values
    except NoSample:
        return


def places_of(op, known):
    """How a program calls it: the form, and the function's name, of those that are known."""
    homes = {"function": ("torch", "torch._C"), "nn": ("torch.nn.functional", "torch._C._nn"),
             "special": ("torch.special", "torch._C._special"),
             "linalg": ("torch.linalg", "torch._C._linalg")}
    for form in op.forms:
        if form in homes:
            names = [f"{home}.{op.python_name(form)}" for home in homes[form]]
            name = next(filter(known, names), None)
            if name:
                yield form, name
                if "out" in op.forms:
                    yield "out", name
        elif form in ("method", "inplace"):
            name = f"torch.Tensor.{op.base}{'_' if form == 'inplace' else ''}"
            if known(name):
                yield form, name
