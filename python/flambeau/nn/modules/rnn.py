"""Recurrent networks over whole sequences (source: torch.nn.modules.rnn)."""
from __future__ import annotations

import math
import warnings
from numbers import Number

import flambeau
from flambeau._hint import hint, noted
from flambeau import _C
from flambeau.nn import init
from flambeau.nn.modules._last_step import watch_caller
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.rnn_cell import (  # noqa: F401  PyTorch has them here
    GRUCell,
    LSTMCell,
    RNNCell,
    RNNCellBase,
)
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What RNN, LSTM and GRU share. mode: LSTM, GRU, RNN_TANH or RNN_RELU.

    Parameters of layer k: weight_ih_lk (gates * hidden, in), weight_hh_lk (gates * hidden, hidden
    or proj_size), bias_ih_lk, bias_hh_lk, with proj_size weight_hr_lk (proj_size, hidden); the
    names of the other direction end in _reverse.

    forward(input, hx=None) takes input (T, N, in), (N, T, in) with batch_first, (T, in), or a
    PackedSequence, and the first states (layers * directions, N, hidden), zeros where not given;
    gives the last layer's results for all steps, of the same form, and the last states.
    """

    __constants__ = ["mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first",
                     "dropout", "bidirectional", "proj_size"]
    __jit_unused_properties__ = ["all_weights"]

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False,
                 dropout=0.0, bidirectional=False, proj_size=0, device=None, dtype=None):
        super().__init__()
        self._check_options(dropout, num_layers, bias, batch_first, input_size, hidden_size,
                            proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.proj_size = proj_size
        self._flat_weights_names, self._all_weights = [], []
        rows, state = _GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else state * self._directions
            for end in ["", "_reverse"][: self._directions]:
                shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, state)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{name}_l{layer}{end}" for name in shapes]
                for name, shape in zip(names, shapes.values()):
                    blank = flambeau.empty(shape, device=device, dtype=dtype)
                    setattr(self, name, Parameter(blank))
                self._flat_weights_names += names
                self._all_weights.append(names)
        self.reset_parameters()

    @staticmethod
    def _check_options(dropout, num_layers, bias, batch_first, input_size, hidden_size, proj_size):
        if not isinstance(dropout, Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError("dropout should be a number in range [0, 1] representing the"
                             " probability of an element being zeroed")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero"
                f" dropout expects num_layers greater than 1, but got dropout={dropout} and"
                f" num_layers={num_layers}"
                + hint("of one layer no result is dropped: give num_layers=2 or more, or put "
                       "nn.Dropout behind it",
                       "只有一层时 dropout 不起作用：请设 num_layers=2 或更多，或在其后加 nn.Dropout"),
                stacklevel=4)
        for name, value, kind in (("bias", bias, bool), ("batch_first", batch_first, bool),
                                  ("input_size", input_size, int),
                                  ("hidden_size", hidden_size, int)):
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got:"
                                f" {type(value).__name__}")
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size),
                            ("num_layers", num_layers)):
            if value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable"
                             " projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")

    @property
    def _directions(self):
        return 2 if self.bidirectional else 1

    @property
    def _flat_weights(self):
        return [getattr(self, name) for name in self._flat_weights_names]

    def __getstate__(self):
        return {**super().__getstate__(), "_flat_weights": self._flat_weights}

    def __setstate__(self, state):
        state = {name: value for name, value in state.items() if name != "_flat_weights"}
        super().__setstate__(state)

    @property
    def all_weights(self):
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self):
        """Does nothing: it brings the weights together for cuDNN, which there is none of."""

    def reset_parameters(self):
        """Uniform over ±1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # ---- Checks ----

    def check_input(self, input, batch_sizes):
        dtype = getattr(self, self._flat_weights_names[0]).dtype
        if input.dtype != dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert"
                f" input: input.to({dtype}), or convert model: model.to({input.dtype})")
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise noted(
                RuntimeError("input.size(-1) must be equal to input_size. Expected"
                             f" {self.input_size}, got {input.size(-1)}"),
                f"the last dim of the input holds the features of a step: make the layer with "
                f"input_size={input.size(-1)}, or put the features last.",
                f"输入的最后一维是每一步的特征数：该层的 input_size 是 {self.input_size}，"
                f"而输入有 {input.size(-1)} 个特征；请改为 input_size={input.size(-1)}，"
                "或把特征放到最后一维。")

    def _batch(self, input, batch_sizes):
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.size(0 if self.batch_first else 1)

    def get_expected_hidden_size(self, input, batch_sizes):
        return (self.num_layers * self._directions, self._batch(input, batch_sizes),
                self.proj_size or self.hidden_size)

    def check_hidden_size(self, hx, expected_hidden_size, msg="Expected hidden size {}, got {}"):
        if tuple(hx.size()) != tuple(expected_hidden_size):
            raise noted(
                RuntimeError(msg.format(expected_hidden_size, list(hx.size()))),
                "a state is (layers * directions, batch, hidden_size), with the batch of this input "
                "(also where batch_first=True): leave it out, or make it for this batch; a smaller "
                "last batch is left out by drop_last=True.",
                "隐藏状态的形状是 (层数 * 方向数, 批大小, hidden_size)，批大小要与本次输入一致"
                "（batch_first=True 时也是如此）：请不传隐藏状态，或按本批次重新建立；"
                "最后较小的批次可用 drop_last=True 丢弃。")

    def check_forward_args(self, input, hidden, batch_sizes):
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx, permutation):
        """The states of the sequences in another order; as they are where there is none."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # ---- Forward ----

    def _zeros(self, input, batch_sizes):
        size = self.get_expected_hidden_size(input, batch_sizes)
        return flambeau.zeros(size, dtype=input.dtype, device=input.device)

    def _add_batch(self, hx, batched):
        """hx with a batch dim; an error where it has not the dims that input asks for."""
        if hx.dim() != (3 if batched else 2):
            kind, dims = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
            raise RuntimeError(f"For {kind} input, hx should also be {dims}-D but got"
                               f" {hx.dim()}-D tensor")
        return hx if batched else hx.unsqueeze(1)

    def _drop_batch(self, hidden):
        return hidden.squeeze(1)

    def forward(self, input, hx=None):
        batch_sizes = order = inverse = None
        packed, batched = isinstance(input, PackedSequence), True
        if packed:
            input, batch_sizes, order, inverse = input
        elif input.dim() != 3:
            batched = False
            if input.dim() != 2:
                name = self.mode.partition("_")[0]
                raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}D"
                                 + (" tensor instead" if name == "RNN" else " instead"))
            input = input.unsqueeze(0 if self.batch_first else 1)
        if self.training and not self.batch_first:
            watch_caller()
        if hx is None:
            hx = self._zeros(input, batch_sizes)
        else:
            hx = self.permute_hidden(hx if packed else self._add_batch(hx, batched), order)
        self.check_forward_args(input, hx, batch_sizes)
        options = (self._flat_weights, self.bias, self.num_layers, self.dropout, self.training,
                   self.bidirectional)
        run = getattr(_C, self.mode.lower())
        if packed:
            output, *hidden = run(input, batch_sizes, hx, *options)
            output = PackedSequence(output, batch_sizes, order, inverse)
        else:
            output, *hidden = run(input, hx, *options, self.batch_first)
        hidden = tuple(hidden) if self.mode == "LSTM" else hidden[0]
        if not batched:
            return output.squeeze(0 if self.batch_first else 1), self._drop_batch(hidden)
        return output, self.permute_hidden(hidden, inverse)

    def extra_repr(self):
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (("proj_size", 0), ("num_layers", 1), ("bias", True),
                              ("batch_first", False), ("dropout", 0), ("bidirectional", False)):
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def _refuse_projection(kwargs):
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, at each step.

    RNN(input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False,
    dropout=0.0, bidirectional=False, device=None, dtype=None).
    """

    def __init__(self, *args, **kwargs):
        _refuse_projection(kwargs)
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'."
                             " Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + nonlinearity.upper(), *args, **kwargs)
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """r, z = sigmoid(W x + b + U h + c), n = tanh(W x + b + r (U h + c)), h = (1 - z) n + z h.

    GRU(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, device=None, dtype=None).
    """

    def __init__(self, *args, **kwargs):
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


