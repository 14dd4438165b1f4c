"""Walks the operator table: each public operator, on sample calls from its paragraph, keeps what all
operators promise. A new paragraph is tested as soon as it stands; see docs/operators.md, `try`.

A fault that is known and not yet mended stands in known.py; when it is mended, its line must go.
"""
import itertools
import math
import re
import warnings

import pytest

import flambeau as torch
from flambeau import _C
from flambeau.autograd import grad
from flambeau.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from known import FAULTS
from samples import GENERATED, HOMES, ROOT, SPACES, Recipe, operators, tensors

OPERATORS = operators()


def every(applies=lambda op: True, faults=FAULTS):
    """The test for each operator to which it applies; one whose name stands in `faults` under the
    test's must fail."""
    def parametrized(check):
        def run(op):
            reason = faults.get(check.__name__, {}).get(op.name)
            if reason is None:
                return check(op)
            try:
                check(op)
            except (AssertionError, GradcheckError, RuntimeError) as fault:
                pytest.xfail(f"{reason}: {fault}")
            pytest.fail(f"no longer a fault: take {op.name} out of known.py ({reason})")
        run.__doc__ = check.__doc__
        return pytest.mark.parametrize("op", [op for op in OPERATORS if applies(op)], ids=str)(run)
    return parametrized


def has(*forms):
    return lambda op: set(forms) <= set(op.forms)


# ---- comparing ----

def contents(t):
    """What a tensor holds: dtype, sizes, elements; every NaN is the same."""
    values = t.detach().reshape(-1).tolist()
    return t.dtype, tuple(t.shape), ["nan" if v != v else v for v in values]


