"""What the table's compiler writes: it compiles, says what the table says."""
import json
import os
import re
import subprocess

import pytest

from conftest import CC, ROOT

CXX = os.environ.get("CXX", "c++")
INCLUDE = [f"-I{ROOT}/include", f"-I{ROOT}/src"]
LOOPS = [f"ops_loops_{i}.simd.c" for i in range(16)]
PARTS = [f"ops_table_{i}.c" for i in range(4)]


def table_text(folder):
    """The descriptors of all parts, and the list."""
    return "".join((folder / name).read_text() for name in [*PARTS, "ops_table.c"])

SMALL = """\
mul.Tensor(Tensor self, Tensor|Scalar other) -> Tensor
    dtypes  any
    forms   function method inplace out
    value   self * other
    grad    self: g * other
            other: g * self
    exact   other
    doc     self * other.

scaled(Tensor self, Scalar factor=2, *, str how='plain') -> Tensor
    compose how == 'plain' ? mul(self, factor) : self
    try     factor=-0.5, how='plain'
    try     self=float(2,
                3, low=0)

total(Tensor self, int[1]? dim=None, bool keepdim=False) -> Tensor
    dtypes  any tosum
    start   0
    step    acc + x
    join    a + b
    grad    self: none

pick(Tensor self, int[2] where=[0, 1], float f=1, dtype? dtype=None) -> (Tensor a, Tensor b)
    shape   pick
    kernel  pick
    grad    self: missing

special_half(Tensor self) -> Tensor
    forms   special
    compose mul(self, 0.5)
    doc     Half of self.

stride(Tensor! self, Tensor with, Tensor? by) -> self
    kernel  stride
    grad    self: missing 'stride: self'
            with: none
            by: refused 'stride_by'
"""

NEW = """\
gate(Tensor self) -> Tensor
    dtypes  floating
    value   self / (1 + exp(-self))
    grad    self: none
    doc     An operator before others: their lines move.

"""


@pytest.fixture
def small(opgen):
    done, out = opgen.run(SMALL)
    assert done.returncode == 0, done.stderr
    return out


def compiles(command, cwd=None):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0 and not done.stderr, done.stderr[:3000]


def test_header_is_c11_and_cxx17(generated, tmp_path):
    source = tmp_path / "t.c"
    source.write_text('#include "flambeau.h"\n')
    flags = ["-Wall", "-Wextra", *INCLUDE, f"-I{generated}", "-c", source, "-o", tmp_path / "t.o"]
    compiles([CC, "-std=c11", *flags])
    compiles([CXX, "-x", "c++", "-std=c++17", *flags])
    compiles([CC, "-std=c17", "-DFLAMBEAU_INTERNAL", *flags])


def test_table_compiles_without_warnings(generated, tmp_path):
    for name in ["ops_table.c", *PARTS]:
        compiles([CC, "-std=c17", "-O1", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-DFLAMBEAU_INTERNAL",
                  *INCLUDE, f"-I{generated}", "-c", generated / name, "-o", tmp_path / "t.o"])


def test_names_are_sorted(generated):
    table = table_text(generated)
    names = dict(re.findall(r'const fl_op op_(\w+) = \{\n    \.name = "([^"]+)"', table))
    listed = table.split("ops_all[]")[1]
    order = [names[i] for i in re.findall(r"^    &op_(\w+),$", listed, re.MULTILINE)]
    assert order == sorted(order) and len(order) == len(names) > 300


