"""Anomaly mode (source: torch.autograd.anomaly_mode).

Accepted, and remembered for is_anomaly_enabled. An error in backward names the line of the forward
call in any case.
"""

_enabled = False
_check_nan = True


class set_detect_anomaly:
    """Sets anomaly mode at once, until the context is left (source:
    torch.autograd.set_detect_anomaly)."""

    def __init__(self, mode, check_nan=True):
        global _enabled, _check_nan
        self.prev = _enabled, _check_nan
        _enabled, _check_nan = mode, check_nan

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        global _enabled, _check_nan
        _enabled, _check_nan = self.prev


class detect_anomaly:
    """Anomaly mode inside a context (source: torch.autograd.detect_anomaly)."""

    def __init__(self, check_nan=True):
        self.check_nan = check_nan

    def __enter__(self):
        self._inside = set_detect_anomaly(True, self.check_nan)

    def __exit__(self, *exc):
        self._inside.__exit__(*exc)


def is_anomaly_enabled():
    """Whether anomaly mode is on (source: torch.is_anomaly_enabled)."""
    return _enabled
