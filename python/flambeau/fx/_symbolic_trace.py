"""Finds the steps of a module or a function by running it once on proxies (source:
torch.fx.symbolic_trace)."""

import builtins
import contextlib
import inspect
import sys
from types import FunctionType

from flambeau import _assert
from flambeau.fx.graph import Graph
from flambeau.fx.graph_module import GraphModule
from flambeau.fx.proxy import Proxy, TracerBase, proxies
from flambeau.nn.modules.container import Sequential
from flambeau.nn.modules.module import Module, ModuleBase
from flambeau.nn.parameter import Parameter

_wrapped = []  # (globals, name) of the functions that are to be steps


def wrap(fn_or_name):
    """Makes a function of the module that calls one step of a trace: a decorator, or given a name
    (source: torch.fx.wrap). RuntimeError for anything else."""
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    _wrapped.append((sys._getframe(1).f_globals, name))
    return fn_or_name


def _without_stars(function, count):
    """A function that takes its *args and **kwargs, and keyword-only parameters, as ordinary ones:
    a trace hands it one proxy for each. count: how many there are."""
    code = getattr(function, "__code__", None)
    stars = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
    if code is None or not (code.co_flags & stars or code.co_kwonlyargcount):
        return function
    plain = code.replace(co_flags=code.co_flags & ~stars, co_argcount=count,
                         co_posonlyargcount=0, co_kwonlyargcount=0)
    return FunctionType(plain, function.__globals__, function.__name__, None, function.__closure__)


class Tracer(TracerBase):
    """trace(root) gives the graph of a module or function. A subclass may say which modules are
    steps (is_leaf_module)."""

    def __init__(self, autowrap_modules=(), autowrap_functions=(),
                 param_shapes_constant=False):
        self._autowrapped = tuple(autowrap_functions)
        self.module_stack = {}

    def is_leaf_module(self, m, module_qualified_name):
        """Whether a call of the module is one step: PyTorch's own are, but for Sequential."""
        top = m.__module__.split(".")[:2]
        return top in (["torch", "nn"], ["flambeau", "nn"]) and not isinstance(m, Sequential)

    def path_of_module(self, mod):
        """The path of a module. NameError where the root has it not."""
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(self, m, forward, args, kwargs):
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def create_arg(self, a):
        if isinstance(a, Parameter):
            return self._named(a, self.root.named_parameters(), "parameter")
        if type(a).__name__ == "Tensor" and not isinstance(a, Proxy):
            return self._named(a, self.root.named_buffers(), None)
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super().create_arg(a)

    def _named(self, tensor, pairs, what):
        """The step that gets a tensor of the root's; another tensor becomes an attribute of it."""
        for name, value in pairs:
            if value is tensor:
                return self.create_node("get_attr", name, (), {})
        if what:
            raise NameError(f"{what} is not a member of this module")
        name = next((n for n, t in self._constants.items() if t is tensor), None)
        if name is None:
            name = f"_tensor_constant{len(self._constants)}"
            self._constants[name] = tensor
            setattr(self.root, name, tensor)
        return self.create_node("get_attr", name, (), {})

    def trace(self, root, concrete_args=None):
        """The Graph of what root(...) does. concrete_args: values for some of its parameters."""
        self.root = root if isinstance(root, Module) else Module()
        forward = type(root).forward if isinstance(root, Module) else root
        self.graph = Graph(tracer_cls=type(self))
        self._constants, self._got = {}, {}
        args = self._placeholders(root, forward, concrete_args or {})
        with self._watch():
            result = _without_stars(forward, len(args))(*args)
        self.create_node("output", "output", (self.create_arg(result),), {})
        return self.graph

    def _placeholders(self, root, forward, given):
        """A value for each parameter of forward, in the order of its code: the starred ones last."""
        parameters = list(inspect.signature(forward).parameters.values())
        values = []
        if isinstance(root, Module):
            values.append(root)
            parameters = parameters[1:]
        starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        for p in sorted(parameters, key=lambda p: p.kind in starred):
            if p.name in given:
                value = self._fixed(p.name, given[p.name])
            else:
                stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
                default = () if p.default is p.empty else (p.default,)
                kind = None if p.annotation is p.empty else p.annotation
                value = self.create_proxy("placeholder", stars + p.name, default, {},
                                          type_expr=kind)
            values.append(value)
        return values

    def _fixed(self, name, value):
        """A value for a parameter, which the traced module is given too and holds its caller to."""
        given = self.create_proxy("placeholder", f"{name}_1", (), {})
        text = f"{name} has been specialized to have value {value} but got another value"
        if value is not None:
            self.create_proxy("call_function", _assert, (given == value, text), {})
        return value

    @contextlib.contextmanager
    def _watch(self):
        """While it lasts, calls of modules and wrapped functions, and parameters, become steps."""
        call, look = Module.__call__, Module.__getattribute__
        own = [(name, vars(Module).get(name)) for name in ("__call__", "__getattribute__")]

        def traced_call(module, *args, **kwargs):
            def forward(*args, **kwargs):
                return call(module, *args, **kwargs)

            if module is self.root:
                return forward(*args, **kwargs)
            return self.call_module(module, forward, args, kwargs)

        def traced_look(module, name):
            value = look(module, name)
            return self._get(value) if isinstance(value, Parameter) else value

        saved = [(names, name, names.get(name)) for names, name in _wrapped]
        saved += [(f.__globals__, f.__name__, f) for f in self._autowrapped]
        steps = [self._step(function or getattr(builtins, name)) for _, name, function in saved]
        try:
            Module.__call__, Module.__getattribute__ = traced_call, traced_look
            for (names, name, _), step in zip(saved, steps):
                names[name] = step
            yield
        finally:
            for name, function in own:
                if function is not None:
                    setattr(Module, name, function)
                elif name in vars(Module):
                    delattr(Module, name)
            for names, name, function in saved:
                if function is None:
                    names.pop(name, None)
                else:
                    names[name] = function

    def _get(self, parameter):
        if id(parameter) not in self._got:
            for name, value in ModuleBase.__getattribute__(self.root, "named_parameters")():
                if value is parameter:
                    self._got[id(parameter)] = self.create_proxy("get_attr", name, (), {})
                    break
            else:
                return parameter
        return self._got[id(parameter)]

    def _step(self, function):
        def call(*args, **kwargs):
            if proxies(args, kwargs):
                return self.create_proxy("call_function", function, args, kwargs)
            return function(*args, **kwargs)

        return call


def symbolic_trace(root, concrete_args=None):
    """A GraphModule that does what root, a module or a function, does (source:
    torch.fx.symbolic_trace). TraceError where that depends on values."""
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
