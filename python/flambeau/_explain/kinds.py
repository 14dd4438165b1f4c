"""Errors of things of known kinds: keys of dicts, layers, datasets, and functions that are called by
the library. Each reader looks at the failing line and its values, and says whether it has noted."""

import ast
import difflib
import re

from flambeau import _C
from flambeau._explain.source import (
    NOTHING,
    innermost,
    is_of_program,
    nodes_at,
    note,
    program_place,
    value_of,
)

_FULL = str.maketrans("“”‘’。、《》【】—·￥", "\"\"''.,<>[]-*$")


def _character(error, frame, line):
    """A sign of a Chinese keyboard in the program."""
    found = re.search(r"invalid (?:non-printable )?character '?(.?)'? ?\(?U\+(\w{4,5})", str(error))
    if not found:
        return False
    sign = chr(int(found[2], 16))
    code = ord(sign)
    right = chr(code - 0xFEE0) if 0xFF01 <= code <= 0xFF5E else sign.translate(_FULL)
    if right == sign:
        right = " "
    note(
        error,
        f"`{sign}` is a full-width sign, which only stands in texts and comments: write `{right}`, with "
        "the keyboard switched to English.",
        f"`{sign}` 是中文（全角）符号，只能出现在字符串和注释里：请切换到英文输入法，改写为 `{right}`。",
    )
    return True


def _key(error, frame, line):
    """A key that a dict has not: a tensor, or a name among others."""
    key = error.args[0] if error.args else None
    if isinstance(key, _C.Tensor):
        note(
            error,
            "a tensor is no key of a dict, which finds it by identity and not by value: take the "
            "number, names[label.item()].",
            "张量不能当作字典的键（按对象而不是按数值查找）：请取出数：names[label.item()]。",
        )
        return True
    for node in nodes_at(frame, line, ast.Subscript):
        owner = value_of(node.value, frame)
        if isinstance(owner, dict) and isinstance(key, (str, int)) and owner and key not in owner:
            name = ast.unparse(node.value)
            has = ", ".join(map(repr, list(owner)[:8])) + (", ..." if len(owner) > 8 else "")
            close = difflib.get_close_matches(str(key), list(map(str, owner)), 1, 0.5)
            english = f": perhaps {name}[{close[0]!r}] is meant" if close else ": take one of these"
            chinese = f"；要用的可能是 {name}[{close[0]!r}]" if close else "；请用其中之一"
            note(
                error,
                f"`{name}` has the keys {has}{english}.",
                f"`{name}` 的键有 {has}{chinese}。",
            )
            return True
    return False


def _unpacked(error, frame, line):
    """for i, x, y in enumerate(loader), or a batch of three parts as two."""
    few = "not enough" in str(error)
    for loop in nodes_at(frame, line, ast.For):
        call = loop.iter if isinstance(loop.iter, ast.Call) else None
        named = getattr(call.func, "id", "") if call else ""
        if named == "enumerate" and isinstance(loop.target, ast.Tuple) and len(loop.target.elts) > 2:
            first, *rest = map(ast.unparse, loop.target.elts)
            rest = ", ".join(rest)
            note(
                error,
                f"enumerate gives pairs of number and batch: put the batch's names in brackets, "
                f"for {first}, ({rest}) in {ast.unparse(loop.iter)}.",
                f"enumerate 每次给出（编号, 批次）两项：请给批次的名字加括号："
                f"for {first}, ({rest}) in {ast.unparse(loop.iter)}。",
            )
            return True
    note(
        error,
        ("there are fewer parts than names on the left of `=` or `in`: "
         if few else "there are more parts than names on the left of `=` or `in`: ")
        + "a batch has one part for each thing that __getitem__ returns (three tensors: for x, y, z in "
        "loader); print(len(batch)) tells how many.",
        ("右边的项比左边的名字少：" if few else "右边的项比左边的名字多：")
        + "__getitem__ 返回几样，批次就有几项（三个张量写 for x, y, z in loader）；"
        "可用 print(len(batch)) 查看。",
    )
    return True


def _note_layer(error, name, kind):
    note(
        error,
        f"`{name}` is a layer and no tensor: nn.{kind}(x) makes a layer; call it with the tensor, "
        f"nn.{kind}(...)(x).",
        f"`{name}` 是一个层而不是张量：nn.{kind}(x) 只是建立层；请再用张量调用它："
        f"nn.{kind}(...)(x)。",
    )


