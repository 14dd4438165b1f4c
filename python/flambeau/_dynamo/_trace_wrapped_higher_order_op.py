"""What libraries import to index under vmap (source:
torch._dynamo._trace_wrapped_higher_order_op)."""


class TransformGetItemToIndex:
    """A context in which x[i] is taken by index: here it is under any vmap, so that there is nothing
    to do."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass
