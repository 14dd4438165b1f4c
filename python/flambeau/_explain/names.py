"""Python's own errors: of what is no tensor, no model or no function any more. Each reader looks at
the failing line and at the values of its names."""

import ast
import difflib
import inspect
import re
from types import ModuleType

from flambeau import _C
from flambeau._explain.graph import cut_before
from flambeau._explain.source import (
    NOTHING,
    file_of,
    innermost,
    line_of,
    nodes_at,
    note,
    program_place,
    tree_of,
    value_of,
)

_Module, _Tensor = _C.ModuleBase, _C.Tensor


def _is_model_class(value):
    return isinstance(value, type) and issubclass(value, _Module)


def _named(error):
    """(object, attribute) of an AttributeError."""
    return getattr(error, "obj", None), getattr(error, "name", None) or ""


def _drop_hints(error):
    """Takes away the hints of who could not know better."""
    for text in list(getattr(error, "__notes__", ())):
        if text.startswith(("hint", "提示")):
            error.__notes__.remove(text)


def of_constructor(error):
    """nn.Dropout(x): a tensor given to a layer's constructor, which takes options. True when noted."""
    trace = error.__traceback__
    while trace:
        frame = trace.tb_frame
        me = frame.f_locals.get("self")
        if frame.f_code.co_name == "__init__" and isinstance(me, _Module):
            break
        trace = trace.tb_next
    else:
        return False
    kind, given = type(me).__name__, frame.f_locals
    if not type(me).__module__.startswith(("flambeau.nn", "torch.nn")) or kind.endswith("Loss"):
        return False
    names = [n for n, v in given.items() if isinstance(v, _Tensor) and not n.startswith("_")]
    if not names:
        return False
    _drop_hints(error)
    options = [n for n in inspect.signature(type(me).__init__).parameters if n != "self"]
    made = "options" if options[0] in ("inplace", "p", "dim") else "sizes"
    args = "" if made == "options" else ", ".join(options[:2])
    note(
        error,
        f"nn.{kind}(x) makes a layer, and x is read as its `{names[0]}`: make the layer first, "
        f"layer = nn.{kind}({args}), and then call it, layer(x).",
        f"nn.{kind}(x) 是在建立一个层，x 被当成了参数 `{names[0]}`：请先建立层 "
        f"layer = nn.{kind}({args})，再调用它：layer(x)。",
    )
    return True


def _number_backward(error, frame, line):
    """backward() of what is a Python number."""
    kind = re.match(r"'(float|int)' object has no attribute 'backward'", str(error))[1]
    cut = cut_before(innermost(error))
    if kind == "int" and not cut:
        note(
            error,
            "the loss is still the number that it began with: nothing was added to it, as when the "
            "loop before has no data. Begin from the first batch's loss, and look at how many "
            "batches there are.",
            "损失仍是最初的那个数：没有加上任何张量，例如前面的循环没有数据。"
            "请检查数据有多少批，并从第一批的损失开始累加。",
        )
        return
    where = (f" ({file_of(frame)}, line {cut[0]})", f"（{file_of(frame)} 第 {cut[0]} 行）")
    english, chinese = where if cut else ("", "")
    note(
        error,
        f"the loss is a Python number and has no graph: .item(){english} takes it out; call "
        "backward() on the tensor, and .item() only to print it.",
        f"损失已经是 Python 数，没有计算图：.item(){chinese} 把它取了出来；"
        "请对张量调用 backward()，只在打印时用 .item()。",
    )


def _none_grad(error, frame, line):
    """The use of a .grad that is None."""
    for node in nodes_at(frame, line, ast.Attribute):
        owner = value_of(node.value, frame) if node.attr == "grad" else NOTHING
        if isinstance(owner, _Tensor) and (not owner.is_leaf or owner.grad is None):
            _note_none_grad(error, ast.unparse(node.value), owner)
            return True
    if ".grad" in line_of(frame, line):
        note(
            error,
            "a .grad is None before backward() has run, after zero_grad(), and where the loss does "
            "not depend on the tensor: use it after loss.backward().",
            "backward() 之前、zero_grad() 之后，或损失与该张量无关时，.grad 都是 None："
            "请在 loss.backward() 之后使用它。",
        )
        return True
    return False