def _of_layer(error, frame, line):
    """An attribute that a layer of the library has not."""
    layer, name = error.obj, error.name
    kind = type(layer).__name__
    for node in nodes_at(frame, line, (ast.Name, ast.Attribute)):
        if value_of(node, frame) is layer:
            called = ast.unparse(node)
            break
    else:
        called = "layer"
    if not is_of_program(innermost(error)):
        note(
            error,
            f"`{called}` is a layer, and a tensor is meant: give its weight, {called}.weight.",
            f"`{called}` 是一个层，而这里需要张量：请传入它的权重 {called}.weight。",
        )
    elif name in ("weight", "bias"):
        note(
            error,
            f"not every module has a {name}, and {kind} has none: ask first, if isinstance({called}, "
            f"(nn.Linear, nn.Conv2d)): ...; of a container take the layer, net[0].{name}.",
            f"不是每个模块都有 {name}，{kind} 就没有：请先判断 if isinstance({called}, "
            f"(nn.Linear, nn.Conv2d)): ...；容器请取其中的层：net[0].{name}。",
        )
    elif hasattr(_C.Tensor, name):
        _note_layer(error, called, kind)
    else:
        return False
    return True


def _operand(error, frame, line):
    """Arithmetic with a layer: nn.ReLU(x) + y."""
    for node in nodes_at(frame, line, ast.BinOp):
        for side in (node.left, node.right):
            layer = value_of(side, frame)
            if isinstance(layer, _C.ModuleBase):
                _note_layer(error, ast.unparse(side), type(layer).__name__)
                return True
    return False


def _list_of_layers(error, frame, line):
    kind = re.search(r"Module \[(\w+)\]", str(error))[1]
    if kind not in ("ModuleList", "ModuleDict"):
        return False
    note(
        error,
        f"an nn.{kind} only holds layers: call them one after the other, for layer in layers: "
        "x = layer(x), or use nn.Sequential(*layers), which does it.",
        f"nn.{kind} 只存放层：请依次调用 for layer in layers: x = layer(x)，"
        "或改用会自动依次调用的 nn.Sequential(*layers)。",
    )
    return True


def _getitem_misspelled(error, frame, line):
    kind = type(innermost(error).f_locals.get("self"))
    names = [n for n in kind.__dict__ if n.strip("_").split("__")[-1].replace("_", "") == "getitem"]
    if not names:
        return False
    name = names[0].removeprefix(f"_{kind.__name__}")
    note(
        error,
        f"{kind.__name__} has a method `{name}`: the name is __getitem__, with two underscores on either "
        "side.",
        f"{kind.__name__} 有一个方法 `{name}`：正确的名字是 __getitem__，两边各有两个下划线。",
    )
    return True


def _tensor_dataset(error, frame, line):
    """TensorDataset(x, y) of arrays or lists."""
    trace = error.__traceback__
    while trace and type(trace.tb_frame.f_locals.get("self")).__name__ != "TensorDataset":
        trace = trace.tb_next
    if not trace:
        return False
    note(
        error,
        "a TensorDataset is made of tensors: TensorDataset(torch.tensor(x), torch.tensor(y)), for "
        "arrays torch.from_numpy(x).float().",
        "TensorDataset 由张量组成：TensorDataset(torch.tensor(x), torch.tensor(y))，"
        "NumPy 数组用 torch.from_numpy(x).float()。",
    )
    return True


def _step_of_loss(error, frame, line):
    """optimizer.step(loss): its argument is a function."""
    for call in nodes_at(frame, line, ast.Call):
        given = value_of(call.args[0], frame) if call.args else NOTHING
        if getattr(call.func, "attr", "") == "step" and isinstance(given, _C.Tensor):
            note(
                error,
                "step takes no loss: loss.backward() has put the gradients into the parameters, "
                "and optimizer.step() uses them.",
                "step 不需要损失：loss.backward() 已把梯度写入参数，直接写 optimizer.step()。",
            )
            return True
    return False


