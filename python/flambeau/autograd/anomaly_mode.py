"""Finding the forward call whose backward makes NaN (source: torch.autograd.anomaly_mode)."""
from flambeau import _C


class set_detect_anomaly:
    """Sets anomaly detection at once, until the context is left: backward fails at the first NaN, and the message names
    the forward call (source: torch.autograd.set_detect_anomaly)."""

    def __init__(self, mode, check_nan=True):
        self.prev = _C._is_anomaly_enabled(), _C._is_anomaly_check_nan_enabled()
        _C._set_anomaly_enabled(mode, check_nan)

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        _C._set_anomaly_enabled(*self.prev)


class detect_anomaly:
    """Anomaly detection inside a context (source: torch.autograd.detect_anomaly)."""

    def __init__(self, check_nan=True):
        self.check_nan = check_nan

    def __enter__(self):
        self.prev = _C._is_anomaly_enabled(), _C._is_anomaly_check_nan_enabled()
        _C._set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *exc):
        _C._set_anomaly_enabled(*self.prev)
