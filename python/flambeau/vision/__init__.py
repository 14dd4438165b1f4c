"""Images: transforms, datasets, models, operators on boxes, reading and writing (source:
torchvision, as which programs import it under `python -m flambeau`).

Each part is imported when it is first touched. Pillow is opened by what reads, writes or transforms
its images, and by nothing else.
"""
import importlib
import sys

_PARTS = frozenset("datasets io models ops transforms tv_tensors utils version".split())
_backend = "PIL"


def __getattr__(name):
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        return importlib.import_module(__name__ + ".version").__version__
    if name.startswith("__"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torchvision.{name} yet")


def __dir__():
    return sorted({*globals(), *_PARTS, "__version__"})


def pillow(module="Image"):
    """PIL.Image, or another module of Pillow, imported when asked for. ImportError says what to
    install."""
    found = sys.modules.get("PIL." + module)
    if found is None:
        from flambeau._hint import hint

        try:
            found = importlib.import_module("PIL." + module)
        except ImportError as error:
            raise ImportError(
                "Images are read, written and transformed by Pillow, which is not installed."
                + hint("pip install pillow", "pip install pillow")
            ) from error
    return found


def is_pillow_image(img):
    """Whether img is an image of Pillow's, which need not be imported to know."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(img, module.Image)


def set_image_backend(backend):
    """Accepted: images are read by Pillow (source: torchvision.set_image_backend)."""
    global _backend
    if backend not in ("PIL", "accimage"):
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")
    _backend = backend


def get_image_backend():
    """What set_image_backend was last given (source: torchvision.get_image_backend)."""
    return _backend


def set_video_backend(backend):
    """Refused: no video is read (source: torchvision.set_video_backend)."""
    raise RuntimeError(f"Flambeau reads no video: there is no backend '{backend}'")


def disable_beta_transforms_warning():
    """Accepted: nothing warns (source: torchvision.disable_beta_transforms_warning)."""