class LSTM(RNNBase):
    """i, f, o = sigmoid(W x + b + U h + c), g = tanh(...), c = f c + i g, h = o tanh(c).

    LSTM(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, proj_size=0, device=None, dtype=None). The states are a pair (h, c).
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input, batch_sizes):
        return (self.num_layers * self._directions, self._batch(input, batch_sizes),
                self.hidden_size)

    def check_forward_args(self, input, hidden, batch_sizes):
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden[0], self.get_expected_hidden_size(input, batch_sizes),
                               "Expected hidden[0] size {}, got {}")
        self.check_hidden_size(hidden[1], self.get_expected_cell_size(input, batch_sizes),
                               "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx, permutation):
        if permutation is None:
            return hx
        return hx[0].index_select(1, permutation), hx[1].index_select(1, permutation)

    def _zeros(self, input, batch_sizes):
        sizes = (self.get_expected_hidden_size(input, batch_sizes),
                 self.get_expected_cell_size(input, batch_sizes))
        return tuple(flambeau.zeros(size, dtype=input.dtype, device=input.device)
                     for size in sizes)

    def _add_batch(self, hx, batched):
        dims = 3 if batched else 2
        if isinstance(hx, flambeau.Tensor) and len(hx) == 1:
            raise noted(
                IndexError("index 1 is out of bounds for dimension 0 with size 1"),
                "an LSTM's state is the pair (h, c) of hidden and cell state, and one tensor was "
                "given: lstm(x, (h, c)), or lstm(x) for zeros.",
                "LSTM 的状态是（隐藏状态 h, 细胞状态 c）二元组，而这里只给了一个张量："
                "lstm(x, (h, c))；用零作初值时只写 lstm(x)。")
        if hx[0].dim() != dims or hx[1].dim() != dims:
            kind = "batched" if batched else "unbatched"
            raise RuntimeError(f"For {kind} {dims}-D input, hx and cx should also be {dims}-D but"
                               f" got ({hx[0].dim()}-D, {hx[1].dim()}-D) tensors")
        return hx if batched else (hx[0].unsqueeze(1), hx[1].unsqueeze(1))

    def _drop_batch(self, hidden):
        return hidden[0].squeeze(1), hidden[1].squeeze(1)
