"""Forward mode through a Function: its jvp gives the tangents of the results (source:
torch.autograd.Function.jvp)."""

from flambeau import _C

Tensor = _C.Tensor


def _tangents(ctx, args, level):
    """What jvp gets: the arguments' tangents, zeros where a tensor has none and ctx asks for them,
    None for what is no tensor."""
    found = []
    for x in args:
        tangent = None
        if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex()):
            tangent = _C._unpack_dual(x, level)[1]
            if tangent is None and ctx.materialize_grads:
                tangent = _C.zeros_like(x)
        found.append(tangent)
    return found


def push_forward(ctx, args, output):
    """Gives the results of a call of forward their tangents, of each level from the outermost in."""
    outputs = output if isinstance(output, tuple) else (output,)
    for level in _C._dual_levels():
        tangents = _tangents(ctx, args, level)
        hidden = _C._hide_duals(level)
        try:
            moved = _run_jvp(ctx, tangents)
        finally:
            _C._hide_duals(hidden)
        _give(ctx._forward_cls, outputs, moved if isinstance(moved, tuple) else (moved,), level)


def _run_jvp(ctx, tangents):
    """The Function's jvp; saved_tensors are what save_for_forward was given, if it was called."""
    saved = ctx.__dict__.get("_saved_for_forward")
    if saved is None:
        return ctx._forward_cls.jvp(ctx, *tangents)
    before = ctx.to_save
    ctx.to_save = saved
    try:
        return ctx._forward_cls.jvp(ctx, *tangents)
    finally:
        if before is None:
            del ctx.to_save
        else:
            ctx.to_save = before


def _give(kind, outputs, moved, level):
    if len(moved) != len(outputs):
        raise RuntimeError(
            f"Function {kind.__name__}.jvp returned {len(moved)} tangents for {len(outputs)} "
            "results"
        )
    for y, tangent in zip(outputs, moved):
        if tangent is None or not isinstance(y, Tensor):
            continue
        if not isinstance(tangent, Tensor) or tangent.shape != y.shape:
            raise RuntimeError(
                f"Function {kind.__name__}.jvp returned an invalid tangent: expected a Tensor of "
                f"shape {tuple(y.shape)}, got {getattr(tangent, 'shape', type(tangent))}"
            )
        _C._set_tangent(y, tangent, level)
