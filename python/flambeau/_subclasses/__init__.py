"""Tensors that describe others while a compiler looks (source: torch._subclasses): there are none."""

from flambeau._subclasses.fake_tensor import FakeTensor  # noqa: F401
