"""Operators on images and regions: PyTorch's and torchvision's numbers, derivatives, refusals."""
import pytest

import flambeau as torch
from flambeau.autograd.gradcheck import gradcheck
from flambeau.nn import functional as F
from flambeau.vision import ops

X = torch.arange(24.0).reshape(1, 1, 4, 6) / 7
GRID = torch.tensor(
    [[[[-1.2, 0.3], [0.0, 0.0], [0.91, -0.95]], [[0.5, 1.4], [-0.4, -0.6], [1.0, 1.0]]]]
)
SAMPLED = {
    ("bilinear", "zeros"): [0.0, 1.64286, 0.33, 0.0, 0.44286, 0.82143],
    ("bilinear", "border"): [1.8, 1.64286, 0.71429, 3.14286, 0.44286, 3.28571],
    ("bilinear", "reflection"): [1.81429, 1.64286, 0.71429, 2.88571, 0.44286, 3.28571],
    ("nearest", "zeros"): [0.0, 2.0, 0.71429, 0.0, 0.14286, 0.0],
    ("nearest", "border"): [1.71429, 2.0, 0.71429, 3.14286, 0.14286, 3.28571],
    ("nearest", "reflection"): [1.71429, 2.0, 0.71429, 3.14286, 0.14286, 3.28571],
    ("bicubic", "zeros"): [-0.11263, 1.64286, 0.2825, -0.3465, 0.41149, 0.8683],
    ("bicubic", "border"): [1.83664, 1.64286, 0.63632, 3.14286, 0.39036, 3.37946],
    ("bicubic", "reflection"): [1.84739, 1.64286, 0.57897, 2.94421, 0.39036, 3.47321],
}


def near(tensor, values, abs=2e-5):
    return tensor.reshape(-1).tolist() == pytest.approx(values, abs=abs)


@pytest.mark.parametrize("mode, padding", SAMPLED)
def test_grid_sample(mode, padding):
    found = F.grid_sample(X, GRID, mode, padding, align_corners=False)
    assert tuple(found.shape) == (1, 1, 2, 3)
    assert near(found, SAMPLED[mode, padding])


def test_grid_sample_of_corners():
    found = F.grid_sample(X, GRID, align_corners=True)
    assert near(found, [0.83571, 1.64286, 0.74643, 1.24286, 0.72857, 3.28571])


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode, padding", SAMPLED)
def test_grid_sample_gradients(mode, padding, align_corners):
    torch.manual_seed(0)
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    grid = (torch.rand(2, 3, 2, 2, dtype=torch.float64) * 2.6 - 1.3).requires_grad_()
    assert gradcheck(lambda x, g: F.grid_sample(x, g, mode, padding, align_corners), (x, grid))


def test_grid_sample_has_no_second_derivative():
    x = torch.rand(1, 1, 3, 3, requires_grad=True)
    y = F.grid_sample(x, torch.zeros(1, 1, 1, 2), align_corners=False)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="grid_sampler_2d_backward is not implemented"):
        first.sum().backward()


THETA = torch.tensor([[[1.0, 0.5, 0.1], [-0.5, 2.0, 0.2]]])


def test_affine_grid():
    cells = [-0.81667, -0.46667, -0.15, -0.8, 0.51667, -1.13333]
    cells += [-0.31667, 1.53333, 0.35, 1.2, 1.01667, 0.86667]
    corners = [-1.4, -1.3, -0.4, -1.8, 0.6, -2.3, -0.4, 2.7, 0.6, 2.2, 1.6, 1.7]
    assert near(F.affine_grid(THETA, (1, 1, 2, 3), align_corners=False), cells)
    assert near(F.affine_grid(THETA, (1, 1, 2, 3), align_corners=True), corners)
    theta = THETA.double().requires_grad_()
    assert gradcheck(lambda t: F.affine_grid(t, (1, 1, 2, 3), align_corners=False), (theta,))


RESIZED = {
    "bilinear": (
        [0.71429, 0.96939, 1.22449, 2.06122, 2.31633, 2.57143],
        [42, 58, 73, 123, 139, 154],
        [1.28571, 1.375, 1.48214, 1.58929, 1.69643, 1.80357, 1.91071, 2.0],
    ),
    "bicubic": (
        [0.58066, 0.86009, 1.13953, 2.14618, 2.42562, 2.70506],
        [34, 51, 68, 128, 145, 162],
        [1.27825, 1.36523, 1.48214, 1.58929, 1.69643, 1.80357, 1.92049, 2.00746],
    ),
    "lanczos": (
        [0.53047, 0.81839, 1.10632, 2.1794, 2.46732, 2.75524],
        [31, 49, 66, 130, 148, 165],
        [1.27878, 1.35953, 1.49089, 1.58701, 1.69871, 1.79483, 1.92618, 2.00693],
    ),
}