def _note_none_grad(error, name, t):
    if not t.is_leaf:
        note(
            error,
            f"{name}.grad is None: `{name}` was computed from other tensors, and gradients are kept "
            f"for leaves alone. An update goes in place: with torch.no_grad(): {name} -= lr * "
            f"{name}.grad; a start value ends with .requires_grad_().",
            f"{name}.grad 是 None：`{name}` 由别的张量算出，而梯度只保留在叶子张量里。"
            f"更新参数请就地进行：with torch.no_grad(): {name} -= lr * {name}.grad；"
            "初始值请以 .requires_grad_() 结尾。",
        )
    elif not t.requires_grad:
        note(
            error,
            f"{name}.grad is None: `{name}` does not ask for a gradient: make it with "
            f"requires_grad=True, or call {name}.requires_grad_() first.",
            f"{name}.grad 是 None：`{name}` 没有要求梯度：建立时请写 requires_grad=True，"
            f"或先调用 {name}.requires_grad_()。",
        )
    else:
        note(
            error,
            f"{name}.grad is None until loss.backward() has run, after zero_grad(), and where the "
            f"loss does not depend on `{name}`: use it after backward(); to set it to zero, "
            f"{name}.grad = None always works.",
            f"{name}.grad 是 None：loss.backward() 还没有执行、刚调用过 zero_grad()，"
            f"或损失与 `{name}` 无关：请在 backward() 之后使用；要清零，"
            f"写 {name}.grad = None 总是可以的。",
        )


def _called_tensor(error, frame, line):
    """A tensor is called: the name of a function was given to its result."""
    for call in nodes_at(frame, line, ast.Call):
        if not isinstance(value_of(call.func, frame), _Tensor):
            continue
        name = ast.unparse(call.func)
        lines = [
            node.lineno
            for node in ast.walk(tree_of(frame))
            if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets)
            and any(isinstance(n, ast.Call) and ast.unparse(n.func) == name
                    for n in ast.walk(node.value))
        ]
        if lines:
            note(
                error,
                f"line {lines[-1]} gives the function's name to its result, so `{name}` is a tensor "
                f"from then on:\n  {line_of(frame, lines[-1])}\n"
                f"use two names: criterion = ..., {name} = criterion(...).",
                f"第 {lines[-1]} 行把结果赋给了函数自己的名字，此后 `{name}` 是张量：\n"
                f"  {line_of(frame, lines[-1])}\n"
                f"请用两个名字：criterion = ...，{name} = criterion(...)。",
            )
        else:
            note(
                error,
                f"`{name}` is a tensor: elements are taken with square brackets, {name}[i], and a "
                "product is written with *.",
                f"`{name}` 是张量：取元素请用方括号 {name}[i]，乘法请写 *。",
            )
        return


def _called_module(error, frame, line):
    """torch.optim.sgd(...): a module of Python's is called in place of a class in it."""
    for call in nodes_at(frame, line, ast.Call):
        module = value_of(call.func, frame)
        if isinstance(module, ModuleType):
            name = ast.unparse(call.func)
            last = name.rsplit(".", 1)[-1]
            owner = value_of(getattr(call.func, "value", None), frame)
            names = [n for n in (*dir(owner), *dir(module)) if n.lower() == last.lower()]
            right = next((n for n in names if n != last), None)
            before = name[: -len(last)]
            note(
                error,
                f"{name} is a module, and holds what you mean: "
                + (f"{before}{right}(...)." if right else f"{name}.NAME(...)."),
                f"{name} 是一个模块（文件），要用的东西在它里面："
                + (f"{before}{right}(...)。" if right else f"{name}.NAME(...)。"),
            )
            return


def _truth_of_comparison(error, frame, line):
    """(pred == y).sum() where the two are unlike: one truth value."""
    for node in nodes_at(frame, line, ast.Compare):
        for side in (node.left, *node.comparators):
            value = value_of(side, frame)
            if isinstance(value, tuple):
                name = ast.unparse(side)
                note(
                    error,
                    f"`{name}` is a pair of values and indices, as max(dim) gives it, and a pair "
                    f"equals no tensor: take the indices, {name} = scores.argmax(1) or {name}[1].",
                    f"`{name}` 是（值，下标）二元组，例如 max(dim) 的结果，不会等于张量：请取下标，"
                    f"{name} = scores.argmax(1) 或 {name}[1]。",
                )
                return
    note(
        error,
        "a comparison of a tensor with something that is no tensor gives one truth value: make both "
        "tensors of one shape first, torch.tensor(labels).",
        "张量与非张量比较只得到一个真假值：请先把两者都变成形状相同的张量：torch.tensor(labels)。",
    )


def _attributes_set(kind):
    """attribute -> name of the function that sets self.attribute, and the names that __init__ sets
    without self, in a class's source."""
    tree = ast.parse("if 1:\n" + inspect.getsource(kind) if inspect.getsource(kind)[0] in " \t"
                     else inspect.getsource(kind))
    found, local = {}, set()
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        for node in ast.walk(function):
            targets = node.targets if isinstance(node, ast.Assign) else ()
            for target in targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                    found.setdefault(target.attr, function.name)
                elif isinstance(target, ast.Name) and function.name == "__init__":
                    local.add(target.id)
    return found, local


