"""Operators on boxes and feature maps, and layers that models share (source: torchvision.ops)."""
from flambeau.vision.ops.boxes import *  # noqa: F403
from flambeau.vision.ops.drop_block import *  # noqa: F403
from flambeau.vision.ops.feature_pyramid_network import FeaturePyramidNetwork
from flambeau.vision.ops.focal_loss import sigmoid_focal_loss
from flambeau.vision.ops.iou_losses import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
)
from flambeau.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    ConvNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from flambeau.vision.ops.poolers import MultiScaleRoIAlign
from flambeau.vision.ops.regions import RoIAlign, RoIPool, roi_align, roi_pool
from flambeau.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth
