"""Advice: warnings of what PyTorch allows without a word and is nearly always a mistake.

Each is given once in a process, with its fix. All are switched off by set_advice(False) or by
FLAMBEAU_ADVICE=0 in the environment, and each by its name: set_advice(False, "zero_grad_missing"),
or a list of names in FLAMBEAU_ADVICE. Python's own filters work too, by the category AdviceWarning.
"""

import os
import sys
import warnings

from flambeau import _C
from flambeau._hint import speaks_chinese

_FOLDER = os.path.dirname(__file__) + os.sep

NAMES = frozenset(
    (
        "softmax_before_loss sigmoid_before_loss sigmoid_before_cross_entropy relu_before_loss "
        "loss_of_one_class targets_of_binary_loss comparison_broadcasts comparison_with_nan "
        "nll_of_probabilities nll_of_scores kl_of_probabilities loss_of_rounded "
        "ctc_target_too_long softmax_over_batch softmax_of_one difference_broadcasts "
        "loss_diverges loss_is_nan "
        "backward_of_leaf copy_of_results optimizer_of_other_parameters zero_grad_missing "
        "zero_grad_before_step backward_missing step_missing clip_without_gradients "
        "dropout_in_evaluation "
        "training_in_eval_mode layers_in_a_list tensor_is_no_parameter misspelled_requires_grad "
        "requires_grad_of_module trainable_of_module mode_as_attribute layer_repeated "
        "state_not_copied rate_as_attribute batch_first_missing "
        "weights_broadcast weights_are_zero losses_kept evaluation_in_training_mode"
    ).split()
)

_on = os.environ.get("FLAMBEAU_ADVICE") != "0"
_given = set()
_off = set(os.environ.get("FLAMBEAU_ADVICE", "").replace(" ", "").split(","))


class AdviceWarning(UserWarning):
    """Something that is allowed, and nearly always a mistake."""


def set_advice(on, name=None):
    """Switches advice on or off: all of it, or the one of that name (it stands at the end of the
    warning). Switched on, it is given once more. ValueError for a name that there is not."""
    global _on
    if name is not None:
        if name not in NAMES:
            raise ValueError(f"there is no advice '{name}'; there is {', '.join(sorted(NAMES))}")
        (_off.discard if on else _off.add)(name)
        if not on:
            return
    else:
        _on = bool(on)
        if on:
            _off.clear()
    _given.clear()
    _C._set_advice(_on)


def _nodes(frame, kind):
    """The nodes of a kind, named as in ast, in the statement that runs; none without source."""
    import ast

    from flambeau._explain.source import nodes_at

    try:
        return nodes_at(frame, frame.f_lineno, getattr(ast, kind))
    except Exception:
        return []


def _forgets_mode(frame):
    """Whether the line that runs is F.dropout(x, p), without `training`, in a module in evaluation
    mode."""
    from flambeau._explain.source import value_of

    module = frame.f_locals.get("self") if frame else None
    if not isinstance(module, _C.ModuleBase) or module.training:
        return False
    dropout = sys.modules["flambeau.nn.functional"].dropout
    return any(
        value_of(call.func, frame) is dropout
        and len(call.args) < 3
        and all(keyword.arg != "training" for keyword in call.keywords)
        for call in _nodes(frame, "Call")
    )


def _counts_hits(frame):
    """Whether the line that runs counts the hits of a comparison: (pred == y).sum(), or .mean()."""
    for call in _nodes(frame, "Call") if frame else ():
        function = getattr(call.func, "attr", "")
        if function not in ("sum", "mean", "count_nonzero") or call.args and function != "count_nonzero":
            continue
        inner = getattr(call.func, "value", None)
        while type(inner).__name__ == "Call" and type(inner.func).__name__ == "Attribute":
            if inner.func.attr == "eq":
                return True
            inner = inner.func.value
        if type(inner).__name__ == "Compare":
            return True
    return False


def _is_in_module(frame):
    return isinstance(frame.f_locals.get("self"), _C.ModuleBase)