def _model_without(error, frame, line):
    """A model has not the attribute: set by a function that never ran, without self, or misspelled."""
    model, name = _named(error)
    kind = type(model).__name__
    found, local = _attributes_set(type(model))
    if name in found and found[name] != "__init__":
        function = found[name]
        if difflib.SequenceMatcher(None, function, "__init__").ratio() > 0.6:
            note(
                error,
                f"{kind}.{function} sets self.{name}, and is never called: the constructor is "
                "spelled __init__, with two underscores on either side.",
                f"self.{name} 是在 {kind}.{function} 里设置的，但它从未被调用："
                "构造函数的名字是 __init__，两边各有两个下划线。",
            )
        else:
            note(
                error,
                f"{kind}.{function} sets self.{name}, and has not run: set it in __init__.",
                f"self.{name} 是在 {kind}.{function} 里设置的，而它还没有执行："
                "请在 __init__ 里设置。",
            )
    elif name in local:
        note(
            error,
            f"{kind}.__init__ keeps it in a local variable, which ends with the function: write "
            f"self.{name} = ... there.",
            f"{kind}.__init__ 把它放在了局部变量里，函数结束就没有了：请在那里写 self.{name} = ...。",
        )
    else:
        names = [n for n in found if found[n] == "__init__"]
        close = difflib.get_close_matches(name, names, 1)
        has = ", ".join(names) or "-"
        note(
            error,
            f"{kind}.__init__ sets: {has}. Use " + (f"self.{close[0]}" if close else "one of these")
            + f", or set self.{name} there.",
            f"{kind}.__init__ 设置了：{has}。请使用"
            + (f" self.{close[0]}" if close else "其中之一") + f"，或在那里设置 self.{name}。",
        )


def _no_forward(error, frame, line):
    """A model without forward: misspelled, or defined inside another function."""
    name = re.search(r"Module \[(\w+)\]", str(error))[1]
    for node in ast.walk(tree_of(frame)):
        if not isinstance(node, ast.ClassDef) or node.name != name:
            continue
        methods = [n.name for n in node.body if isinstance(n, ast.FunctionDef)]
        close = difflib.get_close_matches("forward", methods, 1)
        inner = [n.lineno for n in ast.walk(node)
                 if isinstance(n, ast.FunctionDef) and n.name == "forward"]
        if close:
            note(
                error,
                f"{name} has a method `{close[0]}`: rename it to `forward`.",
                f"{name} 有一个方法 `{close[0]}`：请改名为 `forward`。",
            )
        elif inner:
            note(
                error,
                f"forward stands inside another function (line {inner[0]}): indent it as __init__ "
                "is, as a method of the class.",
                f"forward 写在了另一个函数里面（第 {inner[0]} 行）：请与 __init__ 对齐，"
                "使它成为类的方法。",
            )
        else:
            break
        return
    note(
        error,
        f"define what {name} computes: def forward(self, x), as a method of the class.",
        f"请定义 {name} 的计算：在类里写方法 def forward(self, x)。",
    )


def _class_called(error, frame, line):
    """net = Net; net(x): the class is called in place of a model of it."""
    for call in nodes_at(frame, line, ast.Call):
        kind = value_of(call.func, frame)
        given = [value_of(arg, frame) for arg in call.args]
        made = any(isinstance(arg, (ast.Call, ast.BinOp)) for arg in call.args)
        if _is_model_class(kind) and (made or any(isinstance(v, _Tensor) for v in given)):
            name = ast.unparse(call.func)
            note(
                error,
                f"`{name}` is the class and no model: make one first, with brackets, "
                f"model = {kind.__name__}(), and then call it, model(x).",
                f"`{name}` 是类而不是模型：请先加括号建立模型 model = {kind.__name__}()，"
                "再调用 model(x)。",
            )
            return


def _giver_of_none(frame, line):
    """The function of the program without `return` that gave a call of the line its None; None."""
    given = [
        value
        for call in nodes_at(frame, line, ast.Call)
        for value in (*call.args, *(keyword.value for keyword in call.keywords))
    ]
    calls = [value for value in given if isinstance(value, ast.Call)]
    names = {
        value.id
        for value in given
        if isinstance(value, ast.Name) and value_of(value, frame) is None
    }
    before = [
        step.value
        for step in ast.walk(tree_of(frame))
        if isinstance(step, ast.Assign)
        and step.lineno < line
        and getattr(step.targets[0], "id", "") in names
        and isinstance(step.value, ast.Call)
    ]
    for call in before[::-1] + calls:
        of_new = isinstance(call.func, ast.Call)  # Net()(x)
        value = value_of(call.func.func if of_new else call.func, frame)
        if isinstance(value, _Module) or of_new and _is_model_class(value):
            value = value.forward
        value = getattr(value, "__func__", value)
        if not inspect.isfunction(value) or value.__module__.startswith(("flambeau", "torch")):
            continue
        lines = inspect.getsource(value)
        if not re.search(r"\b(return|yield|lambda)\b", lines):
            return value
    return None


