"""Where in a network an exception was raised: a note that every module adds to as it passes by.

Nothing is prepared for this. The innermost module that the exception leaves is described with what
it was given; each module further out finds the one before among its own and puts its name in front,
so that the outermost makes "in net.classifier.3: Linear(in_features=400, out_features=120,
bias=True), given (4, 256)". The note is Python's own kind (PEP 678): it is shown with the traceback,
and the exception's text stays as it is.
"""

import inspect
import sys
import weakref

from flambeau import _C
from flambeau._hint import noted, speaks_chinese

_FOLDER = __file__[: -len("nn/modules/_failure.py")]


class _Passed:
    """What an exception keeps of the modules that it has passed: the path so far, what the innermost
    was given, how it is called and the note; and the last module, weakly. Pickled it is nothing."""

    def __init__(self, path, given, what, module, text):
        self.path, self.given, self.what, self.text = path, given, what, text
        self.last = weakref.ref(module)

    def __reduce__(self):
        return str, ()


def note(error, module, args, kwargs):
    """Notes on an exception that it leaves a module called with these arguments."""
    if isinstance(error, StopIteration) or not isinstance(error, Exception):
        return
    passed = error.__dict__.get("_flambeau_passed")
    last = passed.last() if isinstance(passed, _Passed) else None
    if last is None:
        path, given = "", _given(args, kwargs)
        plain = module._modules or not module.extra_repr()
        what = type(module).__name__ if plain else repr(module)
        _note_signature(error, module)
    else:
        given, what = passed.given, passed.what
        path = _name_within(module, last) + (f".{passed.path}" if passed.path else "")
        if passed.text in getattr(error, "__notes__", ()):
            error.__notes__.remove(passed.text)
    whole = ".".join(filter(None, (_variable(module), path)))
    chinese = speaks_chinese()
    named = whole if what == whole else f"{whole}{'：' if chinese else ': '}{what}"
    text = f"出错的模块是 {named}，输入为 {given}" if chinese else f"in {named}, given {given}"
    error.add_note(text)
    error._flambeau_passed = _Passed(path, given, what, module, text)


def _note_signature(error, module):
    """What forward takes, where it was called otherwise."""
    if isinstance(error, TypeError) and ".forward() " in str(error):
        name = type(module).__name__
        if name == "Sequential":
            return  # it hands on one value: the table of fixes says so
        names = list(inspect.signature(type(module).forward).parameters)
        if names[:1] != ["self"] and getattr(module.forward, "__self__", None) is module:
            first = ", ".join(["self", *names])
            noted(
                error,
                f"a method begins with self: def forward({first}).",
                f"方法的第一个参数是 self：def forward({first})。",
            )
            return
        parameters = ", ".join(list(inspect.signature(module.forward).parameters)) or "-"
        noted(
            error,
            f"a call of the module gives its arguments to forward: {name}.forward takes "
            f"({parameters}).",
            f"调用模块时，参数会传给 forward：{name}.forward 的参数是（{parameters}），"
            "给的个数不符。",
        )


def _name_within(module, inner):
    """The path of `inner` from module; where it is not registered there, a guess in brackets."""
    for name, child in module.named_modules(remove_duplicate=False):
        if child is inner and name:
            return name
    for name, value in module.__dict__.items():
        if isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                if item is inner:
                    return f"{name}[{i}]"
        elif isinstance(value, dict) and not name.startswith("_"):
            for key, item in value.items():
                if item is inner:
                    return f"{name}[{key!r}]"
    return f"({type(inner).__name__})"


def _variable(module):
    """The variable of the program that holds a module, else the name of its class."""
    frame = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith(_FOLDER):
        frame = frame.f_back
    for names in (frame.f_locals, frame.f_globals) if frame else ():
        for name, value in names.items():
            if value is module and name != "self":
                return name
    return type(module).__name__


def _given(args, kwargs):
    texts = [_text(value) for value in args]
    texts += [f"{name}={_text(value)}" for name, value in (kwargs or {}).items()]
    return ", ".join(texts) or "()"


def _text(value, depth=0):
    """A tensor as its shape, and its dtype where that is not float32; other things shortly."""
    if isinstance(value, _C.Tensor):
        text = str(tuple(value.shape))
        return text if value.dtype == _C.float32 else f"{text} {str(value.dtype).split('.')[-1]}"
    if isinstance(value, (list, tuple)) and depth < 2:
        items = [_text(item, depth + 1) for item in value[:4]] + ["..."] * (len(value) > 4)
        kind = type(value).__name__
        if not items:
            return repr(value)
        return f"{kind}（{'、'.join(items)}）" if speaks_chinese() else f"{kind} of {', '.join(items)}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    return type(value).__name__