def test_descriptors(small):
    table = table_text(small)
    assert '.name = "mul_.Tensor"' in table and '.name = "mul.out"' in table
    assert ".title = \"MulBackward0\"" in table
    assert 'const int ops_count = 8;' in table
    assert 'static const int64_t default_pick_where[] = {0, 1};' in table
    assert '{"f", TYPE_FLOAT, 0, 0, 0, 1, 0, 0, 0, 0, {FL_FLOATING, 0, {.f = 1}}}' in table
    # one loop a class of dtypes, then bools, narrow integers and bfloat16, and one fused gradient each,
    # of the same text: kept once
    loops = re.search(r"pointwise_mul_Tensor = \{2, \{0, 1\}, 0, \{0\}, 0, 0, 0, 2, 0x7cf, "
                      r"\{(\d+), (\d+), (\d+), (\d+), 0, 0, (\d+), (\d+), (\d+), (\d+), (\d+)\}, 0\};", table).groups()
    assert len(set(loops)) == 9 and all(int(index) >= len(LOOPS) for index in loops)
    assert (f"{{0x1, 0x2, 0, 0, 2, {{128, 1}}, 0, {{0}}, {{{loops[0]}, {loops[1]}}}, 0, "
            "grad_mul_Tensor_0," in table)
    assert "grad_mul_Tensor = {0x3, 0x3, 0, 0, 0x1, 0x1, 2, rules_mul_Tensor, 0, NULL}" in table
    # none is no gradient at all; what is missing is a rule that names what PyTorch's message names
    assert "grad_total" not in table and '.title = "NotImplemented"' in table
    assert '{0x1, 0, 0, 0, 0, {0}, 0, {0}, {0, 0}, 0, NULL, NULL, "", 0, NULL},' in table
    assert '{0x1, 0, 0, 0, 0, {0}, 0, {0}, {0, 0}, 0, NULL, NULL, "stride: self", 0, NULL},' in table
    assert ('grad_stride = {0x1, 0, 0, 0, 0xffffffff, 0, 1, rules_stride, 0x4, "stride_by"}'
            in table)


def test_pairs_and_order(opgen):
    done, out = opgen.run("""\
one(Tensor self, Tensor|Scalar other) -> Tensor
    shape   like self
    kernel  one
    order   one
    grad    self: depends 'OtherBackward' g
            other: none
    pairs   uno
    alias   uno eins

two(Tensor self, Tensor|Scalar other) -> Tensor
    compose one(self, other)
    pairs
    alias   duo
""")
    assert done.returncode == 0, done.stderr
    table = table_text(out)
    of = {m[1]: m[0] for m in re.finditer(r"const fl_op op_(\w+) = \{.*?\n\};", table, re.S)}
    assert {name for name, text in of.items() if ".pairs = true," in text} == {"uno", "two", "duo"}
    assert ".order = call_order_one," in of["one"]
    assert '"OtherBackward"}' in table
    assert ("const struct node_order *one_order(fl_tensor *self, fl_value other);"
            in (out / "ops_kernels.h").read_text())


def test_pairs_of_another_operator(opgen):
    done, _ = opgen.run("""\
one(Tensor self) -> Tensor
    compose neg(self)
    pairs   two
""")
    assert "pairs has two, expected one or an alias of it" in done.stderr


def test_titles(opgen):
    done, out = opgen.run("""\
log1p_2d(Tensor self) -> Tensor
    shape   like self
    kernel  log1p
    grad    self: g

mean.all(Tensor self) -> Tensor
    title   Mean1
    shape   like self
    kernel  mean
    grad    self: g

mean.rest(Tensor self) -> Tensor
    shape   like self
    kernel  mean
    grad    self: g

copied(Tensor self) -> Tensor
    title   CopyBackwards
    shape   like self
    kernel  copied
    titles  copied
    grad    self: g

silent(Tensor self) -> Tensor
    compose copied(self)

spoken(Tensor self) -> Tensor
    title   Spoken
    compose copied(self)
""")
    assert done.returncode == 0, done.stderr
    table = table_text(out)
    titles = dict(re.findall(r'\.base = "(\w+)",\n    \.called = "\w+",\n    \.title = "([\w:]+)"', table))
    assert titles.pop("mean") == "MeanBackward0" and '"MeanBackward1"' in table
    assert titles == {"log1p_2d": "Log1P2DBackward0", "copied": "torch::autograd::CopyBackwards",
                      "spoken": "SpokenBackward0"}
    assert ".titles = call_title_copied," in table
    assert "const char *copied_title(fl_tensor *self);" in (out / "ops_kernels.h").read_text()


