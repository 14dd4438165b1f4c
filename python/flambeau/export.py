"""Exported programs, as far as running them goes (source: torch.export): the module runs eagerly, and
its steps are those that flambeau.fx finds. A file of an exported program is refused: it holds a
program in PyTorch's own operators."""

from flambeau._hint import hint
from flambeau.nn.modules.module import Module

__all__ = [
    "Dim", "ExportGraphSignature", "ExportedProgram", "dims", "export", "export_for_training", "load", "register_dataclass",
    "save",
]


class Dim:
    """A size that may vary, named for dynamic_shapes. Every size may vary here."""

    AUTO, DYNAMIC, STATIC = "AUTO", "DYNAMIC", "STATIC"

    def __init__(self, name, *, min=None, max=None):
        if not name.isidentifier():
            raise AssertionError(f"Dim name must be a valid identifier, got {name}")
        if min is not None and max is not None and max <= min:
            raise AssertionError(f"Cannot create Dim with inconsistent min={min}, max={max}")
        self.__name__, self.min, self.max = name, 0 if min is None else min, max

    def __repr__(self):
        limits = [f", min={self.min}"] if self.min > 2 else []
        limits += [f", max={self.max}"] if self.max is not None else []
        return f"Dim('{self.__name__}'{''.join(limits)})"

    def __mul__(self, factor):
        return self

    __add__ = __radd__ = __sub__ = __rmul__ = __mul__


def dims(*names, min=None, max=None):
    """A Dim for each name."""
    return tuple(Dim(name, min=min, max=max) for name in names)


class ExportGraphSignature:
    """What a program takes and gives, by the names that PyTorch gives them: parameters and buffers first
    (source: torch.export.ExportGraphSignature)."""

    def __init__(self, root, user_inputs, user_outputs):
        self.user_inputs, self.user_outputs = user_inputs, user_outputs
        self.parameters = tuple(name for name, _ in root.named_parameters())
        self.buffers = tuple(name for name, _ in root.named_buffers())

    @property
    def inputs_to_parameters(self):
        return {"p_" + name.replace(".", "_"): name for name in self.parameters}

    @property
    def inputs_to_buffers(self):
        return {"b_" + name.replace(".", "_"): name for name in self.buffers}

    def __str__(self):
        lines = ["", "# inputs"]
        for what, names in (("PARAMETER", self.inputs_to_parameters), ("BUFFER", self.inputs_to_buffers)):
            lines += [f"{name}: {what} target='{target}'" for name, target in names.items()]
        lines += [f"{name}: USER_INPUT" for name in self.user_inputs]
        lines += ["", "# outputs", *(f"{name}: USER_OUTPUT" for name in self.user_outputs), ""]
        return "\n".join(lines)


class ExportedProgram:
    """What export made of a module. module() runs it; graph_module and graph show its steps."""

    def __init__(self, root, args, kwargs):
        self._root, self.example_inputs = root, (args, kwargs)

    def module(self, check_guards=True):
        """The module to call."""
        return self._root

    @property
    def graph_module(self):
        """A flambeau.fx.GraphModule of the steps. TraceError where these depend on values."""
        from flambeau.fx import symbolic_trace

        return symbolic_trace(self._root)

    @property
    def graph(self):
        return self.graph_module.graph

    @property
    def graph_signature(self):
        """What the program takes and gives."""
        from flambeau.utils._pytree import tree_leaves

        nodes = list(self.graph.nodes)
        given = len(self.example_inputs[0]) + len(self.example_inputs[1])
        inputs = [node.target for node in nodes if node.op == "placeholder"][:given]
        outputs = (getattr(leaf, "name", str(leaf)) for leaf in tree_leaves(nodes[-1].args[0]))
        return ExportGraphSignature(self._root, tuple(inputs), tuple(outputs))

    def __str__(self):
        code = self.graph_module.code.strip().replace("\n", "\n        ")
        signature = str(self.graph_signature).strip().replace("\n", "\n    ")
        return (
            f"ExportedProgram:\n    class GraphModule(torch.nn.Module):\n        {code}\n\n"
            f"Graph signature:\n    {signature}\n"
        )

    @property
    def state_dict(self):
        return self._root.state_dict()

    def parameters(self):
        return self._root.parameters()

    def named_parameters(self):
        return self._root.named_parameters()

    def buffers(self):
        return self._root.buffers()

    def named_buffers(self):
        return self._root.named_buffers()

    def run_decompositions(self, decomp_table=None, decompose_custom_triton_ops=False):
        """The program itself: its steps run as they are."""
        return self

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Unable to call ExportedProgram directly. You should use `exported_program.module()` "
            "instead."
        )


def export(mod, args, kwargs=None, *, dynamic_shapes=None, strict=False,
           preserve_module_call_signature=(), prefer_deferred_runtime_asserts_over_guards=False):
    """An ExportedProgram of a module, whose weights it shares. args, kwargs: what it is to be called
    with. ValueError for what is no module, TypeError for what is no tuple of arguments."""
    if not isinstance(mod, Module):
        raise ValueError(
            f"Expected `mod` to be an instance of `torch.nn.Module`, got {type(mod)}."
        )
    if not isinstance(args, tuple):
        raise TypeError(
            f"Expecting `args` to be a tuple of example positional inputs, got {type(args)}"
        )
    return ExportedProgram(mod, args, kwargs or {})


export_for_training = export


def _refusal(name):
    return NotImplementedError(
        f"Flambeau has no torch.export.{name}: exported programs run eagerly and hold no program"
        + hint("save and load the module's state_dict().", "请保存并加载模块的 state_dict()。")
    )


def save(ep, f, **options):
    """NotImplementedError."""
    raise _refusal("save")


def load(f, **options):
    """NotImplementedError."""
    raise _refusal("load")


def register_dataclass(cls, *, serialized_type_name=None):
    """Nothing: every argument may be a dataclass."""
