"""Contexts that switch recording on and off, also usable as decorators (source:
torch.autograd.grad_mode)."""

from functools import wraps

from flambeau import _C

_is_grad_enabled = _C._is_grad_enabled
_set_grad_enabled = _C._set_grad_enabled
_GENERATOR = 0x20  # the flag of a generator function's code


class _Context:
    """A context whose instances decorate functions: each call, and each step of a generator, runs
    in a fresh context."""

    def clone(self):
        return type(self)()

    def __call__(self, func):
        if isinstance(func, type):
            made = func
            func = lambda *args, **kwargs: made(*args, **kwargs)  # noqa: E731
        code = getattr(func, "__code__", None)
        if code is not None and code.co_flags & _GENERATOR:
            return _wrap_generator(self.clone, func)
        clone = self.clone

        @wraps(func)
        def decorated(*args, **kwargs):
            with clone():
                return func(*args, **kwargs)

        return decorated


class _PlainContext(_Context):
    """A context without parameters: `@no_grad` works as `@no_grad()` does."""

    def __new__(cls, orig_func=None):
        self = object.__new__(cls)
        return self if orig_func is None else self(orig_func)


def _wrap_generator(clone, func):
    """A generator that enters the context while `func` runs and leaves it while its consumer
    does."""

    @wraps(func)
    def steps(*args, **kwargs):
        gen = func(*args, **kwargs)
        advance, value = gen.send, None
        while True:
            try:
                with clone():
                    result = advance(value)
            except StopIteration as stop:
                return stop.value
            try:
                value = yield result
                advance = gen.send
            except GeneratorExit:
                with clone():
                    gen.close()
                raise
            except BaseException as error:
                advance, value = gen.throw, error

    return steps


class no_grad(_PlainContext):
    """Calls inside are not recorded: their results do not require a gradient (source:
    torch.no_grad)."""

    def __enter__(self):
        self.prev = _is_grad_enabled()
        _set_grad_enabled(False)

    def __exit__(self, exc_type, exc_value, traceback):
        _set_grad_enabled(self.prev)


class enable_grad(_PlainContext):
    """Calls inside are recorded, also within no_grad (source: torch.enable_grad)."""

    def __enter__(self):
        self.prev = _is_grad_enabled()
        _set_grad_enabled(True)

    def __exit__(self, exc_type, exc_value, traceback):
        _set_grad_enabled(self.prev)


class set_grad_enabled(_Context):
    """Sets recording at once, until changed or until the context is left (source:
    torch.set_grad_enabled)."""

    def __init__(self, mode):
        self.prev = _is_grad_enabled()
        self.mode = mode
        _set_grad_enabled(mode)

    def __call__(self, func):
        _set_grad_enabled(self.prev)
        return super().__call__(func)

    def __enter__(self):
        _set_grad_enabled(self.mode)

    def __exit__(self, exc_type, exc_value, traceback):
        _set_grad_enabled(self.prev)

    def clone(self):
        return type(self)(self.mode)

    def __repr__(self):
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class inference_mode(_Context):
    """As no_grad, and the tensors made inside can never be part of a graph (source:
    torch.inference_mode)."""

    def __new__(cls, mode=True):
        if isinstance(mode, bool):
            return object.__new__(cls)
        return cls()(mode)

    def __init__(self, mode=True):
        self.mode = mode

    def clone(self):
        return type(self)(self.mode)

    def __enter__(self):
        self.prev = _is_grad_enabled(), _C._set_inference_mode(self.mode)
        _set_grad_enabled(not self.mode)

    def __exit__(self, exc_type, exc_value, traceback):
        grad, inference = self.prev
        _C._set_inference_mode(inference)
        _set_grad_enabled(grad)


class set_multithreading_enabled(_Context):
    """Accepted: backward of CPU tensors runs on the calling thread (source:
    torch.autograd.set_multithreading_enabled)."""

    def __init__(self, mode):
        self.mode = mode

    def __enter__(self):
        pass

    def __exit__(self, *exc):
        pass

    def clone(self):
        return type(self)(self.mode)
