"""What an error means that a program does not catch, and its fix: read when it has failed, in the
program's source (source.py, names.py, graph.py) and in a table of texts (fixes.py).

Nothing is prepared for this, and a reader that fails is quiet: the program's exception is what counts.
"""

from flambeau._explain.graph import of_backward  # noqa: F401  called by src/python/autograd/nodes.c


def _has_hint(error):
    said = [str(error), *getattr(error, "__notes__", ())]
    return any("hint: " in text or "提示：" in text for text in said)


def explain(error):
    """Adds to an exception that the program does not catch what it means here."""
    try:
        from flambeau._explain import fixes, names

        if names.of_constructor(error) or _has_hint(error):
            return
        names.explain(error)
        if not _has_hint(error):
            fixes.explain(error)
    except Exception:
        pass  # the program's exception is what counts
