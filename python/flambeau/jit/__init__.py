"""Scripts and traces, as far as running them goes (source: torch.jit): the function or module that
is decorated, scripted or traced runs eagerly, and nothing is compiled. Saving and loading a script is
refused: a script holds a program in PyTorch's own language."""

import typing
from functools import update_wrapper

from flambeau import _C
from flambeau._hint import hint
from flambeau.nn.modules.module import Module

Final = typing.Final
Error = RuntimeError


class TracerWarning(Warning):
    """What a trace may warn of in PyTorch."""


class CompilationUnit:
    """CompilationUnit(lang=None): RuntimeError when a source is given."""

    def __init__(self, lang=None, _frames_up=0):
        if lang is not None:
            raise _refusal("CompilationUnit")


def _refusal(name):
    return NotImplementedError(
        f"Flambeau has no torch.jit.{name}: scripts and traces run eagerly and hold no program"
        + hint(
            "save and load the module's state_dict().", "请保存并加载模块的 state_dict()。"
        )
    )


def _refuse(name):
    """A method or property that a script has in PyTorch and here refuses."""

    def refusing(self, *args, **kwargs):
        raise _refusal(name)

    return refusing


class ScriptFunction:
    """A scripted function: calls it."""

    def __init__(self, function):
        self._function = function
        update_wrapper(self, function)
        self.name = self.qualified_name = getattr(function, "__name__", "forward")

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else self._function.__get__(instance, owner)

    save = _refuse("ScriptFunction.save")
    graph_for = _refuse("ScriptFunction.graph_for")
    graph = property(_refuse("ScriptFunction.graph"))
    inlined_graph = property(_refuse("ScriptFunction.graph"))
    code = property(_refuse("ScriptFunction.code"))


class ScriptModule(Module):
    """A module that is scripted: a module."""

    save = _refuse("ScriptModule.save")
    save_to_buffer = _refuse("ScriptModule.save_to_buffer")
    graph = property(_refuse("ScriptModule.graph"))
    inlined_graph = property(_refuse("ScriptModule.graph"))
    code = property(_refuse("ScriptModule.code"))

    @property
    def original_name(self):
        return type(self).__name__


RecursiveScriptModule = TopLevelTracedModule = TracedModule = ScriptModule

_script_classes = {}  # a module's class -> the class of its scripts


def _script_module(module):
    """The module as an object of a class that is a ScriptModule too, with the same attributes."""
    kind = type(module)
    if isinstance(module, ScriptModule):
        return module
    made = _script_classes.get(kind)
    if made is None:
        made = type(kind.__name__, (kind, ScriptModule), {"__module__": kind.__module__})
        _script_classes[kind] = made
    scripted = made.__new__(made)
    scripted.__dict__ = module.__dict__
    return scripted


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """The function or module as it is, in a wrapper that PyTorch's checks take for a script (source:
    torch.jit.script). Classes are returned themselves."""
    if isinstance(obj, Module):
        return _script_module(obj)
    if isinstance(obj, type):
        if issubclass(obj, Module):
            raise RuntimeError(
                f"Type '{obj}' cannot be compiled since it inherits from nn.Module, consider "
                "passing an instance instead"
            )
        return obj
    if isinstance(obj, (ScriptFunction, dict, list)) or not callable(obj):
        return obj
    return ScriptFunction(obj)


def trace(
    func,
    example_inputs=None,
    optimize=None,
    check_trace=True,
    check_inputs=None,
    check_tolerance=1e-5,
    strict=True,
    example_kwarg_inputs=None,
    **options,
):
    """Calls func with the example inputs, so that what fails fails here, and returns it as script
    does (source: torch.jit.trace)."""
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    if example_inputs is None:
        example_inputs = ()
    elif isinstance(example_inputs, _C.Tensor) or not isinstance(example_inputs, (tuple, list)):
        example_inputs = (example_inputs,)
    func(*example_inputs, **(example_kwarg_inputs or {}))
    return script(func)


def trace_module(mod, inputs, *args, **options):
    """Calls the named methods with their inputs, and returns mod as script does."""
    for name, given in inputs.items():
        given = given if isinstance(given, (tuple, list)) else (given,)
        getattr(mod, name)(*given)
    return script(mod)


def script_if_tracing(fn):
    """fn: nothing is ever traced."""
    return fn


def _mark(fn):
    return fn


export = script_method = interface = _overload = _overload_method = _mark


def ignore(drop=False, **options):
    """The function as it is; also @torch.jit.ignore(drop=True)."""
    return drop if callable(drop) else _mark


unused = _mark


def is_scripting():
    """False: nothing is ever scripted."""
    return False


is_tracing = is_scripting


def annotate(the_type, the_value):
    """the_value."""
    return the_value


class Attribute(typing.NamedTuple):
    """A value with its type."""

    value: object
    type: object


def isinstance_(obj, target_type):
    """isinstance that understands List[int], Optional[Tensor], Union... (source:
    torch.jit.isinstance)."""
    if isinstance(target_type, tuple):
        return any(isinstance_(obj, part) for part in target_type)
    origin, parts = typing.get_origin(target_type), typing.get_args(target_type)
    if origin is None:
        kind = type(None) if target_type is None else target_type
        return kind is typing.Any or isinstance(obj, kind)
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        return any(isinstance_(obj, part) for part in parts)
    if not isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance_(k, parts[0]) and isinstance_(v, parts[1]) for k, v in obj.items())
    if origin is tuple and len(parts) == 2 and parts[1] is Ellipsis:
        return all(isinstance_(item, parts[0]) for item in obj)
    if origin is tuple:
        return len(obj) == len(parts) and all(map(isinstance_, obj, parts))
    return all(isinstance_(item, parts[0]) for item in obj)


class Future:
    """What fork returns: the result, which is there already."""

    def __init__(self, value=None):
        self._value = value

    def wait(self):
        return self._value

    value = wait

    def done(self):
        return True


def fork(func, *args, **kwargs):
    """Calls func now (source: torch.jit.fork)."""
    return Future(func(*args, **kwargs))


def wait(future):
    return future.wait()


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """mod: RuntimeError in training mode, as in PyTorch."""
    if not isinstance(mod, ScriptModule):
        raise RuntimeError("Freezing expects a ScriptModule as input. Please use torch.jit.script")
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() "
            "on your module before freezing."
        )
    return mod


def optimize_for_inference(mod, other_methods=None):
    return mod


def run_frozen_optimizations(mod, *args, **options):
    """Nothing to do."""


class _Context:
    """A context or a setting that changes nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


optimized_execution = fuser = strict_fusion = _Context


def set_fusion_strategy(strategy):
    return strategy


def enable_onednn_fusion(enabled):
    """Accepted."""


def onednn_fusion_enabled():
    return False


def save(m, f, _extra_files=None):
    """NotImplementedError."""
    raise _refusal("save")


def load(f, map_location=None, _extra_files=None, _restore_shapes=False):
    """NotImplementedError."""
    raise _refusal("load")


def __getattr__(name):
    if name == "isinstance":  # not a global, where it would hide the builtin
        return isinstance_
    raise AttributeError(
        f"module 'flambeau.jit' has no attribute '{name}'"
        if name.startswith("__")
        else f"Flambeau has no torch.jit.{name} yet"
    )
