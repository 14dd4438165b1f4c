"""What an error of Python's own words, or of a graph that is not there, comes from: read in the
source of the program when it has failed.

`of_backward` follows a loss back through the assignments of its variable, and names the line that cut
it off from the graph. `explain` adds to an uncaught exception of Python's own what it means here.
Reading fails quietly: without a source there is no note.
"""

import ast
import linecache
import os
import re
import sys

from flambeau._hint import hint

_FOLDER = os.path.dirname(__file__) + os.sep

_CALLS = {  # what cuts a tensor off, and what it gives
    "item": ("a Python number", "一个 Python 数"),
    "tolist": ("Python numbers", "Python 数"),
    "numpy": ("a NumPy array", "NumPy 数组"),
    "detach": ("a tensor without history", "一个没有计算历史的张量"),
    "argmax": ("class numbers, which have no gradient", "类别编号，没有梯度"),
    "argmin": ("class numbers, which have no gradient", "类别编号，没有梯度"),
    "argsort": ("positions, which have no gradient", "位置，没有梯度"),
    "long": ("whole numbers, which have no gradient", "整数，没有梯度"),
    "int": ("whole numbers, which have no gradient", "整数，没有梯度"),
    "bool": ("truth values, which have no gradient", "真假值，没有梯度"),
    "tensor": ("a new tensor, a copy of the values alone", "只复制数值的新张量"),
    "Tensor": ("a new tensor, a copy of the values alone", "只复制数值的新张量"),
    "from_numpy": ("a new tensor, of the values alone", "只含数值的新张量"),
}
_MODES = ("no_grad", "inference_mode")


def _program_frame(frame):
    while frame and frame.f_code.co_filename.startswith(_FOLDER):
        frame = frame.f_back
    return frame


def _tree(frame):
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    return ast.parse("".join(lines))


def _name_of_call(node):
    function = node.func
    return getattr(function, "attr", None) or getattr(function, "id", None)


