"""What an error means that a program does not catch, and its fix: read when it has failed, in the
program's source (source.py, names.py, kinds.py, graph.py), in the names of other libraries (foreign.py)
and in tables of texts (fixes.py).

Nothing is prepared for this, and a reader that fails is quiet: the program's exception is what counts.
"""

from flambeau._explain.graph import of_backward  # noqa: F401  called by src/python/autograd/nodes.c


def _has_hint(error):
    said = [str(error), *getattr(error, "__notes__", ())]
    return any("hint: " in text or "提示：" in text for text in said)


def _explain(error):
    from flambeau._explain import fixes, foreign, kinds, names

    kinds.explain_sample(error)
    if names.of_constructor(error) or names.of_none(error) or _has_hint(error):
        return
    for read in (
        foreign.explain,
        kinds.explain,
        names.explain,
        fixes.explain,
        names.explain_function,
        foreign.explain_spelling,
    ):
        read(error)
        if _has_hint(error):
            return


def explain(error):
    """Adds to an exception that the program does not catch what it means here."""
    try:
        from warnings import catch_warnings, simplefilter

        with catch_warnings():
            simplefilter("ignore")  # of attributes that are looked at
            _explain(error)
    except Exception:
        pass  # the program's exception is what counts