def same(a, b):
    """Whether two results are equal to the last bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and contents(a) == contents(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b or (a != a and b != b)


def close(a, b, tolerance):
    a, b = (t.cdouble() if t.is_complex() else t.double() for t in (a, b))
    return bool(torch.allclose(a, b, tolerance, tolerance, equal_nan=True))


def is_drawn(op):
    """Whether its results are drawn, or not set at all."""
    return op.random or unset(op) or re.search("rand|normal|dropout|gumbel", op.base)


def unset(op):
    return "empty" in op.base


def shows_strides(op):
    return "strid" in op.base or op.name in ("view.dtype", "view_copy.dtype")


# ---- what each operator promises ----

@every()
def test_returns(op):
    """It returns a value, the same in each of its Python forms."""
    for sample in op.samples():
        first = None
        for form, function in op.functions().items():
            y = function(sample.build())
            values = y if len(op.results) > 1 and isinstance(y, tuple) else [y]
            always = [kind for kind in op.results if not kind.endswith("?")]
            assert len(always) <= len(values) <= len(op.results), (sample, form)
            assert None not in map(type, values), (sample, form)
            if always == []:  # each is there only where it is asked for
                continue
            for value, kind in zip(values, op.results):
                assert (isinstance(value, torch.Tensor) if kind in ("Tensor", "Tensor?") else
                        isinstance(value, (list, tuple)) if kind == "Tensor[]" else
                        isinstance(value, (bool, int, float))), (sample, form, kind)
            first = first or (y,)
            assert unset(op) or same(first[0], y), (sample, form)


@every()
def test_dtypes(op):
    """It gives the dtype that its paragraph says; float32 gives about what float64 does."""
    for sample in op.samples():
        y = tensors(op.call(sample.build()))
        if op.result_dtype in ("bool", "int64"):
            assert all(str(t.dtype) == f"torch.{op.result_dtype}" for t in y), sample
        if is_drawn(op) or "float" not in op.accepts:
            continue
        for single, double in zip(tensors(op.call(sample.build(torch.float32))), y, strict=True):
            if double.is_floating_point() and single.dtype == torch.float32:
                assert close(single, double, 2e-4), sample


DTYPES = {"bool": torch.bool, "int": torch.int64, "float": torch.float64, "complex": torch.complex128,
          "unsigned": torch.uint16, "float8": torch.float8_e5m2}


@every(lambda op: op.kind == "compose" and "unsaid" not in op.accepts)
def test_composite_obeys_its_dtypes(op):
    """A composite with the key dtypes refuses a first tensor of another dtype."""
    sample = op.samples()[0]
    first = next((p["name"] for p in op.params if p["type"] == "Tensor"), None)
    for name, dtype in DTYPES.items():
        if first and name not in op.accepts:
            if name == "unsigned" and op.result_dtype in ("float", "sum"):
                continue  # read as integers are
            args = sample.build()
            args[first] = torch.ones_like(args[first]).to(dtype)
            with pytest.raises(RuntimeError):
                op.call(args)


def stored_as(args, dtype):
    """The arguments with small whole numbers of that dtype in the place of floats, or of integers
    where there are none."""
    kinds = {t.is_floating_point() for t in tensors(args)}

    def one(v):
        if isinstance(v, list):
            return [one(x) for x in v]
        chosen = isinstance(v, torch.Tensor) and v.is_floating_point() == (True in kinds)
        if not chosen or v.dtype in (torch.bool, torch.complex128):
            return v
        return v.double().mul(2).round().abs().add(1).to(dtype)

    return {k: one(v) for k, v in args.items()}


STORED = {torch.uint16: torch.int64, torch.uint64: torch.int64, torch.float8_e4m3fn: torch.float32}


@every(lambda op: not is_drawn(op) and not shows_strides(op))
def test_stored_dtypes(op):
    """Of a dtype that is little more than stored it gives what it gives of one that holds its
    values, or refuses."""
    for sample, (stored, carrier) in itertools.product(op.samples(), STORED.items()):
        try:
            found = tensors(op.call(stored_as(sample.build(), stored)))
        except (RuntimeError, TypeError, IndexError, ValueError):
            continue
        wanted = tensors(op.call(stored_as(sample.build(), carrier)))
        for y, z in zip(found, wanted, strict=True):
            if y.dtype == stored:
                z = z.to(stored)
            assert y.shape == z.shape and same(y.cdouble(), z.cdouble()), (sample, stored)


def destinations(y):
    """Tensors that a result may be written to, by what is particular about them."""
    turned = torch.empty(tuple(reversed(y.shape)), dtype=y.dtype).permute(
        tuple(reversed(range(y.ndim))))
    yield "of its size", torch.empty(y.shape, dtype=y.dtype)
    yield "empty", torch.empty(0, dtype=y.dtype)
    yield "smaller", torch.empty(1, dtype=y.dtype)
    yield "larger", torch.empty(2 * y.numel() + 3, dtype=y.dtype)
    yield "turned", turned
    if y.is_floating_point():
        yield "single", torch.empty(y.shape, dtype=torch.float32)


def written(op, args, outs):
    """Calls the out= form; outs is what was given for each result."""
    form = next(f for f in op.functions() if f != "method")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a destination that is resized
        return op.functions()[form](args, out=tuple(outs) if len(outs) > 1 else outs[0])


def written_order(op, t):
    """The elements in the order of memory where they are drawn so, else as they are."""
    order = sorted(range(t.ndim), key=t.stride, reverse=True)
    return t.permute(order).flatten() if op.random and made_of_no_tensor(op) else t


def drawn_elsewhere(op, out):
    """Whether each element has another draw than in rows, of which a tensor makes a result."""
    return op.random and not made_of_no_tensor(op) and not out.is_contiguous()


@every(has("out"))
def test_out(op):
    """Written to a destination of any kind, the result is that of the functional form."""
    for sample in op.samples():
        expected = tensors(op.call(sample.build()))
        for kinds in zip(*(list(destinations(y)) for y in expected)):
            outs = [out for _, out in kinds]
            before = [(out, out.view(-1)[:1] if out.is_contiguous() else None, out._version)
                      for out in outs]
            y = written(op, sample.build(), outs)
            assert all(a is b for a, b in zip(tensors(y), outs, strict=True)), (sample, kinds[0][0])
            for out, wanted in zip(outs, expected):
                if unset(op) or drawn_elsewhere(op, out):
                    continue
                assert same(written_order(op, out), written_order(
                    op, wanted.to(out.dtype))), (sample, kinds[0][0])
            for out, view, version in before:
                assert out._version > version, (sample, kinds[0][0])
                if view is not None and view.numel() and out.numel():
                    assert same(view.reshape(()), out.view(-1)[0]), (sample, "a view of it")
        if all(y.is_floating_point() for y in expected):
            whole = [torch.empty(y.shape, dtype=torch.int64) for y in expected]
            if made_of_no_tensor(op):  # of the destination's dtype
                try:
                    wanted = op.call({**sample.build(), "dtype": torch.int64})
                except RuntimeError:  # nothing draws such integers, no frequency is one
                    wanted = None
                if wanted is not None:
                    y = written(op, sample.build(), whole)
                    assert unset(op) or same(y, wanted), sample
                    continue
            with pytest.raises(RuntimeError):
                written(op, sample.build(), whole)


def made_of_no_tensor(op):
    return any(p["name"] == "dtype" for p in op.params) and \
        not any("Tensor" in p["type"] for p in op.params)


@every(lambda op: "out" in op.forms and len(op.results) == 1 and not is_drawn(op))
def test_out_aliased(op):
    """A destination that is an operand, or overlaps with one, gives the same result or is refused."""
    for sample in op.samples():
        expected = op.call(sample.build())
        for name, value in sample.build().items():
            if not isinstance(value, torch.Tensor) or value.shape != expected.shape \
                    or value.dtype != expected.dtype:
                continue
            args = sample.build()
            try:
                written(op, args, [args[name]])
                assert same(args[name], expected), (sample, name)
            except RuntimeError:
                pass
            args, room = sample.build(), torch.zeros(value.numel() + 1, dtype=value.dtype)
            args[name] = room[:-1].view(value.shape).copy_(value)
            out = room[1:].view(value.shape)
            try:
                written(op, args, [out])
                assert same(out, expected), (sample, name, "overlapping")
            except RuntimeError:
                pass


@every(has("inplace"))
def test_inplace(op):
    """The in-place form gives what the functional form does, or refuses and changes nothing."""
    for sample in op.samples():
        expected, args = op.call(sample.build()), sample.build()
        x, version, before = args["self"], args["self"]._version, contents(args["self"])
        fits = torch.can_cast(expected.dtype, x.dtype) and (
            op.kind == "view" or expected.shape == x.shape)
        if not fits:
            with pytest.raises(RuntimeError):
                op.inplace(args)
            assert contents(x) == before and x._version == version, sample
            continue
        y = op.inplace(args)
        assert y is x and same(x, expected.to(x.dtype)), sample
        if op.kind != "view":
            assert x._version > version, sample
        if x.ndim == 2 and op.kind != "view":
            args = sample.build()
            args["self"] = turned = args["self"].t().contiguous().t()
            op.inplace(args)
            assert same(turned, expected.to(x.dtype)), (sample, "turned")


# ---- gradients ----

class Differentiable:
    """A sample as a function of those of its tensors that may ask for a gradient."""

    def __init__(self, op, sample, inplace=False, words=("formula", ""), dtype=None):
        self.op, self.sample, self.dtype = op, sample, dtype
        self.places = [(k, i) for k, v in sample.build(dtype).items()
                       for i, t in enumerate(tensors([v]))
                       if (t.is_floating_point() or t.is_complex()) and op.grad(k) in words]
        self.inplace = inplace

    def leaves(self, dtype=None):
        found = []
        for key, i in self.places:
            t = tensors([self.sample.build(dtype or self.dtype)[key]])[i]
            found.append(t.detach().clone().requires_grad_())
        return found

    def __call__(self, *given):
        op, args = self.op, self.sample.build(self.dtype)
        for (key, i), t in zip(self.places, given):
            if isinstance(args[key], list):
                args[key][i] = t
            else:
                args[key] = t
        first = op.params[0]["name"] if op.params else None
        if (op.writes or self.inplace) and isinstance(args[first], torch.Tensor):
            args[first] = args[first] * 1
        y = op.inplace(args) if self.inplace else op.call(args)
        return tuple(t for t in tensors(y) if t.is_floating_point() or t.is_complex())


def differentiables(op):
    for sample in op.samples():
        f = Differentiable(op, sample)
        if f.places:
            yield sample, f


def asked(op, f):
    """The floating results of f that ask for a gradient, of fresh leaves."""
    leaves = f.leaves()
    return leaves, [y for y in f(*leaves) if y.requires_grad]


@every()
def test_gradient(op):
    """The fused gradient is the composed one, and the difference quotient."""
    for sample, f in differentiables(op):
        leaves, results = asked(op, f)
        discrete = op.result_dtype in ("bool", "int64") or not tensors(list(f(*leaves)))
        assert results or discrete, (sample, "its result asks for no gradient")
        if not results:
            continue
        weights = [torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype.to_real()).to(y.dtype)
                   .reshape(y.shape) for y in results]
        fused = grad(results, leaves, weights, retain_graph=True, allow_unused=True)
        composed = grad(results, leaves, weights, create_graph=True, allow_unused=True)
        for a, b, leaf in zip(fused, composed, leaves):
            assert (a is None) == (b is None), sample
            assert a is None or (a.shape == leaf.shape and a.dtype == leaf.dtype), sample
            assert a is None or close(a, b, 1e-11), (sample, a, b)
        gradcheck(lambda *x: tuple(y for y in f(*x) if y.requires_grad or not x), leaves)


@every()
def test_second_gradient(op):
    """The gradient's gradient is its difference quotient."""
    for sample, f in differentiables(op):
        leaves, results = asked(op, f)
        if not results:
            continue
        weights = [torch.ones_like(y).requires_grad_() for y in results]
        first = grad(results, leaves, weights, create_graph=True, allow_unused=True)
        if any(g is not None and g.requires_grad for g in first):
            try:
                gradgradcheck(lambda *x: tuple(y for y in f(*x) if y.requires_grad), leaves)
            except RuntimeError as missing:  # the backward operator says so in its paragraph
                assert re.search("derivative for .* is not implemented", str(missing))


