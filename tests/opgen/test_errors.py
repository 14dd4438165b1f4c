"""A mistake in a table is told with its place, what was found and what was expected."""
import pytest

F = "f(Tensor self) -> Tensor\n"
GOOD = "sigmoid(Tensor self) -> Tensor\n    dtypes  any tofloat\n    value   1 / (1 + exp(-self))\n"

MISTAKES = [
    ("f(Tenso self) -> Tensor\n    value self\n", "1.ops:1:3: found 'Tenso', expected a type"),
    ("f(Tensor self -> Tensor\n    value self\n", "1.ops:1:15: found '->', expected ')'"),
    ("f(Tensor self)\n    value self\n", "1.ops:1:15: found the end, expected '->'"),
    ("f(Tensor self, Tensor self) -> Tensor\n    value self\n",
     "1.ops:1:23: the parameter 'self' is there twice"),
    ("f(bool[] self) -> Tensor\n    value self\n", "1.ops:1:7: there are no lists of bool"),
    ("f(Tensor self, Tensor! other) -> Tensor\n    value self\n",
     "1.ops:1:24: '!' belongs to a first parameter of type Tensor"),
    ("    value 1\n", "1.ops:1:5: an indented line before any operator"),
    ("f(Tensor self) -> Tensor\n\tvalue self\n", "1.ops:2:1: found a tab, expected spaces"),
    (F + "    valeu self\n", "1.ops:2:5: found the key 'valeu', expected"),
    (F + "    dtypes  any\n",
     "1.ops:1:1: f has no value, step, view, kernel or compose"),
    (F + "    dtypes  some\n    value   self\n",
     "1.ops:2:13: found 'some', expected bool int float any"),
    (F + "    forms   methods\n    value   self\n",
     "1.ops:2:13: found 'methods', expected function method inplace"),
    (F + "    value   self +\n", "1.ops:2:19: found the end, expected an exp"),
    (F + "    value   self other\n",
     "1.ops:2:18: found 'other' after the expression"),
    (F + "    value   other\n", "1.ops:2:13: 'other' is not known here"),
    (F + "    value   0.5 * self\n",
     "1.ops:2:13: 0.5 is no integer: say what integers do in value.int"),
    (F + "    value   self / 2\n", "1.ops:2:18: '/' has no value for integers"),
    (F + "    dtypes  floating\n    value   self & 1\n",
     "1.ops:3:18: '&' has no value for floats"),
    (F + "    dtypes  floating\n    value   exp(self, self)\n",
     "1.ops:3:13: exp has 2 arguments, expected 1"),
    (F + "    dtypes  floating\n    value   frob(self)\n",
     "1.ops:3:13: 'frob' is neither a function of math.h nor a pointwise operator"),
    (F + "    value   g(self)\n"
     "g(Tensor self) -> Tensor\n    value   f(self)\n",
     "needs itself, and it is no function of math.h"),
    (F + "    value   self\n    rounds  self\n",
     "1.ops:3:13: found 'self', expected a Scalar parameter of f"),
    (F + "    value   self\n    exact   self\n",
     "1.ops:3:13: found 'self', expected a Tensor|Scalar parameter of f"),
    (F + "    value   self\n    view    f\n", "makes f a view operator, but"),
    (F + "    step    acc + x\n", "1.ops:1:1: a reduction needs step and join"),
    (F + "    kernel  f\n", "1.ops:1:1: a kernel needs a shape"),
    (F + "    kernel  f\n    shape   like other\n",
     "1.ops:3:18: found 'other', expected a Tensor parameter after 'like'"),
    ("f(Tensor self, int n=0.5) -> Tensor\n    compose f\n",
     "the default of 'n' does not fit its type"),
    ("f(Tensor self, int n=1+1) -> Tensor\n    compose f\n",
     "1.ops:1:22: a default must be a number"),
    (F + "    value self\nf(Tensor self) -> Tensor\n    value self\n",
     "1.ops:3:1: f is there already, at 1.ops:1"),
    ("f(Tensor self, int n) -> Tensor\n    value   self\n    grad    n: g\n",
     "1.ops:3:13: the parameter 'n' is not a tensor: it has no gradient"),
    (F + "    value   self\n    grad    self: frob(g)\n",
     "1.ops:3:19: there is no operator 'frob' in the table"),
    (F + "    value   self\n    grad    self: f(g, 1)\n",
     "1.ops:3:19: no overload of f takes (Tensor, int)"),
    (F + "    value   self\n    grad    self: self ? g : g\n",
     "1.ops:3:19: found a condition that is a Tensor, expected a bool or a number"),
    (F + "    value   self\n    grad    self: self.shape\n",
     "found '.shape' on a Tensor, expected sizes strides ndim numel offset dtype"),
    (F + "    compose self.ndim\n",
     "1.ops:2:18: found a int, but the result of f is a Tensor"),
    ("f(Tensor self) -> int\n    value   self\n",
     "1.ops:1:1: only a compose operator has a result that is not a Tensor"),
    ("f(int n) -> str\n    compose n == 0 ? 'a' : 'b'\n",
     "1.ops:1:1: a str is the one result of an internal expression alone"),
    (F + "    doc     $\n    value   $\n", "1.ops:3:13: '$' has no meaning here"),
    (F + "    compose g('a)\n", "1.ops:2:15: a string without its closing quote"),
    (F + "    value   " + "(" * 5000 + "self\n", "nested more than 200 deep"),
    (F + "    value   self\n", "1.ops:1:10: f says nothing of the gradient of 'self'"),
    (F + "    shape   f\n    kernel  f\n", "1.ops:1:10: f says nothing of the gradient of 'self'"),
    ("f(Tensor! self, Tensor by) -> self\n    dtypes  integral\n    kernel  f\n",
     "1.ops:1:24: f says nothing of the gradient of 'by'"),
    (F + "    compose neg(self)\n    grad    self: -g\n",
     "1.ops:3:19: a composite's gradient is that of its parts: it has no formula"),
    (F + "    value   self\n    grad    self: refused 'f'\n", "refused is for kernels"),
    (F + "    kernel  f\n    shape   f\n    grad    self: refused\n",
     "found the end, expected the name that PyTorch gives the function"),
    (F + "    compose self\n    try     other=1\n",
     "1.ops:3:13: found 'other', expected a parameter of f"),
    (F + "    compose self\n    try     self=float(2\n", "1.ops:3:25: found the end, expected ')'"),
    (F + "    forms   linalg\n    compose self\n", "f has the form linalg: name it linalg_f"),
    ("linalg_f(Tensor self) -> Tensor\n    compose self\n",
     "linalg_f has the prefix linalg_, but not the form linalg"),
    ("special_f(Tensor self) -> Tensor\n    forms   special inplace\n    compose self\n",
     "special_f has an inplace form, a method, but is only in special"),
    (F + "    compose require self.ndim > 0; self\n",
     "1.ops:2:34: found ';', expected a message in quotes"),
    (F + "    compose require self.ndim > 0 KeyError 'no'; self\n",
     "1.ops:2:44: found 'KeyError', expected RuntimeError ValueError IndexError TypeError"),
    (F + "    compose require self 'no'; self\n",
     "1.ops:2:21: found a condition that is a Tensor, expected a bool or a number"),
    (F + "    compose require self.ndim > 0 '{self}'; self\n",
     "a message shows numbers, int[], dtypes and str, not a Tensor"),
    (F + "    compose require self.ndim > 0 '{self.ndim'; self\n", "1.ops:2:35: a '{' without its '}'"),
    (F + "    compose require self.ndim > 0 '{1 2}'; self\n", "found '2' after what the message shows"),
    (F + "    compose require self.ndim > 0 'no' self\n",
     "1.ops:2:40: found 'self', expected ';' after a statement"),
    (F + "    compose require self.ndim > 0 'no';\n", "found the end, expected an expression"),
    (F + "    compose self.ndim[0]\n",
     "1.ops:2:22: found '[' behind a int, expected an int[] or a Tensor[]"),
    (F + "    compose reshape(self, self.sizes[0.5])\n", "found a float, expected an int"),
    (F + "    compose reshape(self, self.sizes[1)\n", "expected ']' after the index"),
    (F + "    compose [self for t in self]\n", "found a Tensor, expected an int, int[] or Tensor[]"),
    (F + "    compose [self for 1 in 2]\n", "found '1', expected a name after 'for'"),
    ("f(Tensor self) -> Tensor[]\n    compose [1.5 for d in 2]\n",
     "1.ops:2:14: a list is made of ints or Tensors, not of a float"),
    ("f(Tensor[] all) -> Tensor[]\n    compose all\n",
     "1.ops:2:13: a list that is a result is made by an operator, or by 'for'"),
    (F + "    compose for d in 2 self; self\n", "expected ':' before what the loop does"),
    (F + "    compose for d in 2: y = self; self\n", "1.ops:2:25: 'y' is not known here"),
    (F + "    compose y = [1]; for d in 2: y = self; self\n",
     "a loop gives a new value to a Tensor or a number, not to a int[]"),
    (F + "    compose y = 1; for d in 2: y = self; self\n",
     "'y' is a int, and the loop gives it a Tensor"),
    (F + "    compose wrap_dim(self, 1)\n", "1.ops:2:13: expected wrap_dim(int, int)"),
    (F + "    value   require self > 0 'no'; self\n", "an element's value has no statements but names"),
    (F + "    value   self\n    check   require other > 0 'no';\n", "'other' is not known here"),
    (F + "    view    f\n    alias   g\n", "what f is has no alias"),
    (F + "    value   self\n    alias   1\n", "1.ops:3:13: found '1', expected another name of f"),
    (F + "    value   self\n    scatter src=float(2)\n", "only a view has a scatter"),
    ("_f(Tensor self) -> Tensor\n    forms   internal\n    compose _f(self)\n",
     "an expression nested too deep"),
    (F + "    kernel  f\n    shape   f\n"
     "g(Tensor self, int n) -> Tensor\n    kernel  f\n    shape   g\n",
     "f_cpu is int f_cpu(fl_tensor *, int64_t , fl_tensor *) here, but"),
]


@pytest.mark.parametrize("table, message", MISTAKES, ids=[m[:40] for _, m in MISTAKES])
def test_mistake_is_told(opgen, table, message):
    done, out = opgen.run(table)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (out / "ops_table.c").exists()


def test_several_mistakes_in_one_run(opgen):
    done, _ = opgen.run(GOOD + "f(Tensor self) -> Tensor\n    value other\n",
                        "g(Tensor self) -> Tensor\n    value 1 +\n")
    assert done.returncode == 1
    assert done.stderr == "2.ops:2:14: found the end, expected an expression\n"
    more, _ = opgen.run(F + "    value one\n"
                        "g(Tensor self) -> Tensor\n    value two\n")
    assert "'one' is not known" in more.stderr and "'two' is not known" in more.stderr


def test_missing_file_and_usage(opgen, program, tmp_path):
    import subprocess
    done = subprocess.run([program, "-o", tmp_path / "o", tmp_path / "no.ops"], capture_output=True,
                          text=True)
    assert done.returncode == 1 and "no.ops: No such file" in done.stderr
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 1 and "usage: opgen -o FOLDER FILE.ops..." in done.stderr
