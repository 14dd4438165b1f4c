"""Small helpers that PyTorch keeps in torch._utils and programs use."""

import sys


class KeyErrorMessage(str):
    """The text of a KeyError that is shown as it is, newlines too."""

    def __repr__(self):
        return str(self)


class ExceptionWrapper:
    """An exception on its way to another thread or process, with its traceback as text (source:
    torch._utils.ExceptionWrapper). Made in an except clause, or of sys.exc_info()'s triple."""

    def __init__(self, exc_info=None, where="in background"):
        import traceback

        exc_info = sys.exc_info() if exc_info is None else exc_info
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self):
        """Raises an exception of the same type, whose text has the original traceback; a
        RuntimeError where the type cannot be made of a text."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            text = KeyErrorMessage(text)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            error = self.exc_type(text)
        except Exception:
            raise RuntimeError(text) from None
        raise error