def test_kernels_are_declared(small):
    header = (small / "ops_kernels.h").read_text()
    assert ("int pick_cpu(fl_tensor *self, fl_ints where, double f, fl_dtype dtype, fl_tensor *y0, "
            "fl_tensor *y1);") in header
    assert ("int pick_shape(fl_tensor *self, fl_ints where, double f, fl_dtype dtype, "
            "struct op_shape *y);") in header


def test_typed_functions(small):
    assert '#include "flambeau/ops/others.h"' in (small / "flambeau/ops.h").read_text()
    header = (small / "flambeau/ops/others.h").read_text()
    for line in ["static inline fl_tensor *fl_mul(fl_tensor *self, fl_tensor *other)",
                 "static inline fl_tensor *fl_mul_scalar(fl_tensor *self, fl_value other)",
                 "static inline fl_tensor *fl_mul_(fl_tensor *self, fl_tensor *other)",
                 "static inline fl_tensor *fl_scaled(fl_tensor *self, fl_value factor, "
                 "const char *how)",
                 "static inline int fl_pick(fl_tensor *self, fl_ints where, double f, "
                 "fl_dtype dtype, fl_tensor **y0, fl_tensor **y1)"]:
        assert line in header, line


def test_python_names(small):
    text = (small / "ops_python.c").read_text()
    assert '{"mul", (PyCFunction)(void (*)(void))methods_mul, METH_FASTCALL | METH_KEYWORDS,\n' \
           '     "mul(self, other) -> Tensor\\n\\nself * other."}' in text
    assert "methods_mul_(PyObject *self" in text and "overloads_functions_scaled[] = {&op_scaled}" in text
    stub = (small / "_C.pyi").read_text()
    assert "def mul(self, other: Union[Tensor, Number]) -> Tensor: ..." in stub
    assert ("def mul(input: Tensor, other: Union[Tensor, Number], *, out: Optional[Tensor] = None)"
            " -> Tensor: ...") in stub
    compile(stub, "_C.pyi", "exec")
    assert '{"half", ' in text and '"half(self) -> Tensor\\n\\nHalf of self."}' in text
    assert '"mul_(self, other) -> Tensor\\n\\nself * other."}' in text
    special = (small / "special.pyi").read_text()
    assert "\ndef half(input: Tensor) -> Tensor: ..." in special
    compile(special, "special.pyi", "exec")
    page = (small / "ops.md").read_text()
    assert "Forms: `flambeau.special.half`\n" in page
    assert "No gradient: self, with, by.\n" in page


def test_samples(small):
    rows = {row["name"]: row for row in json.loads((small / "ops_samples.json").read_text())}
    assert rows["scaled"]["try"] == [{"factor": "-0.5", "how": "'plain'"},
                                     {"self": "float(2,                 3, low=0)"}]
    assert rows["stride"]["writes"] and rows["mul.Tensor"]["forms"] == ["function", "method",
                                                                       "inplace", "out"]
    assert [p["grad"] for p in rows["stride"]["params"]] == ["missing", "none", "refused"]
    assert rows["mul.Tensor"]["params"][1] == {
        "name": "other", "type": "Tensor|Scalar", "optional": False, "default": False,
        "keyword": False, "truth": False, "list_size": 0, "grad": "formula"}


def test_stub_file_is_python(generated):
    compile((generated / "_C.pyi").read_text(), "_C.pyi", "exec")


def test_complaints_point_into_the_table(small):
    loops = "".join((small / name).read_text() for name in LOOPS)
    assert '#line 4 "1.ops: mul.Tensor"\n        y[i] = ((x0 * x1));' in loops
    assert '#line 4 "1.ops: total"' in loops


def test_an_edit_changes_few_files(program, tmp_path):
    written = []
    for text in (SMALL, SMALL.replace("scaled(", NEW + "scaled(")):
        (tmp_path / "a.ops").write_text(text)
        subprocess.run([program, "-o", f"out{len(written)}", "a.ops"], cwd=tmp_path, check=True)
        folder = tmp_path / f"out{len(written)}"
        written.append({name: (folder / name).read_text() for name in LOOPS})
    changed = [name for name in LOOPS if written[0][name] != written[1][name]]
    assert 1 <= len(changed) <= 2  # a loop of float32 and one of float64


