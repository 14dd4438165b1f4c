"""How a loss's old arguments name its reduction (source: torch.nn._reduction)."""


def legacy_get_string(size_average, reduce, emit_warning=True):
    """'mean', 'sum' or 'none' from the arguments that `reduction` has replaced."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    name = "none" if not reduce else "mean" if size_average else "sum"
    if emit_warning:
        import warnings
        warnings.warn(
            "size_average and reduce args will be deprecated, please use reduction='"
            + name
            + "' instead.",
            stacklevel=2,
        )
    return name
