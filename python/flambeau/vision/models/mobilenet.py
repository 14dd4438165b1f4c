"""MobileNetV2 and V3 under one name (source: torchvision.models.mobilenet)."""
from flambeau.vision.models.mobilenetv2 import *  # noqa: F403
from flambeau.vision.models.mobilenetv3 import *  # noqa: F403
