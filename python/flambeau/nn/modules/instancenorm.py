"""Instance normalisation (source: torch.nn.modules.instancenorm)."""
from __future__ import annotations

from flambeau.nn import functional as F
from flambeau.nn.modules.batchnorm import _NormBase

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_NormBase):
    """_rank is the number of dimensions of one sample, (C, *)."""

    _rank = 0

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum: float | None = 0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _check_input_dim(self, input):
        if input.dim() not in (self._rank, self._rank + 1):
            raise ValueError(
                f"expected {self._rank}D or {self._rank + 1}D input (got {input.dim()}D input)"
            )

    def _apply_instance_norm(self, input):
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias,
                               self.training or not self.track_running_stats,
                               0.0 if self.momentum is None else self.momentum, self.eps)

    def forward(self, input):
        self._check_input_dim(input)
        dim = input.dim() - self._rank
        if input.size(dim) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={dim} to match num_features"
                    f" ({self.num_features}), but got: {input.size(dim)}."
                )
            import warnings
            warnings.warn(
                f"input's size at dim={dim} does not match num_features. You can silence this"
                " warning by not passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        if dim == 0:
            return self._apply_instance_norm(input.unsqueeze(0)).squeeze(0)
        return self._apply_instance_norm(input)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        stale = [
            prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict
        ]
        if local_metadata.get("version", None) is None and not self.track_running_stats and stale:
            names, kind = " and ".join(f'"{key}"' for key in stale), type(self).__name__
            error_msgs.append(
                f"Unexpected running stats buffer(s) {names} for {kind} with"
                " track_running_stats=False. If state_dict is a checkpoint saved before 0.4.0,"
                f" this may be expected because {kind} does not track running stats by default"
                " since 0.4.0. Please remove these keys from state_dict. If the running stats are"
                f" actually needed, instead set track_running_stats=True in {kind} to enable them."
                f" See the documentation of {kind} for details."
            )
            for key in stale:
                state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalisation of every channel of every sample of (N, C, L) or (C, L)."""

    _rank = 2


class InstanceNorm2d(_InstanceNorm):
    """Normalisation of every channel of every sample of (N, C, H, W) or (C, H, W)."""

    _rank = 3


class InstanceNorm3d(_InstanceNorm):
    """Normalisation of every channel of every sample of (N, C, D, H, W) or (C, D, H, W)."""

    _rank = 4
