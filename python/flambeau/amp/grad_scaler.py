"""Scaling of losses, so that gradients in float16 do not vanish (source: torch.amp.GradScaler)."""

import warnings
from collections import defaultdict
from enum import Enum

from flambeau import _C

Tensor = _C.Tensor


class OptState(Enum):
    """Where an optimizer stands between two updates."""

    READY, UNSCALED, STEPPED = 0, 1, 2


def _fresh():
    return {"stage": OptState.READY, "found_inf": None}


class GradScaler:
    """GradScaler(device="cuda", init_scale=2**16, growth_factor=2, backoff_factor=0.5,
    growth_interval=2000, enabled=True).

    scale(loss) multiplies by the scale; step(optimizer) divides the gradients by it and leaves the
    step out when one of them is not finite; update() makes the scale smaller then, and larger after
    growth_interval good steps. For "cuda", which is not here, it warns and does nothing.
    """

    def __init__(
        self,
        device="cuda",
        init_scale=2.0**16,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        self._device = device
        if enabled and device == "cuda":
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        if not enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale, self._scale = init_scale, None
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker, self._growth_tracker = 0, None
        self._per_optimizer_states = defaultdict(_fresh)

    def _check(self, name):
        if self._scale is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def scale(self, outputs):
        """outputs, a tensor or tensors in lists and tuples, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._scale = _C.full([], self._init_scale, dtype=_C.float32)
                self._growth_tracker = _C.full([], self._init_growth_tracker, dtype=_C.int32)
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(item) for item in outputs)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer):
        """Divides the optimizer's gradients by the scale, once between two updates. RuntimeError for
        a second time, ValueError for gradients in float16."""
        if not self._enabled:
            return
        self._check("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        inverse = self._scale.double().reciprocal().float()
        state["found_inf"] = self._divide(optimizer, inverse)
        state["stage"] = OptState.UNSCALED

    @staticmethod
    def _divide(optimizer, inverse):
        """Multiplies the gradients; whether one of them is not finite, None without gradients."""
        found = None
        before = _C._is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    if p.grad.dtype is _C.float16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    found = bool(found) or not _C.isfinite(p.grad).all().item()
                    p.grad.mul_(inverse)
        finally:
            _C._set_grad_enabled(before)
        return found

    def step(self, optimizer, *args, **kwargs):
        """optimizer.step(...) after unscale_, unless a gradient is not finite; its result.
        RuntimeError for a second step before update, and for a closure."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if state["found_inf"] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None if state["found_inf"] else optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale=None):
        """Sets the scale for the next iteration: by what the steps found, or to new_scale."""
        if not self._enabled:
            return
        self._check("update")
        if new_scale is not None:
            self._scale.fill_(new_scale)
        else:
            found = [
                state["found_inf"]
                for state in self._per_optimizer_states.values()
                if state["found_inf"] is not None
            ]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            self._adapt(any(found))
        self._per_optimizer_states = defaultdict(_fresh)

    def _adapt(self, found):
        if found:
            self._scale.mul_(self._backoff_factor)
            self._growth_tracker.fill_(0)
            return
        good = self._growth_tracker.item() + 1
        if good == self._growth_interval:
            larger = self._scale * self._growth_factor
            if _C.isfinite(larger).item():
                self._scale.copy_(larger)
            good = 0
        self._growth_tracker.fill_(good)

    def get_scale(self):
        """The scale as a number; 1 where the scaler is not enabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self):
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        self._growth_interval = new_interval

    def _get_growth_tracker(self):
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else tracker.item()

    def is_enabled(self):
        return self._enabled

    def state_dict(self):
        """Scale, factors, interval and count of good steps; empty where not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict):
        """Takes over what state_dict gave. RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._growth_tracker is not None:
            self._growth_tracker.fill_(state_dict["_growth_tracker"])

    def __getstate__(self):
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or "
                    "at the end after scaler.update()."
                )
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state