def _calls_module(node, frame):
    """Whether a node is the call of a module, or a name that the program gives to one."""
    from flambeau._explain.source import tree_of, value_of

    if type(node).__name__ == "Name":
        import ast

        given = [
            step.value
            for step in ast.walk(tree_of(frame))
            if isinstance(step, ast.Assign)
            and step.lineno < frame.f_lineno
            and getattr(step.targets[0], "id", "") == node.id
        ]
        node = given[-1] if given else None
    return type(node).__name__ == "Call" and isinstance(value_of(node.func, frame), _C.ModuleBase)


def _shows_probabilities(frame):
    """Whether the softmax that runs, where nothing is recorded, is of what a whole network gives."""
    if _C._is_grad_enabled():
        return True
    if not frame or _is_in_module(frame):
        return False
    for call in _nodes(frame, "Call"):
        if getattr(call.func, "attr", getattr(call.func, "id", "")) in ("softmax", "log_softmax"):
            owner = [call.func.value] if hasattr(call.func, "value") else []
            if any(_calls_module(node, frame) for node in call.args[:1] + owner):
                return True
    return False


def _evaluates(frame):
    """Whether a whole network in training mode is called once for a batch, in a block without
    gradients that counts hits. Many calls for one batch mean the dropout."""
    import ast

    from flambeau._explain.source import is_of_program, value_of

    while frame and (not is_of_program(frame) or _is_in_module(frame)):
        frame = frame.f_back
    if not frame or not any(
        getattr(value_of(call.func, frame), "training", False) for call in _nodes(frame, "Call")
    ):
        return False
    blocks = [
        block
        for block in _nodes(frame, "With")
        if any(word in ast.unparse(block.items[0]) for word in ("no_grad", "inference_mode"))
    ] or _nodes(frame, "FunctionDef")
    loops = _nodes(frame, "For")
    again = loops and ast.unparse(loops[0].iter).startswith("range(")
    if not blocks or again or _nodes(frame, "ListComp") or _nodes(frame, "GeneratorExp"):
        return False
    nodes = list(ast.walk(blocks[0]))
    called = {getattr(node.func, "attr", "") for node in nodes if isinstance(node, ast.Call)}
    equal = any(isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq) for node in nodes)
    hits = called & {"argmax", "max"} and (equal or "eq" in called)
    return bool(hits) and "train" not in called


def _adds_trained(frame):
    """Whether the line that runs adds up what its loop has called backward of."""
    import ast

    added = {
        name.id
        for step in (_nodes(frame, "AugAssign") if frame else ())
        for name in ast.walk(step.value)
        if isinstance(name, ast.Name)
    }
    loops = (_nodes(frame, "For") + _nodes(frame, "While")) if added else []
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "backward"
        and getattr(node.value, "id", "") in added
        for loop in loops
        for node in ast.walk(loop)
    )


_ASKED = {
    "dropout_in_evaluation": _forgets_mode,
    "comparison_broadcasts": _counts_hits,
    "softmax_over_batch": _shows_probabilities,
    "evaluation_in_training_mode": _evaluates,
    "losses_kept": _adds_trained,
}


def warn(name, text):
    """Gives an advice, from the line of the program that runs."""
    if not _on or name in _off or name in _given:
        return
    frame = sys._getframe(1) if sys._getframe(0).f_back else None
    while frame and frame.f_code.co_filename.startswith(_FOLDER):
        frame = frame.f_back
    try:
        if name in _ASKED and not _ASKED[name](frame):
            return
    except Exception:  # source that cannot be read tells nothing
        return
    _given.add(name)
    place = (frame.f_code.co_filename, frame.f_lineno) if frame else ("sys", 1)
    off = "关闭此提示：" if speaks_chinese() else "switched off by "
    warnings.warn_explicit(
        f"{text}\n({off}flambeau.set_advice(False, '{name}'))",
        AdviceWarning,
        *place,
        module=frame.f_globals.get("__name__") if frame else None,
    )
