"""Boxes: rows (x1, y1, x2, y2) unless said otherwise (source: torchvision.ops.boxes)."""
from __future__ import annotations

import math

import flambeau
from flambeau import _C

__all__ = [
    "nms",
    "batched_nms",
    "remove_small_boxes",
    "clip_boxes_to_image",
    "box_convert",
    "box_area",
    "box_iou",
    "generalized_box_iou",
    "complete_box_iou",
    "distance_box_iou",
    "masks_to_boxes",
]


def nms(boxes, scores, iou_threshold):
    """Which boxes (N, 4) stay when each, by falling score (N), drops those that overlap it by more
    than iou_threshold: int64 indices by falling score."""
    return _C._nms(boxes, scores, iou_threshold)


def batched_nms(boxes, scores, idxs, iou_threshold):
    """nms within each class; idxs (N) has the boxes' classes."""
    if boxes.numel() == 0:
        return flambeau.empty((0,), dtype=flambeau.int64)
    if boxes.numel() > 4000:
        keep = flambeau.zeros_like(scores, dtype=flambeau.bool)
        for label in flambeau.unique(idxs):
            of_class = flambeau.where(idxs == label)[0]
            keep[of_class[nms(boxes[of_class], scores[of_class], iou_threshold)]] = True
        kept = flambeau.where(keep)[0]
        return kept[scores[kept].sort(descending=True)[1]]
    # Classes far apart from one another do not overlap.
    apart = idxs.to(boxes) * (boxes.max() + flambeau.tensor(1).to(boxes))
    return nms(boxes + apart[:, None], scores, iou_threshold)


def remove_small_boxes(boxes, min_size):
    """The indices of boxes whose sides are at least min_size."""
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return flambeau.where((w >= min_size) & (h >= min_size))[0]


def clip_boxes_to_image(boxes, size):
    """Boxes (..., 4) held inside an image of size (height, width)."""
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return flambeau.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def _from_middle(boxes):
    cx, cy, w, h = boxes.unbind(-1)
    return flambeau.stack((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), -1)


def _to_middle(boxes):
    x1, y1, x2, y2 = boxes.unbind(-1)
    return flambeau.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), -1)


def _from_size(boxes):
    x, y, w, h = boxes.unbind(-1)
    return flambeau.stack([x, y, x + w, y + h], -1)


def _to_size(boxes):
    x1, y1, x2, y2 = boxes.unbind(-1)
    return flambeau.stack((x1, y1, x2 - x1, y2 - y1), -1)


_CONVERSIONS = {
    "xyxy": (flambeau.clone, flambeau.clone),
    "xywh": (_from_size, _to_size),
    "cxcywh": (_from_middle, _to_middle),
}


def box_convert(boxes, in_fmt, out_fmt):
    """Boxes (..., 4) in another form: xyxy (two corners), xywh (a corner and the sizes), cxcywh
    (the middle and the sizes)."""
    if in_fmt not in _CONVERSIONS or out_fmt not in _CONVERSIONS:
        raise ValueError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    if in_fmt != "xyxy":
        boxes = _CONVERSIONS[in_fmt][0](boxes)
    return boxes if out_fmt == "xyxy" else _CONVERSIONS[out_fmt][1](boxes)


def _wide(t):
    """t in a dtype that its products do not overflow."""
    if t.is_floating_point():
        return t if t.dtype in (flambeau.float32, flambeau.float64) else t.float()
    return t if t.dtype in (flambeau.int32, flambeau.int64) else t.int()


def box_area(boxes, fmt="xyxy"):
    """The areas (N) of boxes (N, 4) of form xyxy, xywh or cxcywh."""
    if fmt not in _CONVERSIONS:
        raise ValueError(
            f"Unsupported Bounding Box area for given format {fmt}"
        )
    boxes = _wide(boxes)
    if fmt != "xyxy":
        return boxes[..., 2] * boxes[..., 3]
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _as_corners(fmt, *boxes):
    if fmt not in _CONVERSIONS:
        raise ValueError(f"Unsupported Box IoU Calculation for given format {fmt}.")
    return boxes if fmt == "xyxy" else [box_convert(b, fmt, "xyxy") for b in boxes]


def _inter_union(boxes1, boxes2):
    area1, area2 = box_area(boxes1), box_area(boxes2)
    top_left = flambeau.max(boxes1[..., None, :2], boxes2[..., None, :, :2])
    bottom_right = flambeau.min(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    sides = _wide(bottom_right - top_left).clamp(min=0)
    inter = sides[..., 0] * sides[..., 1]
    return inter, area1[..., None] + area2[..., None, :] - inter


def box_iou(boxes1, boxes2, fmt="xyxy"):
    """Overlap over union of each pair of boxes (N, 4) and (M, 4): (N, M)."""
    inter, union = _inter_union(*_as_corners(fmt, boxes1, boxes2))
    return inter / union


def _hull(boxes1, boxes2):
    """The sides (N, M, 2) of the smallest box around each pair."""
    top_left = flambeau.min(boxes1[..., None, :2], boxes2[..., None, :, :2])
    bottom_right = flambeau.max(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    return _wide(bottom_right - top_left).clamp(min=0)


def generalized_box_iou(boxes1, boxes2):
    """box_iou less the part of the hull that neither fills (Rezatofighi et al., 2019)."""
    inter, union = _inter_union(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    area = sides[..., 0] * sides[..., 1]
    return inter / union - (area - union) / area


def _distance_iou(boxes1, boxes2, eps):
    iou = box_iou(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    diagonal = sides[..., 0] ** 2 + sides[..., 1] ** 2 + eps
    middle1, middle2 = ((b[..., :2] + b[..., 2:]) / 2 for b in (boxes1, boxes2))
    apart = _wide(middle1[..., None, :] - middle2[..., None, :, :])
    return iou - (apart[..., 0] ** 2 + apart[..., 1] ** 2) / diagonal, iou


def distance_box_iou(boxes1, boxes2, eps=1e-7):
    """box_iou less the distance of the middles over the hull's diagonal (Zheng et al., 2020)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    return _distance_iou(boxes1, boxes2, eps)[0]


def complete_box_iou(boxes1, boxes2, eps=1e-7):
    """distance_box_iou less a penalty for different shapes (Zheng et al., 2020)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    distance_iou, iou = _distance_iou(boxes1, boxes2, eps)
    slope1, slope2 = (
        flambeau.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes1, boxes2)
    )
    v = (4 / math.pi**2) * (slope1[..., None] - slope2[..., None, :]) ** 2
    with flambeau.no_grad():
        alpha = v / (1 - iou + v + eps)
    return distance_iou - alpha * v


def masks_to_boxes(masks):
    """The smallest boxes (N, 4) around the elements of masks (N, H, W) that are not 0."""
    boxes = flambeau.zeros((masks.shape[0], 4), dtype=flambeau.float32)
    for i, mask in enumerate(masks):
        y, x = flambeau.where(mask != 0)
        boxes[i] = flambeau.stack([x.min(), y.min(), x.max(), y.max()]).float()
    return boxes
