"""The meta device runs shape functions alone: sizes, strides, dtypes, and what is differentiable, of
every operator's sample calls agree with those on a CPU."""
import pytest

import flambeau as torch
from samples import operators, tensors
from test_table import shows_strides

OPERATORS = [op for op in operators() if not op.writes or "method" in op.forms]

# What looks at values, so that PyTorch refuses it too.
LOOKS = {
    name: why
    for why, names in {
        "how many results there are depends on values":
            "nonzero nonzero.as_tuple nonzero_static argwhere masked_select bincount unique "
            "unique_consecutive one_hot "
            "nanmedian _unique2 "
            "_unique_neighbours where repeat_interleave.self_Tensor repeat_interleave.Tensor _nms "
            "tensor_split.tensor_indices_or_sections",
        "the result is a number of the host's": "equal allclose",
        "the bins lie over the range of the values": "histogram.bin_ct _histogramdd_bin_edges "
            "histogramdd histogramdd.int_bins",
        "lengths are looked at":
            "ctc_loss.IntList ctc_loss.Tensor _pack_padded_sequence _pad_packed_sequence lstm.data "
            "gru.data rnn_tanh.data rnn_relu.data",
    }.items()
    for name in names.split()
}


def test_the_exceptions_are_of_the_table():
    assert set(LOOKS) <= {op.name for op in OPERATORS}


def on_meta(value):
    if isinstance(value, torch.Tensor):
        moved = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
        return moved.requires_grad_(value.requires_grad)
    if isinstance(value, dict):
        return {k: on_meta(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(on_meta, value))
    return value


def shapes(op, value):
    if isinstance(value, torch.Tensor):
        strides = None if shows_strides(op) else value.stride()
        return tuple(value.shape), strides, value.dtype, value.requires_grad
    if isinstance(value, (list, tuple)):
        return [shapes(op, v) for v in value]
    return type(value)


@pytest.mark.parametrize("op", OPERATORS, ids=str)
def test_meta(op):
    for sample in op.samples():
        args = sample.build()
        given = on_meta(args)
        if not tensors(given):
            given["device"] = "meta"
        if op.name in LOOKS:
            with pytest.raises((NotImplementedError, RuntimeError), match="[Mm]eta"):
                op.call(given)
            continue
        want, got = op.call(args), op.call(given)
        assert shapes(op, want) == shapes(op, got), sample
        assert all(t.is_meta for t in tensors(got)), sample