def of_none(error):
    """A None where a tensor is taken, from a function whose `return` is missing. True when noted."""
    place = program_place(error)
    giver = place and "must be Tensor, not NoneType" in str(error) and _giver_of_none(*place)
    if not giver:
        return False
    _drop_hints(error)
    name, at = giver.__qualname__, giver.__code__.co_firstlineno
    note(
        error,
        f"{name} (line {at}) has no `return`, so that it gives None: end it with `return x`.",
        f"{name}（第 {at} 行）里没有 return，得到的是 None：请在末尾写 return x。",
    )
    return True


def _method_of_class(error, frame, line):
    """Net.parameters(): a method of the class in place of a model's."""
    for call in nodes_at(frame, line, ast.Call):
        owner = value_of(getattr(call.func, "value", None), frame)
        if isinstance(owner, type):
            name = owner.__name__
            note(
                error,
                f"`{ast.unparse(call.func.value)}` is the class {name} and no object of it: make "
                f"one first, with brackets, model = {name}().",
                f"`{ast.unparse(call.func.value)}` 是类 {name} 而不是对象：请先加括号建立对象 "
                f"model = {name}()。",
            )
            return


_OF_OTHERS = {  # what other libraries call a parameter
    "learning_rate": "lr",
    "filters": "out_channels",
    "units": "out_features",
    "strides": "stride",
    "rate": "p",
}


def _near(word, names):
    """The one of the names that a word stands for, or is spelled like; None."""
    if _OF_OTHERS.get(word) in names:
        return _OF_OTHERS[word]
    return next(iter(difflib.get_close_matches(word, names, 1, 0.75)), None)


def _signature(error, frame, line):
    """An argument that a constructor or a function does not take, or one that is missing: what it
    takes."""
    called = re.match(r"(?:\w+\.)*?(\w+)\(\)", str(error))
    for call in nodes_at(frame, line, ast.Call):
        kind = value_of(call.func, frame)
        of_class = isinstance(kind, type) and called and called[1] == "__init__"
        if of_class or inspect.isroutine(kind) and called and kind.__name__ == called[1]:
            name = kind.__name__
            parameters = list(inspect.signature(kind).parameters.values())
            takes = ", ".join(
                p.name if p.default is p.empty else f"{p.name}={p.default!r}"
                for p in parameters
                if p.kind is not p.VAR_KEYWORD
            )
            extra = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if extra:
                near = _near(extra[1], [p.name for p in parameters])
                note(
                    error,
                    f"`{extra[1]}` is called {near} here: {name} takes ({takes})."
                    if near
                    else f"leave `{extra[1]}` out, or use the right name: {name} takes ({takes}).",
                    f"`{extra[1]}` 在这里叫 {near}：{name} 的参数是（{takes}）。"
                    if near
                    else f"请去掉 `{extra[1]}`，或改用正确的名字：{name} 的参数是（{takes}）。",
                )
            else:
                note(
                    error,
                    f"give what has no default: {name}({takes}).",
                    f"没有默认值的参数必须给出：{name}({takes})。",
                )
            return


_READERS = [  # the exception, its text, and who reads on
    (AttributeError, r"'(float|int)' object has no attribute 'backward'", _number_backward),
    ((AttributeError, TypeError), r"NoneType", _none_grad),
    (TypeError, r"'(Tensor|Parameter)' object is not callable", _called_tensor),
    (TypeError, r"'module' object is not callable", _called_module),
    (AttributeError, r"'bool' object has no attribute", _truth_of_comparison),
    (NotImplementedError, r'missing the required "forward" function', _no_forward),
    (TypeError, r"\.__init__\(\) takes .* positional", _class_called),
    (TypeError, r"missing 1 required positional argument: 'self'", _method_of_class),
    (TypeError, r"\.__init__\(\) (got an unexpected|missing)", _signature),
]


def explain(error):
    """Adds to an exception what its names mean."""
    place = program_place(error)
    if not place:
        return
    frame, line = place
    for kind, pattern, reader in _READERS:
        if isinstance(error, kind) and re.search(pattern, str(error)):
            reader(error, frame, line)
            return
    model = _named(error)[0] if isinstance(error, AttributeError) else None
    if isinstance(model, _Module) and not type(model).__module__.startswith(("flambeau.", "torch.")):
        _model_without(error, frame, line)


def explain_function(error):
    """Adds what a function takes that was called otherwise, where nothing else is known."""
    place = program_place(error)
    if place and isinstance(error, TypeError) and re.search(
        r"\(\) (got an unexpected|missing)", str(error)
    ):
        _signature(error, *place)