@every(lambda op: "complex" in op.accepts and op.kind != "view" and not is_drawn(op))
def test_complex_gradient(op):
    """Of complex tensors the gradient is the difference quotient by both parts."""
    for sample in op.samples():
        if not any(isinstance(v, Recipe) and v.kind in ("float", "complex")
                   for v in sample.values.values()):
            continue
        f = Differentiable(op, sample, dtype=torch.complex128)
        leaves = f.leaves()
        try:
            f(*leaves)
        except NotImplementedError:
            # or it takes them to another dtype alone
            assert op.kind == "compose" or op.result_dtype == "own", sample
            return
        if leaves and any(y.requires_grad for y in f(*leaves)):
            gradcheck(lambda *x: tuple(y for y in f(*x) if y.requires_grad or not x), leaves)


@every()
def test_single_gradient(op):
    """The gradient in float32 is about that in float64."""
    for sample, f in differentiables(op):
        found = []
        for dtype in (torch.float32, torch.float64):
            leaves = f.leaves(dtype)
            try:
                results = [y for y in f(*leaves) if y.requires_grad]
            except RuntimeError:  # literal tensors of the sample are float64
                return
            if not results or is_drawn(op):
                return
            found.append(grad(results, leaves, [torch.ones_like(y) for y in results],
                              allow_unused=True))
        for single, double in zip(*found):
            assert (single is None) == (double is None)
            assert single is None or (single.dtype in (torch.float32, torch.complex64)
                                      and close(single, double, 2e-3)), sample