@pytest.mark.parametrize("mode", RESIZED)
def test_antialiased_resizing(mode):
    smaller, of_bytes, row = RESIZED[mode]
    assert near(F.interpolate(X, (2, 3), mode=mode, antialias=True), smaller)
    pixels = (X * 60).to(torch.uint8)
    assert F.interpolate(pixels, (2, 3), mode=mode, antialias=True).flatten().tolist() == of_bytes
    assert near(F.interpolate(X, (3, 8), mode=mode, antialias=True)[0, 0, 1], row)
    halved = F.interpolate(X.half(), (2, 3), mode=mode, antialias=True)
    assert halved.dtype == torch.float16 and near(halved, smaller, abs=2e-3)


@pytest.mark.parametrize("size", [(2, 3), (7, 5), (4, 6)])
@pytest.mark.parametrize("mode", RESIZED)
def test_antialiased_resizing_gradients(mode, size):
    torch.manual_seed(0)
    x = torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: F.interpolate(x, size, mode=mode, antialias=True), (x,))
    y = F.interpolate(x, size, mode=mode, antialias=True).pow(2).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    first.pow(2).sum().backward()
    assert x.grad.abs().sum().item() > 0


def test_antialiased_resizing_refuses():
    with pytest.raises(ValueError, match="Anti-alias option is restricted to bilinear, bicubic"):
        F.interpolate(X, (2, 2), mode="nearest", antialias=True)
    with pytest.raises(RuntimeError, match="Input and output sizes should be greater than 0"):
        F.interpolate(X, (0, 2), mode="bilinear", antialias=True)


# ---- Regions -------------------------------------------------------------------------------------

ROIS = torch.tensor([[0, 0.5, 0.5, 4.0, 3.0], [0, 1.0, 1.0, 2.5, 2.0]])


def test_roi_align():
    aligned = [0.66071, 0.91071, 1.73214, 1.98214, 0.76786, 0.875, 1.19643, 1.30357]
    plain = [1.16071, 1.41071, 2.23214, 2.48214, 1.26786, 1.375, 1.69643, 1.80357]
    assert near(ops.roi_align(X, ROIS, 2, sampling_ratio=2, aligned=True), aligned)
    assert near(ops.roi_align(X, ROIS, (2, 2)), plain)
    boxes = [torch.tensor([[0.5, 0.5, 4.0, 3.0], [1.0, 1.0, 2.5, 2.0]])]
    assert near(ops.RoIAlign(2, 1.0, 2, aligned=True)(X, boxes), aligned)


def test_roi_pool():
    found = ops.roi_pool(X, ROIS, 2)
    # Rounded: columns 1 to 4, rows 1 to 3; bins of 1.5 rows and 2 columns.
    assert near(found[0], [14 / 7, 16 / 7, 20 / 7, 22 / 7])
    outside = torch.tensor([[0, 20.0, 20.0, 30.0, 30.0]])
    assert near(ops.roi_pool(X, outside, 2), [0, 0, 0, 0])


@pytest.mark.parametrize("what", [ops.roi_align, ops.roi_pool])
def test_roi_gradients(what):
    torch.manual_seed(0)
    x = torch.randn(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 0.6, 0.7, 4.1, 3.2], [1, 1.2, 1.1, 3.4, 5.2], [1, 0.3, 2.1, 4.0, 5]])
    assert gradcheck(lambda x: what(x, rois.double(), (2, 3), 0.9), (x,))
    y = what(x, rois.double(), (2, 3)).pow(2).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    first.pow(2).sum().backward()
    assert x.grad.abs().sum().item() > 0


def test_regions_are_checked():
    with pytest.raises(IndexError, match="region 0 is of image 1, but there are 1 images"):
        ops.roi_align(X, torch.tensor([[1.0, 0, 0, 1, 1]]), 2)
    with pytest.raises(IndexError, match="region 0 is of image nan"):
        ops.roi_pool(X, torch.tensor([[float("nan"), 0, 0, 1, 1]]), 2)
    with pytest.raises(AssertionError, match="not correct as Tensor"):
        ops.roi_align(X, torch.zeros(2, 4), 2)
    nothing = ops.roi_align(X, torch.zeros(0, 5), 2)
    assert tuple(nothing.shape) == (0, 1, 2, 2)


# ---- Boxes ---------------------------------------------------------------------------------------

BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 9, 10]])
SCORES = torch.tensor([0.5, 0.9, 0.1, 0.5])


def test_nms():
    assert ops.nms(BOXES, SCORES, 0.5).tolist() == [1, 2]
    assert ops.nms(BOXES, SCORES, 0.7).tolist() == [1, 0, 2]  # equal scores: the first stays
    assert ops.nms(BOXES, SCORES, 0.95).tolist() == [1, 0, 3, 2]
    assert ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
    classes = torch.tensor([0, 1, 0, 0])
    assert ops.batched_nms(BOXES, SCORES, classes, 0.5).tolist() == [1, 0, 2]
    with pytest.raises(RuntimeError, match="boxes should be a 2d tensor, got 1D"):
        ops.nms(torch.zeros(4), torch.zeros(1), 0.5)
    with pytest.raises(RuntimeError, match="same number of elements in dimension 0, got 4 and 2"):
        ops.nms(BOXES, torch.zeros(2), 0.5)


