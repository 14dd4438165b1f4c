"""Sizes, steps and counts that no memory holds: each operator refuses them, or gives what it has, at
once. It neither computes for years nor trusts a product that exceeds 64 bits."""

import warnings

import pytest

from flambeau import _C
from samples import Recipe
from test_table import OPERATORS

ABSURD = (2 ** 62, 2 ** 40 + 1, 2 ** 31, -2 ** 63)
REFUSALS = (RuntimeError, ValueError, IndexError, TypeError, OverflowError, MemoryError)


def changed(value, absurd):
    """A number in the place of a number; in that of a list, one of its numbers, or all."""
    if isinstance(value, bool) or isinstance(value, float):
        return []
    if isinstance(value, int):
        return [absurd]
    if isinstance(value, list) and value and all(type(v) is int for v in value):
        return [[absurd] * len(value), [absurd, *value[1:]], [*value[:-1], absurd]]
    return []


def emptied(value):
    """Tensors without elements in the place of tensors."""
    if isinstance(value, Recipe) and value.kind != "literal" and value.sizes:
        return Recipe(value.kind, (0, *value.sizes[1:]))
    return value


@pytest.fixture
def little_memory():
    _C._set_memory_limit(64 << 20)
    yield
    _C._set_memory_limit(0)


@pytest.mark.parametrize("op", OPERATORS, ids=str)
def test_is_refused_at_once(op, little_memory):
    sizes = [p["name"] for p in op.params if p["type"].rstrip("?").split("[")[0] == "int"]
    for sample in op.samples() if sizes else []:
        for some in (sample, sample.mapped(emptied)):
            for name in sizes:
                for absurd in ABSURD:
                    for value in changed(some.values.get(name, 1), absurd):
                        call(op, some, name, value)


def call(op, sample, name, value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            op.call({**sample.build(), name: value})
        except REFUSALS:
            pass
