"""What cut a loss off from its graph, read in the source of the program when backward has failed.

The loss is followed back through the assignments of its variables to the first call that gives no
history. Where the source shows none, the variables tell: a model without a parameter to train, a
mode that is still on.
"""

import ast
import sys

from flambeau import _C
from flambeau._explain.source import (
    NOTHING,
    file_of,
    line_of,
    name_of_call,
    note,
    program_frame,
    tree_of,
    value_of,
)

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
    "as_tensor": ("a new tensor, of the values alone", "只含数值的新张量"),
    "from_numpy": ("a new tensor, of the values alone", "只含数值的新张量"),
}
_COPIES = ("tensor", "Tensor", "as_tensor", "from_numpy")  # of what may be data
_MODES = ("no_grad", "inference_mode")
_UNDER_MODE = (
    "it runs without recording: keep the forward pass of training out of it",
    "其中的计算不被记录：训练的前向计算不要放在里面",
)


class _Assignments(ast.NodeVisitor):
    """name -> [(value, the mode it is assigned under)] of a whole file."""

    def __init__(self):
        self.found, self.mode = {}, None

    def visit_With(self, node):
        before = self.mode
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and name_of_call(call) in _MODES:
                self.mode = name_of_call(call)
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
        if not self.mode:  # in place: what it is stays
            self._assign([node.target], node.value)
        self.generic_visit(node)


def _has_history(value, depth=0):
    """Whether a value is, or holds, a tensor with a gradient to pass on."""
    if isinstance(value, _C.Tensor):
        return value.requires_grad
    if isinstance(value, (list, tuple)) and depth < 3:
        return any(_has_history(item, depth + 1) for item in value[:64])
    return False


class _Search:
    """The first thing that cuts an expression off, in it or in what its variables come from."""

    def __init__(self, frame, assignments, upto):
        self.frame, self.assignments, self.upto = frame, assignments, upto
        self.names = []  # of the variables that were passed
        self.weak = None  # a copy of what may be data

    def _copies_data(self, call):
        """Whether torch.tensor(...) makes a tensor of what has no history: of literals for certain;
        else it is kept as the cause that is left if no other is found."""
        names = [node for arg in call.args for node in ast.walk(arg) if isinstance(node, ast.Name)]
        if any(isinstance(node, ast.Call) for arg in call.args for node in ast.walk(arg)):
            return False
        values = [value_of(node, self.frame) for node in names]
        if any(value is NOTHING or _has_history(value) for value in values):
            return False
        if names and self.weak is None:
            self.weak = self._found(call, name_of_call(call))
        return True

    def _is_whole(self, call):
        """Whether y.long() is of labels: y is of integers."""
        y = value_of(getattr(call.func, "value", None), self.frame)
        return isinstance(y, _C.Tensor) and not y.is_floating_point()

    def _found(self, node, name):
        return node.lineno, name, *_CALLS[name]

    def cut(self, value):
        for node in ast.walk(value):
            if isinstance(node, ast.Call) and name_of_call(node) in _CALLS:
                name = name_of_call(node)
                if name in ("long", "int", "bool") and self._is_whole(node):
                    self.weak = self.weak or self._found(node, name)
                elif name not in _COPIES or not self._copies_data(node):
                    return self._found(node, name)
            if isinstance(node, ast.Attribute) and node.attr == "data":
                return node.lineno, "data", "a tensor without history", "一个没有计算历史的张量"
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                cut = self._cut_of_name(node.id)
                if cut:
                    return cut
        for node in ast.walk(value):
            if isinstance(node, ast.Compare) and not isinstance(node.ops[0], (ast.Is, ast.IsNot)):
                return node.lineno, "==", "truth values, which have no gradient", "真假值，没有梯度"
        return None

    def _cut_of_name(self, name):
        if name in self.names:
            return None
        self.names.append(name)
        found = [pair for pair in self.assignments.get(name, ()) if pair[0].lineno <= self.upto]
        if not found:
            return None
        value, mode = found[-1]
        if mode:
            return value.lineno, mode, *_UNDER_MODE
        before, self.upto = self.upto, value.lineno
        try:
            return self.cut(value)
        finally:
            self.upto = before

    def replaced(self):
        """A variable that a later line of the loop makes anew from itself under no_grad."""
        for name in self.names:
            for value, mode in self.assignments.get(name, ()):
                again = (n for n in ast.walk(value) if isinstance(n, ast.Name) and n.id == name)
                if mode and value.lineno > self.upto and any(again):
                    return name, value.lineno
        return None

    def frozen(self):
        """A model among the variables that has parameters, and none that is trained."""
        for name in self.names:
            value = value_of(ast.Name(name), self.frame)
            if isinstance(value, _C.ModuleBase):
                parameters = list(value.parameters())
                if parameters and not any(p.requires_grad for p in parameters):
                    return name, len(parameters)
        return None


