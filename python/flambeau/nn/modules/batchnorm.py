"""Batch normalisation (source: torch.nn.modules.batchnorm)."""
from __future__ import annotations

import flambeau
from flambeau._hint import noted
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]


class _NormBase(Module):
    """weight, bias (C) where affine; running_mean, running_var (C) and the count of batches where
    they are tracked."""

    _version = 2  # 2 added num_batches_tracked
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum: float | None = 0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(
                name,
                (
                    Parameter(flambeau.empty(num_features, device=device, dtype=dtype))
                    if wanted
                    else None
                ),
            )
        if track_running_stats:
            self.register_buffer(
                "running_mean", flambeau.zeros(num_features, device=device, dtype=dtype)
            )
            self.register_buffer(
                "running_var", flambeau.ones(num_features, device=device, dtype=dtype)
            )
            self.register_buffer(
                "num_batches_tracked", flambeau.tensor(0, dtype=flambeau.int64, device=device)
            )
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self):
        """Mean 0, variance 1, no batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Weights 1, biases 0, and reset_running_stats()."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input):
        raise NotImplementedError

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        version = local_metadata.get("version", None)
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            state_dict[key] = flambeau.tensor(0, dtype=flambeau.int64) if count is None else count
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    _dims = ()

    def _check_input_dim(self, input):
        if input.dim() not in self._dims:
            wanted = " or ".join(f"{dim}D" for dim in self._dims)
            right = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}.get(input.dim())
            error = ValueError(f"expected {wanted} input (got {input.dim()}D input)")
            if input.dim() == self._dims[0] - 1 and input.size(0) == self.num_features:
                raise noted(
                    error,
                    f"one sample of {self.num_features} channels lacks the batch dim: "
                    "x.unsqueeze(0), before the network's first layer.",
                    f"这是一个有 {self.num_features} 个通道的样本，缺少批次维："
                    "请在进入网络之前用 x.unsqueeze(0) 加上。",
                )
            raise noted(
                error,
                f"for an input of {input.dim()} dims take BatchNorm{right}"
                if right else "the dims are (N, C, ...): batch, then channels",
                f"输入有 {input.dim()} 维，请改用 BatchNorm{right}"
                if right else "各维应为 (N, C, ...)：先是批次，再是通道",
            )

    def forward(self, input):
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        mean, var = self.running_mean, self.running_var
        if not self.training:
            return F.batch_norm(
                input,
                mean,
                var,
                self.weight,
                self.bias,
                mean is None and var is None,
                momentum,
                self.eps,
            )
        if not self.track_running_stats:
            mean = var = None
        elif self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        return F.batch_norm(input, mean, var, self.weight, self.bias, True, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L) over all but C."""

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W) over all but C."""

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W) over all but C."""

    _dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation whose statistics are those of all processes' batches: of one process, its
    own (source: torch.nn.SyncBatchNorm)."""

    def __init__(self, num_features, eps=1e-5, momentum: float | None = 0.1, affine=True,
                 track_running_stats=True, process_group=None, device=None, dtype=None):
        super().__init__(num_features, eps, momentum, affine, track_running_stats,
                         device=device, dtype=dtype)
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """The module with all its batch normalisations as SyncBatchNorm, with the same
        parameters."""
        result = module
        if isinstance(module, _BatchNorm) and not isinstance(module, SyncBatchNorm):
            result = SyncBatchNorm(module.num_features, module.eps, module.momentum, module.affine,
                                   module.track_running_stats, process_group)
            result.weight, result.bias = module.weight, module.bias
            result.running_mean, result.running_var = module.running_mean, module.running_var
            result.num_batches_tracked = module.num_batches_tracked
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result