def _called_by_library(error, frame, line):
    """The program's collate_fn, hook or autograd function, called with what it does not take."""
    inner = innermost(error)
    if inner.f_code.co_name in ("fetch", "_fetch"):
        note(
            error,
            "collate_fn is given one argument, the list of samples: def collate(batch): x, y = "
            "zip(*batch); return torch.stack(x), torch.tensor(y).",
            "collate_fn 只收到一个参数，即样本的列表：def collate(batch): x, y = zip(*batch); "
            "return torch.stack(x), torch.tensor(y)。",
        )
        return True
    for call in nodes_at(frame, line, ast.Call):
        function = value_of(call.func, frame)
        owner = value_of(getattr(call.func, "value", None), frame)
        plain = getattr(function, "__func__", None)
        names = plain.__code__.co_varnames[: plain.__code__.co_argcount] if plain else ("self",)
        if "positional argument" in str(error) and names[:1] not in (("self",), ("cls",), ("ctx",)):
            shown = ", ".join(("self", *names))
            note(
                error,
                f"a method begins with self: def {plain.__name__}({shown}).",
                f"方法的第一个参数是 self：def {plain.__name__}({shown})。",
            )
            return True
        if getattr(call.func, "attr", "") == "apply" and isinstance(owner, type):
            note(
                error,
                f"forward and backward of {owner.__name__} are static and begin with ctx: @staticmethod "
                "above each, def forward(ctx, x), def backward(ctx, grad).",
                f"{owner.__name__} 的 forward 和 backward 是静态方法，第一个参数是 ctx："
                "各自上面写 @staticmethod，def forward(ctx, x)、def backward(ctx, grad)。",
            )
            return True
        if isinstance(function, _C.ModuleBase) and _has_hooks(function):
            note(
                error,
                "a hook does not take what it is given: a forward hook is def hook(module, args, "
                "output), a forward pre-hook def hook(module, args), a backward hook def "
                "hook(module, grad_input, grad_output).",
                "钩子函数的参数个数不对：前向钩子是 def hook(module, args, output)，前向预钩子是 "
                "def hook(module, args)，反向钩子是 def hook(module, grad_input, grad_output)。",
            )
            return True
    return False


def _has_hooks(module):
    return any(
        value for name, value in vars(module).items() if name.endswith("_hooks") and name[0] == "_"
    )


_READERS = [  # the exception, its text, and who reads on
    (SyntaxError, r"invalid (non-printable )?character", _character),
    (KeyError, r"", _key),
    (ValueError, r"values to unpack", _unpacked),
    (TypeError, r"unsupported operand type", _operand),
    (NotImplementedError, r"missing the required \"forward\" function", _list_of_layers),
    (NotImplementedError, r"should implement __getitem__", _getitem_misspelled),
    ((AttributeError, TypeError), r"has no attribute 'size'|'int' object is not", _tensor_dataset),
    (TypeError, r"'Tensor' object is not callable", _step_of_loss),
    (TypeError, r"missing \d+ required positional|positional arguments? but", _called_by_library),
]


def explain(error):
    """Adds what the kind of thing tells."""
    frame, line = program_place(error) or (None, 0)
    if frame is None and not isinstance(error, SyntaxError):
        return
    for kind, pattern, reader in _READERS:
        if isinstance(error, kind) and re.search(pattern, str(error)):
            if reader(error, frame, line):
                return
    layer = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
    if isinstance(layer, _C.ModuleBase) and type(layer).__module__.startswith(("flambeau.", "torch.")):
        _of_layer(error, frame, line)


def explain_sample(error):
    """Adds to an IndexError that a dataset was asked for a sample which its len() promises."""
    trace = error.__traceback__ if isinstance(error, IndexError) else None
    while trace:
        frame = trace.tb_frame
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        if frame.f_code.co_name == "__getitem__" and is_of_program(frame) and len(names) == 2:
            dataset, index = (frame.f_locals.get(name) for name in names)
            break
        trace = trace.tb_next
    else:
        return
    length = len(dataset) if hasattr(type(dataset), "__len__") else 0
    if isinstance(index, int) and 0 <= index < length:
        kind = type(dataset).__name__
        note(
            error,
            f"sample {index} of {kind} was asked for, whose __len__ says {length}: it must give as many "
            "samples as there are, return len(self.data).",
            f"读取的是 {kind} 的第 {index} 个样本，而其 __len__ 返回 {length}："
            "__len__ 必须返回实际的样本数：return len(self.data)。",
        )