def _search_before(frame):
    """The search from the tensor whose backward() the frame calls, and what it finds; None, None
    where that cannot be read."""
    try:
        tree = tree_of(frame)
    except (SyntaxError, ValueError, RecursionError):
        return None, None
    visitor = _Assignments()
    visitor.visit(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and node.lineno <= frame.f_lineno <= node.end_lineno
            and name_of_call(node) == "backward"
            and isinstance(node.func, ast.Attribute)
        ):
            search = _Search(frame, visitor.found, frame.f_lineno)
            return search, search.cut(node.func.value)
    return None, None


def cut_before(frame):
    """(line, what is called, what it gives in English, in Chinese) of what cut off the tensor whose
    backward() the frame calls; None where that cannot be read."""
    return _search_before(frame)[1]


def of_backward(error):
    """Adds to the error of a backward without a graph the line that cut it off."""
    if "does not require grad and does not have a grad_fn" not in str(error):
        return
    if not _C._is_grad_enabled():
        note(
            error,
            "gradients are switched off here, by `with torch.no_grad():` around this line or by "
            "torch.set_grad_enabled(False) before it: train outside of it, and call "
            "torch.set_grad_enabled(True) after an evaluation.",
            "此处已关闭梯度记录：这一行在 with torch.no_grad(): 之内，或之前调用过 "
            "torch.set_grad_enabled(False)；请在其外训练，评估之后调用 "
            "torch.set_grad_enabled(True)。",
        )
        return
    frame = program_frame(sys._getframe(1))
    search, cut = _search_before(frame) if frame else (None, None)
    if cut:
        _note_cut(error, frame, cut)
    elif search and search.frozen():
        name, count = search.frozen()
        note(
            error,
            f"all {count} parameters of `{name}` are frozen (requires_grad is False), so there is "
            "nothing to train: freeze all but the layers that are to learn, or make the new last "
            f"layer after freezing; {name}.requires_grad_(True) thaws all.",
            f"`{name}` 的 {count} 个参数全部被冻结（requires_grad 为 False），没有可训练的参数："
            "请只冻结不训练的层，或在冻结之后再建立新的最后一层；"
            f"{name}.requires_grad_(True) 可全部解冻。",
        )
    elif search and search.replaced():
        name, line = search.replaced()
        note(
            error,
            f"{file_of(frame)}, line {line}, makes a new tensor `{name}` under no_grad, which asks "
            f"for no gradient:\n  {line_of(frame, line)}\n"
            f"change it in place there: {name} -= lr * {name}.grad (and {name}.grad = None).",
            f"{file_of(frame)} 第 {line} 行在 no_grad 之内建立了新的张量 `{name}`，"
            f"它不再要求梯度：\n  {line_of(frame, line)}\n"
            f"请在那里就地修改：{name} -= lr * {name}.grad（再写 {name}.grad = None）。",
        )
    elif search and search.weak:
        _note_cut(error, frame, search.weak)
    else:
        note(
            error,
            "no input of this tensor has requires_grad=True, or it was computed under no_grad: "
            "compute the loss from the model's output, outside of no_grad.",
            "这个张量没有计算图，无法求梯度：它的输入都没有 requires_grad=True，"
            "或它是在 no_grad 下算出来的；请在 no_grad 之外用模型的输出计算损失。",
        )


def _note_cut(error, frame, cut):
    line, name, english, chinese = cut
    file, code = file_of(frame), line_of(frame, line)
    if name in _MODES:
        note(
            error,
            f"{file}, line {line}, is under {name}: {english}:\n  {code}",
            f"{file} 第 {line} 行在 {name} 之内，{chinese}：\n  {code}",
        )
        return
    spelled = {"==": "a comparison", "data": ".data"}.get(name, f"{name}()")
    note(
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
