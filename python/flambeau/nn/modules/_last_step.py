"""Advice on out[:, -1] of a recurrent network whose batch is not its first dim: that takes the last sample
of the batch, and not the last step. The program's source tells, at the first calls alone."""

import ast
import inspect
import sys
import textwrap

from flambeau import _advice
from flambeau._hint import speaks_chinese

_MOST_LOOKS = 8
_looks = 0


def watch_caller():
    """Looks at the function of the program that calls a recurrent network."""
    global _looks
    if _looks >= _MOST_LOOKS:
        return
    _looks += 1
    from flambeau._explain.source import program_frame

    frame = program_frame(sys._getframe(1))
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(frame.f_code)))
        name = _taken(tree, frame.f_lineno - max(frame.f_code.co_firstlineno, 1) + 1)
    except Exception:
        return  # no source
    if name:
        _advise(name)


def _taken(tree, line):
    """The name that the statement of that line gives to the network's output, where the function takes
    NAME[:, -1]."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.lineno <= line <= node.end_lineno:
            target = node.targets[0]
            first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else None
            if isinstance(first, ast.Name):
                names.add(first.id)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id in names
            and isinstance(node.slice, ast.Tuple)
            and ast.unparse(node.slice).strip("()").startswith(":, -1")
        ):
            return node.value.id
    return None


def _advise(name):
    _advice.warn(
        "batch_first_missing",
        f"{name}[:, -1] 取的是批次里的最后一个样本，而不是最后一步：没有 batch_first=True 时，"
        "输入和输出是（时间, 批次, 特征）。\n"
        "提示：若数据是（批次, 时间, 特征），建立该层时请写 batch_first=True；"
        f"否则最后一步是 {name}[-1]。"
        if speaks_chinese()
        else f"{name}[:, -1] takes the last sample of the batch, and not the last step: without "
        "batch_first=True input and output are (time, batch, features).\n"
        "hint: make the layer with batch_first=True where the data are (batch, time, features); else the "
        f"last step is {name}[-1].",
    )
