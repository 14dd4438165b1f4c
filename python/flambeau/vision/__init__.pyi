# Types for editors of the part that programs import as torchvision.
from typing import Any

from flambeau.vision import (
    datasets as datasets,
    io as io,
    models as models,
    ops as ops,
    transforms as transforms,
    tv_tensors as tv_tensors,
    utils as utils,
)

__version__: str

def pillow(module: str = ...) -> Any: ...
def is_pillow_image(img: Any) -> bool: ...
def set_image_backend(backend: str) -> None: ...
def get_image_backend() -> str: ...
def set_video_backend(backend: str) -> None: ...
def disable_beta_transforms_warning() -> None: ...
