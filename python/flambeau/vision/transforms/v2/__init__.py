"""Transforms of images together with their masks and boxes, in whatever structure a sample has
(source: torchvision.transforms.v2)."""
from flambeau.vision.transforms.functional import InterpolationMode
from flambeau.vision.transforms.v2 import functional
from flambeau.vision.transforms.v2._augments import *  # noqa: F403
from flambeau.vision.transforms.v2._blends import *  # noqa: F403
from flambeau.vision.transforms.v2._containers import *  # noqa: F403
from flambeau.vision.transforms.v2._kinds import *  # noqa: F403
from flambeau.vision.transforms.v2._moves import *  # noqa: F403
from flambeau.vision.transforms.v2._shades import *  # noqa: F403
from flambeau.vision.transforms.v2._transform import Transform, get_bounding_boxes, query_size


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torchvision.transforms.v2.{name} yet")
