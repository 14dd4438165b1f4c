"""Models for images, with torchvision's parameter names and initial weights (source:
torchvision.models).

`weights=` takes a member of a model's enumeration, or its name: the file is read from the folder
where torchvision keeps them, and an error says which file that is when it is not there.
"""
from flambeau.vision.models import _api
from flambeau.vision.models._api import *  # noqa: F403
from flambeau.vision.models.alexnet import *  # noqa: F403
from flambeau.vision.models.convnext import *  # noqa: F403
from flambeau.vision.models.densenet import *  # noqa: F403
from flambeau.vision.models.efficientnet import *  # noqa: F403
from flambeau.vision.models.googlenet import *  # noqa: F403
from flambeau.vision.models.inception import *  # noqa: F403
from flambeau.vision.models.maxvit import *  # noqa: F403
from flambeau.vision.models.mnasnet import *  # noqa: F403
from flambeau.vision.models.mobilenetv2 import *  # noqa: F403
from flambeau.vision.models.mobilenetv3 import *  # noqa: F403
from flambeau.vision.models.regnet import *  # noqa: F403
from flambeau.vision.models.resnet import *  # noqa: F403
from flambeau.vision.models.shufflenetv2 import *  # noqa: F403
from flambeau.vision.models.squeezenet import *  # noqa: F403
from flambeau.vision.models.swin_transformer import *  # noqa: F403
from flambeau.vision.models.vgg import *  # noqa: F403
from flambeau.vision.models.vision_transformer import *  # noqa: F403


__getattr__ = _api.attributes(__name__)