def test_unchanged_files_are_not_written(program, tmp_path):
    (tmp_path / "a.ops").write_text(SMALL)
    command = [program, "-o", "out", "a.ops"]
    subprocess.run(command, cwd=tmp_path, check=True)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*") if p.is_file()}
    for p in before:
        os.utime(p, ns=(10**18, 10**18))
    (tmp_path / "a.ops").write_text(SMALL.replace("doc     self * other.", "doc     The product."))
    subprocess.run(command, cwd=tmp_path, check=True)
    written = {p.name for p in before if p.stat().st_mtime_ns != 10**18}
    assert "others.h" in written and not written & {"ops_kernels.h", "ops_table.h", *LOOPS}


PRELUDE = """
#include <math.h>
#include <stdint.h>
#include "ops/pointwise/math.h"
#define FL_N(x) ((T)(x))
#define FL_INF ((T)INFINITY)
#define FL_NAN ((T)NAN)
#define FL_EPS ((T)1e-7)
#define FL_LARGEST ((T)3e38)
#define FL_OUT char *out
#define FL_IN(k) , const T *in##k
#define FL_IN_BOOL(k) , const uint8_t *in##k
#define FL_SCALAR(k) , T s##k
#define FL_KERNEL(name, p) void name(long n, p); void name(long n, p)
#define FL_EACH(i) for (long i = 0; i < n; i++)
#define FL_LOAD(k, i) in##k[i]
#define FL_LOAD_BOOL(k, i) (in##k[i] != 0)
#define FL_STORE(i, v) (((T *)out)[i] = (v))
#define FL_STORE_BOOL(i, v) (((uint8_t *)out)[i] = (v))
"""


def own_names(name, text):
    """A kernel's text such that others may stand beside it: a reduction's functions by its name."""
    macros = re.findall(r"^#define (\w+)", text, re.MULTILINE)
    text = re.sub(r"\bfl_(step|join|start|finish)\b", rf"fl_\1_{name}", text)
    return text + "\n" + "".join(f"#undef {macro}\n" for macro in macros)


INTEGRAL = "#define FL_INTEGRAL\n#define FL_BITS 64\n"


@pytest.mark.parametrize("type, suffix, integral", [("float", "f32", ""), ("double", "f64", ""),
                                                    ("int64_t", "i64", INTEGRAL)])
def test_gpu_texts_are_c_under_a_prelude(generated, tmp_path, type, suffix, integral):
    text = table_text(generated)
    kernels = re.findall(r"static const char (\w+)\[\] =\n((?:    \".*\"\n?;?\n?)+)", text)
    assert len(kernels) > 150
    floats_only = {  # reductions without a loop of int64: they have no text among integers
        f"gpu_{name}" for name in re.findall(
            r"reduce_(\w+) = \{0, [-\d, ]+, \{[\d, ]*\}, \{\d+, \d+, \d+, 0, ", table_text(generated))}
    assert floats_only
    source = "".join(own_names(name, "\n".join(re.findall(r'"(.*)\\n"', body)))
                     for name, body in kernels if not integral or name not in floats_only)
    source = source.replace("\\?", "?").replace('\\"', '"')
    names = set(re.findall(r"\bm_(\w+)\(", source))
    integer = {"remainder": "mod", "floor_divide": "floordiv"} if integral else {}
    macros = "".join(f"#define m_{n}(...) m_{integer.get(n, n)}_{suffix}(__VA_ARGS__)\n"
                     for n in sorted(names))
    file = tmp_path / "gpu.c"
    file.write_text(f"#define T {type}\n{integral}{PRELUDE}{macros}{source}")
    compiles([CC, "-std=gnu17", "-O0", *INCLUDE, "-D_GNU_SOURCE", "-fsyntax-only", file])