@every(has("inplace"))
def test_inplace_gradient(op):
    """The in-place form's gradient is that of the functional form, or is refused."""
    for sample, f in differentiables(op):
        leaves, results = asked(op, f)
        g = Differentiable(op, sample, inplace=True)
        if not results or results[0].shape != sample.build()["self"].shape:
            continue
        expected = grad(results, leaves, [torch.ones_like(y) for y in results], allow_unused=True)
        leaves = g.leaves()
        try:
            y = g(*leaves)
            found = grad(y, leaves, [torch.ones_like(t) for t in y], allow_unused=True)
        except RuntimeError as refused:
            assert "inplace" in str(refused), sample
            continue
        for a, b in zip(expected, found):
            assert (a is None) == (b is None) and (a is None or close(a, b, 1e-12)), sample


@every()
def test_decisions(op):
    """What the table says in the place of a formula is what happens."""
    for sample in op.samples():
        for word in ("none", "missing", "refused"):
            f = Differentiable(op, sample, words=(word,))
            if not f.places or op.result_dtype in ("bool", "int64"):
                continue
            leaves = f.leaves()
            if word == "refused":
                with pytest.raises(RuntimeError, match="is not differentiable with respect to"):
                    f(*leaves)
                continue
            results = [y for y in f(*leaves) if y.requires_grad]
            if word == "none":
                found = [g for y in results for g in grad(y.sum(), leaves, allow_unused=True)]
                assert all(g is None or not g.any() for g in found), sample
            else:
                assert results, sample
                with pytest.raises((RuntimeError, NotImplementedError), match="is not implemented"):
                    results[0].sum().backward()


