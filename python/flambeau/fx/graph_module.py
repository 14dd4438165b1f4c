"""A module whose forward is written from a graph (source: torch.fx.GraphModule)."""

import copy
import linecache

from flambeau.nn.modules.module import Module

_count = 0


def _find(root, path):
    for part in path.split("."):
        root = getattr(root, part)
    return root


def _put(root, path, value):
    """Sets an attribute, with modules for the parts of its path that are missing."""
    *parts, last = path.split(".")
    for part in parts:
        if not hasattr(root, part):
            setattr(root, part, Module())
        root = getattr(root, part)
    registers = hasattr(value, "detach") and not isinstance(value, Module)
    if registers and not hasattr(value, "_is_param") and type(value).__name__ == "Tensor":
        root.register_buffer(last, value)
    else:
        setattr(root, last, value)


def _module_of(name, state, graph):
    """The module that GraphModule.__reduce__ wrote down."""
    module = GraphModule.__new__(GraphModule)
    Module.__init__(module)
    type(module).__name__ = type(module).__qualname__ = name
    module.__dict__.update(state)
    module.graph = graph
    return module


class GraphModule(Module):
    """The modules and parameters that a graph names, and a forward written from it, which
    recompile() writes again once the graph is changed. root: a module, or a dict by names."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(type(cls.__name__, (cls,), {"__module__": cls.__module__}))

    def __init__(self, root, graph, class_name="GraphModule"):
        super().__init__()
        type(self).__name__ = type(self).__qualname__ = class_name
        if isinstance(root, Module):
            self.training = root.training
        for node in graph.nodes:
            if node.op in ("get_attr", "call_module"):
                self._take(root, node.target)
        self.graph = graph

    def _take(self, root, path):
        if isinstance(root, dict):
            if path not in root:
                raise RuntimeError(f"Node referenced target {path} but that target was not "
                                   "provided in `root`!")
            _put(self, path, root[path])
        elif not self._has(path):
            _put(self, path, _find(root, path))

    def _has(self, path):
        try:
            _find(self, path)
        except AttributeError:
            return False
        return True

    @property
    def graph(self):
        return self._graph

    @graph.setter
    def graph(self, graph):
        self._graph = graph
        graph.owning_module = self
        self.recompile()

    @property
    def code(self):
        """The text of forward."""
        return self._code

    def recompile(self):
        """Writes forward from the graph."""
        global _count
        written = self._graph.python_code("self")
        self._code = written.src
        _count += 1
        file = f"<eval_with_key>.{_count}"
        linecache.cache[file] = (len(written.src), None, written.src.splitlines(True), file)
        names = dict(written.globals)
        exec(compile(written.src, file, "exec"), names)  # the graph's own text
        type(self).forward = names["forward"]
        return written

    def add_submodule(self, target, m):
        """Adds a module at a path."""
        _put(self, target, m)
        return True

    def delete_submodule(self, target):
        """Drops the module at a path; whether there was one."""
        if not self._has(target):
            return False
        *parts, last = target.split(".")
        delattr(_find(self, ".".join(parts)) if parts else self, last)
        return True

    def delete_all_unused_submodules(self):
        """Drops the modules that no step calls."""
        used = {n.target for n in self.graph.nodes if n.op in ("call_module", "get_attr")}
        for name, _ in list(self.named_modules()):
            if name and not any(u == name or u.startswith(name + ".") or name.startswith(u + ".")
                                for u in used):
                self.delete_submodule(name)

    def print_readable(self, print_output=True, **options):
        """The text of a class with this forward, printed too."""
        body = "\n".join("    " + line if line.strip() else line for line in
                         self._code.strip().splitlines())
        text = f"class {type(self).__name__}(torch.nn.Module):\n{body}"
        if print_output:
            print(text)
        return text

    def __deepcopy__(self, memo):
        parts = Module()
        parts.__dict__.update(copy.deepcopy(
            {k: v for k, v in self.__dict__.items() if k != "_graph"}, memo))
        return GraphModule(parts, copy.deepcopy(self.graph), type(self).__name__)

    def __reduce__(self):
        return _module_of, (type(self).__name__, self.__getstate__(), self._graph)

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}

    def __copy__(self):
        return GraphModule(self, copy.deepcopy(self.graph), type(self).__name__)

    def __str__(self):
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return f"{super().__repr__()}\n{self._code}\n{hint}"
