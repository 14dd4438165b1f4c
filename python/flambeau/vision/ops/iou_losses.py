"""Losses of boxes against boxes, pair by pair (source: torchvision.ops.giou_loss, diou_loss,
ciou_loss)."""
from __future__ import annotations

import math

import flambeau
from flambeau.vision.ops.boxes import _wide
from flambeau.vision.ops.focal_loss import reduced


def _parts(boxes1, boxes2, eps):
    """(overlap over union, union, the sides of the hull) of each pair."""
    sides = flambeau.min(boxes1[..., 2:], boxes2[..., 2:]) - flambeau.max(
        boxes1[..., :2], boxes2[..., :2]
    )
    inter = flambeau.where((sides > 0).all(-1), sides.prod(-1), flambeau.zeros_like(sides[..., 0]))
    area1, area2 = ((b[..., 2:] - b[..., :2]).prod(-1) for b in (boxes1, boxes2))
    union = area1 + area2 - inter
    hull = flambeau.max(boxes1[..., 2:], boxes2[..., 2:]) - flambeau.min(
        boxes1[..., :2], boxes2[..., :2]
    )
    return inter / (union + eps), union, hull


def generalized_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """1 - generalized_box_iou of boxes (N, 4) and (N, 4), pair by pair."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    iou, union, hull = _parts(boxes1, boxes2, eps)
    area = hull.prod(-1)
    return reduced(1 - (iou - (area - union) / (area + eps)), reduction)


def _distance_loss(boxes1, boxes2, eps):
    iou, _, hull = _parts(boxes1, boxes2, eps)
    apart = (boxes1[..., :2] + boxes1[..., 2:] - boxes2[..., :2] - boxes2[..., 2:]) / 2
    return 1 - iou + (apart**2).sum(-1) / ((hull**2).sum(-1) + eps), iou


def distance_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """1 - distance_box_iou of boxes (N, 4) and (N, 4), pair by pair."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    return reduced(_distance_loss(boxes1, boxes2, eps)[0], reduction)


def complete_box_iou_loss(boxes1, boxes2, reduction="none", eps=1e-7):
    """1 - complete_box_iou of boxes (N, 4) and (N, 4), pair by pair."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    loss, iou = _distance_loss(boxes1, boxes2, eps)
    slope1, slope2 = (
        flambeau.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes1, boxes2)
    )
    v = (4 / math.pi**2) * (slope2 - slope1) ** 2
    with flambeau.no_grad():
        alpha = v / (1 - iou + v + eps)
    return reduced(loss + alpha * v, reduction)
