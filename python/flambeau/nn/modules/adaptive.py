"""The adaptive softmax, for many classes of very different frequency (source:
torch.nn.modules.adaptive; Grave et al., Efficient softmax approximation for GPUs, 2017)."""
from __future__ import annotations

import flambeau
from flambeau.nn import functional as F
from flambeau.nn.modules.container import ModuleList, Sequential
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(tuple):
    """(output, loss), with names."""

    __slots__ = ()
    _fields = ("output", "loss")

    def __new__(cls, output, loss):
        return tuple.__new__(cls, (output, loss))

    def __getnewargs__(self):
        return tuple(self)

    output = property(lambda self: self[0])
    loss = property(lambda self: self[1])

    def __repr__(self):
        return f"{type(self).__name__}(output={self[0]!r}, loss={self[1]!r})"


class AdaptiveLogSoftmaxWithLoss(Module):
    """Classes in clusters, the frequent ones first: cutoffs are the first classes of the clusters
    after the head's.

    forward(input (N, in_features) or (in_features), target (N) or ()) gives the targets' log-
    probabilities, of target's shape, and the mean of their negatives.
    """

    def __init__(self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False,
                 device=None, dtype=None):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing"
                " order, where each value is between 1 and n_classes-1"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        place = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **place)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            classes = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(Sequential(Linear(in_features, width, bias=False, **place),
                                        Linear(width, classes, bias=False, **place)))

    def reset_parameters(self):
        """Draws the parameters of all linear layers again."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster:
                layer.reset_parameters()

    def forward(self, input_, target_):
        self._check(input_, target_)
        batched = target_.dim() > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        output = input.new_zeros(target.size(0))
        column = target.new_empty(target.size(0))  # of the head
        count = 0
        for i, (low, high) in enumerate(zip([0, *self.cutoffs], self.cutoffs)):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if not rows.numel():
                continue
            count += rows.numel()
            if i == 0:
                column.index_copy_(0, rows, target[rows])
                continue
            column.index_fill_(0, rows, self.shortlist_size + i - 1)
            logits = self.tail[i - 1](input.index_select(0, rows))
            log_prob = F.log_softmax(logits, dim=1).gather(1, (target[rows] - low).unsqueeze(1))
            output.index_copy_(0, rows, log_prob.squeeze(1))
        if count != target.size(0):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range"
                f" [{target.min().item()}, {target.max().item()}] were found. "
            )
        head = F.log_softmax(self.head(input), dim=1)
        output += head.gather(1, column.unsqueeze(1)).squeeze()
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    @staticmethod
    def _check(input, target):
        if target.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target.dim() == 1 and input.size(0) != target.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input.dim() != target.dim() + 1:
            raise RuntimeError(
                f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but"
                f" found inputs with size {input.size()}"
            )

    def _all_log_probs(self, input, logits):
        """The log-probabilities (N, n_classes), from the head's logits."""
        head = F.log_softmax(logits, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            of_cluster = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(cluster(input), dim=1) + of_cluster)
        return flambeau.cat(parts, dim=1)

    def log_prob(self, input):
        """The log-probabilities of all classes: (N, in_features) gives (N, n_classes)."""
        return self._all_log_probs(input, self.head(input))

    def predict(self, input):
        """The most likely class of every sample: (N, in_features) gives (N). Clusters are looked
        at for the samples only whose most likely column of the head is a cluster's."""
        logits = self.head(input)
        output = logits.argmax(dim=1)
        rows = (output >= self.shortlist_size).nonzero().squeeze(1)
        if rows.numel():
            output[rows] = self._all_log_probs(input[rows], logits[rows]).argmax(dim=1)
        return output