class _Assignments(ast.NodeVisitor):
    """name -> [(value, the mode it is assigned under, its line)] of a whole file."""

    def __init__(self):
        self.found, self.mode = {}, None

    def visit_With(self, node):
        before = self.mode
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and _name_of_call(call) in _MODES:
                self.mode = _name_of_call(call)
        self.generic_visit(node)
        self.mode = before

    def _assign(self, targets, value):
        for target in targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    self.found.setdefault(name.id, []).append((value, self.mode))

    def visit_Assign(self, node):
        self._assign(node.targets, node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        self._assign([node.target], node.value)
        self.generic_visit(node)


def _cut(value, assignments, upto, seen):
    """(line, what is called, ...) of the first thing in an expression, or in what its variables come
    from, that cuts it off."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and _name_of_call(node) in _CALLS:
            return node.lineno, _name_of_call(node), *_CALLS[_name_of_call(node)]
        if isinstance(node, ast.Attribute) and node.attr == "data":
            return node.lineno, "data", "a tensor without history", "一个没有计算历史的张量"
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in seen:
            seen.add(node.id)
            found = [pair for pair in assignments.get(node.id, ()) if pair[0].lineno <= upto]
            if found:
                inner, mode = found[-1]
                if mode:
                    return (
                        inner.lineno,
                        mode,
                        "it runs without recording: keep the forward pass of training out of it",
                        "其中的计算不被记录：训练的前向计算不要放在里面",
                    )
                cut = _cut(inner, assignments, inner.lineno, seen)
                if cut:
                    return cut
    for node in ast.walk(value):
        if isinstance(node, ast.Compare) and not isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return node.lineno, "==", "truth values, which have no gradient", "真假值，没有梯度"
    return None


def _cut_before(frame):
    """What cut off the tensor whose backward() the frame calls; None where that cannot be read."""
    try:
        tree = _tree(frame)
    except (SyntaxError, ValueError, RecursionError):
        return None
    visitor = _Assignments()
    visitor.visit(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and node.lineno <= frame.f_lineno <= node.end_lineno
            and _name_of_call(node) == "backward"
            and isinstance(node.func, ast.Attribute)
        ):
            return _cut(node.func.value, visitor.found, frame.f_lineno, set())
    return None


def of_backward(error):
    """Adds to the error of a backward without a graph the line that cut it off."""
    if "does not require grad and does not have a grad_fn" not in str(error):
        return
    frame = _program_frame(sys._getframe(1))
    cut = _cut_before(frame) if frame else None
    if not cut:
        _note(
            error,
            "no input of this tensor has requires_grad=True, or it was computed under no_grad.",
            "这个张量没有计算图，无法求梯度：它的输入都没有 requires_grad=True，"
            "或它是在 no_grad 下算出来的。",
        )
        return
    line, name, english, chinese = cut
    file = os.path.basename(frame.f_code.co_filename)
    code = linecache.getline(frame.f_code.co_filename, line).strip()
    spelled = {"==": "a comparison", "data": ".data"}.get(name, f"{name}()")
    if name in _MODES:
        _note(
            error,
            f"{file}, line {line}, is under {name}: {english}:\n  {code}",
            f"{file} 第 {line} 行在 {name} 之内，{chinese}：\n  {code}",
        )
    else:
        _note(
            error,
            f"the graph is cut off in {file}, line {line}: {spelled} gives {english}:\n  {code}\n"
            "compute the loss from the tensor itself" + _instead(name)[0],
            f"计算图在 {file} 第 {line} 行被切断：{spelled.replace('a comparison', '比较运算')} "
            f"得到的是{chinese}：\n  {code}\n请直接用原来的张量计算损失" + _instead(name)[1],
        )


def _instead(name):
    if name in ("tensor", "Tensor"):
        return "; a list of losses: torch.stack(losses).", "；若是损失的列表：torch.stack(losses)。"
    if name in ("argmax", "argmin", "==", "long", "int", "bool"):
        return (
            "; for classes: F.cross_entropy(scores, labels).",
            "；分类任务：F.cross_entropy(scores, labels)。",
        )
    if name == "item":
        return "; .item() only to print it.", "；只在打印时用 .item()。"
    return ".", "。"


def _note(error, english, chinese):
    error.add_note(hint(english, chinese).lstrip("\n"))


def _innermost(error):
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace


def _explain_number(error):
    """backward() of what is a Python number."""
    if not re.match(r"'(float|int)' object has no attribute 'backward'", str(error)):
        return
    frame = _innermost(error).tb_frame
    cut, file = _cut_before(frame), os.path.basename(frame.f_code.co_filename)
    _note(
        error,
        "the loss is a Python number and has no graph: .item()"
        + (f" ({file}, line {cut[0]})" if cut else "")
        + " takes it out; call backward() on the tensor, and .item() only to print it.",
        "损失已经是 Python 数，没有计算图：.item()"
        + (f"（{file} 第 {cut[0]} 行）" if cut else "")
        + " 把它取了出来；请对张量调用 backward()，只在打印时用 .item()。",
    )


def _explain_none(error):
    """Arithmetic with a .grad that is None."""
    trace = _innermost(error)
    if ".grad" in linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno):
        _note(
            error,
            "a .grad is None: the tensor was computed and is no leaf (make it by torch.randn(...)"
            ".mul_(0.1).requires_grad_()), does not ask for a gradient, or backward() did not reach "
            "it.",
            "某个 .grad 是 None：该张量是算出来的，不是叶子（应写成 torch.randn(...).mul_(0.1)"
            ".requires_grad_()）；或没有 requires_grad；或 backward() 没有到达它。",
        )


def explain(error):
    """Adds to an exception that the program does not catch what it means here."""
    try:
        if isinstance(error, AttributeError):
            _explain_number(error)
        elif isinstance(error, TypeError) and "NoneType" in str(error):
            _explain_none(error)
    except Exception:
        pass  # the program's exception is what counts