# ---- arguments ----

def state(t):
    return (t.dtype, tuple(t.shape), t.stride(), t.storage_offset(), t.requires_grad, t.is_leaf,
            t.is_inference(), t._version, t.grad is None, t.grad_fn is None)


@every()
def test_arguments_are_left_alone(op):
    """A call changes nothing of its arguments but what it writes; views of them stay valid."""
    for sample in op.samples():
        for inference in (False, True):
            args = sample.build()
            given = tensors(args)
            views = [t.view(-1)[:] for t in given]
            before = [contents(t) for t in given]
            states = [state(t) for t in given]
            with torch.inference_mode(inference):
                y = op.call(args)
            del y
            for i, t in enumerate(given):
                if not (op.writes and i == 0):
                    assert state(t) == states[i], (sample, i, inference)
                    assert contents(t) == before[i], (sample, i)
                assert not t.is_inference(), (sample, i)
                assert same(views[i], t.reshape(-1)), (sample, i, "a view")


def sizes_of(sample):
    found = set()
    sample.mapped(lambda v: found.update(v.sizes) if isinstance(v, Recipe) else None)
    return sorted(found - {1})


def shrunk(sample, size):
    """The sample with dims of that size made 1, in recipes and in lists of sizes."""
    def change(v):
        if isinstance(v, Recipe) and v.kind != "literal":
            smaller = v.resized([1 if s == size else s for s in v.sizes])
            if v.kind == "int" and v.high == size:
                smaller.high = 1
            return smaller
        if isinstance(v, list) and all(isinstance(n, int) for n in v):
            return [1 if n == size else n for n in v]
        return v
    return sample.mapped(change)


def absurd(t):
    """t in memory of NaNs, with strides of dims of size 1 that mean nothing."""
    if not isinstance(t, torch.Tensor) or 1 not in t.shape:
        return [absurd(x) for x in t] if isinstance(t, list) else t
    strides = [7 if n == 1 else s for n, s in zip(t.shape, t.stride())]
    room = torch.full((t.numel() + 4096,), -1 if not t.is_floating_point() else math.nan).to(t.dtype)
    y = room.as_strided(t.shape, strides, 2048)
    return y.copy_(t)


@every(lambda op: not unset(op) and not shows_strides(op))
def test_strides_of_dims_of_size_one(op):
    """They count for nothing, forward and backward."""
    for sample in op.samples():
        for size in sizes_of(sample):
            small = shrunk(sample, size)
            try:
                expected = op.call(small.build())
            except (RuntimeError, IndexError, ValueError):
                continue  # not a call any more
            args = {k: absurd(v) for k, v in small.build().items()}
            assert same(expected, op.call(args)), (small, size)
            check_strides_backward(op, small)