# Every statement and form of the compose language, over operators that are declared alone.
LANGUAGE = """\
add.Tensor(Tensor self, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor
    forms   function method inplace out
    value   self + other
    grad    self, other: missing
    check   require alpha != 0 ValueError "alpha is {alpha}: 100%";
    alias   plus

reshape(Tensor self, int[] shape) -> Tensor
    compose reshape

copy_(Tensor! self, Tensor src) -> self
    kernel  copy_
    grad    self, src: missing

clone(Tensor self, *, int? memory_format=None) -> Tensor
    compose clone

select(Tensor self, int dim, int index) -> Tensor
    view    select
    grad    self: missing
    scatter src=float(2), dim=1, index=2

_doubled(Tensor self) -> Tensor
    forms   internal
    compose self + self

both(Tensor[] all, int[] shape, int dim, str how='plain') -> Tensor
    compose require all.count > 0 && shape[:-1] == all[0].sizes[1:] TypeError
                "{all.count} of {all[0].dtype}, {shape}, "
                "{how}";
            d = wrap_dim(dim, all[0].ndim);
            y = all[0];
            rows = 1;
            for t in all: require t.ndim == 2 "{t.ndim}";
            for n in shape: rows = rows * n;
            for i in 3: y = _doubled(y) + i;
            copy_(y, all[-1]);
            wide = d == 0 ? [rows] + shape : [k == d ? rows : 1 for k in 4];
            reshape(y, wide)

each(Tensor[] all) -> Tensor[]
    compose [clone(t) for t in all]
"""


def function_of(table, name):
    return re.search(rf"static int call_\w+_{name}\(.*?^}}", table, re.S | re.M).group()


def test_statements_compile(opgen, tmp_path):
    done, out = opgen.run(LANGUAGE)
    assert done.returncode == 0, done.stderr
    for name in PARTS:
        compiles([CC, "-std=c17", "-O1", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-DFLAMBEAU_INTERNAL",
                  *INCLUDE, f"-I{out}", "-c", out / name, "-o", tmp_path / "t.o"])


def test_statements(opgen):
    table = table_text(opgen.run(LANGUAGE)[1])
    both = function_of(table, "both")
    assert 'error_set(FL_TYPE_ERROR, "%lld of %s, %s, %s", (long long)' in both
    assert "same_ints(list_part(args[1], 0, -1), list_part(sizes_of(" in both
    assert "op__doubled" not in both and both.count("op_call(&op_add_Tensor") == 2  # put in place
    assert "renew(2, t + " in both  # what a round makes goes before the next
    assert both.index("op_copy_") < both.index("op_reshape")
    assert "op_list(" in function_of(table, "each")
    assert 'error_set(FL_VALUE_ERROR, "alpha is %g: 100%%"' in function_of(table, "add_Tensor")
    assert ".check = call_check_add_Tensor" in table


def test_words_and_dtypes_of_expressions(opgen):
    done, out = opgen.run("""\
_word(int n) -> str
    forms   internal
    compose n == 0 ? 'none' : 'sum'

said(Tensor self, str word) -> Tensor
    dtypes  floating
    compose self

unsaid(Tensor self, str word) -> Tensor
    compose self

whole(Tensor self, int n) -> Tensor
    compose said(self, _word(n))
""")
    assert done.returncode == 0, done.stderr
    table = table_text(out)
    assert "_word" not in table and "_word" not in (out / "flambeau" / "ops.h").read_text()
    assert '(int_of(args[1]) == 0' in function_of(table, "whole")
    rows = {row["name"]: row["accepts"] for row in json.loads((out / "ops_samples.json").read_text())}
    assert rows["said"] == ["float"]
    assert rows["unsaid"] == ["bool", "int", "float", "complex", "unsaid"]
    assert rows["whole"] == ["float", "unsaid"]  # as what it calls, which refuses


def test_derived_paragraphs(opgen):
    table = table_text(opgen.run(LANGUAGE)[1])
    scatter = function_of(table, "select_scatter")
    assert scatter.index("op_clone") < scatter.index("op_select") < scatter.index("op_copy_")
    assert "select_scatter(Tensor self, Tensor src, int dim, int index) -> Tensor" in table
    assert "op_call(&op_add_Tensor" in function_of(table, "plus_Tensor")
    for form in ("plus.Tensor", "plus_.Tensor", "plus.out"):
        assert f'.name = "{form}"' in table
