"""Results that come later (source: torch.futures): here somebody sets them."""

import threading
from types import GenericAlias


class Future:
    """A value, or an exception, that set_result or set_exception brings."""

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, *, devices=None):
        self._ready = threading.Event()
        self._value = self._error = None
        self._callbacks = []

    def done(self):
        return self._ready.is_set()

    def wait(self):
        """The value, when it is there; raises the exception."""
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self._value

    value = wait

    def then(self, callback):
        """A Future of callback(self), which is called when this one is done."""
        result = Future()

        def run(done):
            try:
                result.set_result(callback(done))
            except Exception as error:
                result.set_exception(error)

        self.add_done_callback(run)
        return result

    def add_done_callback(self, callback):
        """Calls callback(self) when it is done."""
        if self.done():
            callback(self)
        else:
            self._callbacks.append(callback)

    def _finish(self):
        if self.done():
            raise RuntimeError("Future can only be set once")
        self._ready.set()
        for callback in self._callbacks:
            callback(self)

    def set_result(self, result):
        self._value = result
        self._finish()

    def set_exception(self, result):
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._error = result
        self._finish()


def collect_all(futures):
    """A Future of the futures, when all are done."""
    result, waiting = Future(), len(futures)
    if not futures:
        result.set_result([])
    lock = threading.Lock()

    def one_done(_):
        nonlocal waiting
        with lock:
            waiting -= 1
            last = waiting == 0
        if last:
            result.set_result(list(futures))

    for future in futures:
        future.add_done_callback(one_done)
    return result


def wait_all(futures):
    """The values, when all are there."""
    return [future.wait() for future in futures]