def check_strides_backward(op, sample):
    found = []
    for change in (lambda t: t, absurd):
        f = Differentiable(op, sample)
        leaves = [change(t.detach()).requires_grad_() for t in f.leaves()]
        results = [y for y in f(*leaves) if y.requires_grad]
        if not results:
            return
        weights = [change(torch.ones_like(y)) for y in results]
        try:
            found.append(grad(results, leaves, weights, allow_unused=True))
        except (RuntimeError, NotImplementedError) as missing:
            assert "is not implemented" in str(missing)
            return
    for a, b in zip(*found):
        assert (a is None) == (b is None) and (a is None or close(a, b, 1e-12)), sample


# ---- documents ----

HEADER = "".join(file.read_text() for file in (GENERATED / "flambeau/ops").glob("*.h"))
STUB = (GENERATED / "_C.pyi").read_text()
PAGES = (GENERATED / "ops.md").read_text()


def stub_of(where):
    """The part of the stub that speaks of a form."""
    if where == "function":
        return re.sub(r"^class .*?(?=^\S)", "", STUB, flags=re.M | re.S)
    if where in SPACES:
        return (GENERATED / f"{where}.pyi").read_text()
    name = {"method": "Tensor", "nn": "_nn"}[where]
    return re.search(rf"^class {name}\b[^\n]*:\n(.*?)(?=^\S|\Z)", STUB, re.M | re.S)[1]


HOMES = {"method": _C.Tensor, **HOMES}
STUBS = {where: stub_of(where) for where in HOMES}
WRITTEN = {"function": "flambeau.", "method": "Tensor.", "nn": "flambeau.nn.functional.",
           **{space: f"flambeau.{space}." for space in SPACES}}


# Their arguments are read by hand: *tensors, as_tuple, *dims.
BY_HAND = {"nonzero", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors", "contiguous"}


@every()
def test_documents(op):
    """Docstring, stub, reference page and C prototype are there and use the right name."""
    page = re.search(rf"^### {re.escape(op.name)}\n\n`{re.escape(op.name)}\((.*?)(?=^###? |\Z)", PAGES,
                     re.M | re.S)
    assert page, "no reference page"
    assert re.search(rf"\b{op.c}\(", HEADER), f"no prototype of {op.c}"
    for form in set(op.forms) & set(HOMES):
        name = op.python_name(form)
        function = getattr(HOMES[form], name)
        doc = function.__doc__
        assert doc
        signature = function.__text_signature__ if form == "nn" else None
        if signature:  # inspect reads it
            inplace = signature.startswith("(input") and signature.endswith(", inplace=False)")
            assert inplace or "nn(inplace)" not in op.forms
            if op.params[0]["name"] == "self":  # which PyTorch calls input
                signature = signature.replace("(input", "(self", 1)
            doc = f"{name}{signature}\n\n{doc}"
        if name not in BY_HAND:
            assert doc.startswith(f"{name}(") and "\n\n" in doc, doc
            assert all(p["name"] in doc for p in op.params), doc
        assert re.search(rf"^ *def {name}\(", STUBS[form], re.M) or name in ("not", "and", "or"), form
        assert f"`{WRITTEN[form]}{name}`" in page[1], (form, page[1])
    if "inplace" in op.forms:
        assert getattr(_C.Tensor, op.base + "_").__doc__.startswith(f"{op.base}_(")
        assert re.search(rf"^    def {op.base}_\(", STUBS["method"], re.M)
        assert re.search(rf"\b{op.c}_\(", HEADER) and f"`Tensor.{op.base}_`" in page[1]


def test_the_whole_table_is_walked():
    """Every operator with a name in a public namespace of the extension is in the table's data."""
    named = {op.python_name(form) for op in OPERATORS for form in op.forms if form in HOMES}
    assert len(OPERATORS) > 400 and {"add", "conv2d", "norm", "ndtr"} <= named
    assert len({op.name for op in OPERATORS}) == len(OPERATORS)


def test_known_faults_are_of_the_table():
    """A list of faults may not outlive what it speaks of."""
    names = {op.name for op in OPERATORS}
    for check, faults in FAULTS.items():
        assert check in globals() and set(faults) <= names, (check, set(faults) - names)