def test_box_relations():
    a, b = BOXES[:2], BOXES[1:]
    assert near(ops.box_iou(a, b), [0.680672, 0, 0.9, 1, 0, 0.610169], abs=1e-5)
    assert near(
        ops.generalized_box_iou(a, b), [0.664143, -0.777778, 0.9, 1, -0.762188, 0.585376], abs=1e-5
    )
    assert ops.box_area(BOXES).tolist() == [100, 100, 100, 90]
    middle = ops.box_convert(BOXES, "xyxy", "cxcywh")
    assert middle[3].tolist() == [4.5, 5, 9, 10]
    assert ops.box_convert(middle, "cxcywh", "xyxy").tolist() == BOXES.tolist()
    close = [0.672408, -0.444444, 0.898738, 1, -0.429251, 0.596736]
    assert near(ops.complete_box_iou(a, b), close, abs=1e-5)
    clipped = ops.clip_boxes_to_image(BOXES, (8, 25))
    assert clipped[1:3].tolist() == [[1, 1, 11, 8], [20, 8, 25, 8]]
    masks = torch.zeros(1, 5, 6, dtype=torch.bool)
    masks[0, 1:3, 2:5] = True
    assert ops.masks_to_boxes(masks).tolist() == [[2, 1, 4, 2]]


def test_losses():
    x, y = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([1.0, 0.0, 0.0])
    assert near(ops.sigmoid_focal_loss(x, y), [0.016893, 0.016994, 1.237559], abs=1e-5)
    assert near(ops.generalized_box_iou_loss(BOXES[:2], BOXES[1:3]), [0.335857, 1.762188], 1e-5)


def test_layers():
    torch.manual_seed(0)
    dropped = ops.StochasticDepth(0.4, "row")(torch.ones(6, 2))
    rows = dropped[:, 0].tolist()
    assert rows == pytest.approx([0 if v == 0 else 1 / 0.6 for v in rows]) and 0 in rows
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert repr(ops.FrozenBatchNorm2d(3)) == "FrozenBatchNorm2d(3, eps=1e-05)"
    layer = ops.Conv2dNormActivation(3, 4, kernel_size=5, dilation=2)
    assert tuple(layer(torch.rand(1, 3, 9, 9)).shape) == (1, 4, 9, 9)
    assert [type(m).__name__ for m in layer] == ["Conv2d", "BatchNorm2d", "ReLU"]


def test_feature_pyramid():
    from flambeau.vision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

    torch.manual_seed(0)
    maps = {"a": torch.rand(1, 4, 8, 8), "b": torch.rand(1, 8, 4, 4)}
    pyramid = ops.FeaturePyramidNetwork([4, 8], 6, LastLevelMaxPool())
    found = pyramid(maps)
    assert {name: tuple(x.shape) for name, x in found.items()} == {
        "a": (1, 6, 8, 8), "b": (1, 6, 4, 4), "pool": (1, 6, 2, 2)}
    assert [x.mean().item() for x in found.values()] == pytest.approx(
        [-0.014674, 0.018019, 0.041581], abs=2e-6)
    assert "inner_blocks.0.0.weight" in pyramid.state_dict()
    names = list(ops.FeaturePyramidNetwork([4, 8], 6, LastLevelP6P7(6, 6))(maps))
    assert names == ["a", "b", "p6", "p7"]
    with pytest.raises(ValueError, match="^in_channels=0 is currently not supported"):
        ops.FeaturePyramidNetwork([0], 2)


def test_regions_of_a_pyramid():
    pooler = ops.MultiScaleRoIAlign(["a", "b"], 2, 2, canonical_scale=16, canonical_level=3)
    maps = {"a": torch.zeros(1, 1, 8, 8), "b": torch.ones(1, 1, 4, 4)}
    boxes = [torch.tensor([[0.0, 0.0, 6.0, 6.0], [0.0, 0.0, 30.0, 30.0]])]
    assert pooler(maps, boxes, [(32, 32)]).mean((1, 2, 3)).tolist() == [0.0, 1.0]
    assert pooler.scales == [0.25, 0.125]


def test_drop_block():
    torch.manual_seed(0)
    layer = ops.DropBlock2d(0.3, 3)
    y = layer(torch.ones(2, 2, 6, 6))
    assert set((y == 0).view(-1).tolist()) == {True, False}
    assert y.mean() == pytest.approx(1, abs=1e-5) and layer.eval()(y) is y
    with pytest.raises(ValueError, match="^block size should be odd. Got 2 which is even."):
        ops.drop_block2d(y, 0.3, 2)
