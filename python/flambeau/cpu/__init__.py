"""The CPU with the names that devices have (source: torch.cpu)."""

from contextlib import nullcontext


def is_available():
    return True


def is_initialized():
    return True


def device_count():
    return 1


def current_device():
    return "cpu"


def set_device(device):
    """Accepted."""


def synchronize(device=None):
    """Nothing to wait for."""


class Stream:
    """Calls run as they come: a stream of a CPU is a name."""

    def __init__(self, priority=-1):
        self.priority = priority

    def wait_stream(self, stream):
        pass

    def record_event(self):
        pass

    def wait_event(self, event):
        pass

    def synchronize(self):
        pass


class Event:
    """A point in a stream: always reached."""

    def query(self):
        return True

    def record(self, stream=None):
        pass

    def synchronize(self):
        pass

    def wait(self, stream=None):
        pass


_stream = Stream()


def current_stream(device=None):
    return _stream


def stream(stream):
    return nullcontext(stream)


def __getattr__(name):
    if name == "amp":
        return __import__("flambeau.cpu.amp", fromlist=["amp"])
    raise AttributeError(f"module 'flambeau.cpu' has no attribute '{name}'")
