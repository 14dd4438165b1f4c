"""Counts that PyTorch's compiler keeps (source: torch._dynamo.utils): empty."""

from collections import Counter, defaultdict

counters = defaultdict(Counter)
