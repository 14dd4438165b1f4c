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


def get_enum(reduction):
    """The number of a reduction: 0 'none', 1 'mean', 2 'sum'."""
    if reduction == "elementwise_mean":
        import warnings
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=2,
        )
        return 1
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return ("none", "mean", "sum").index(reduction)
