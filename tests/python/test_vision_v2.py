"""Transforms of v2 as torchvision 0.28 has them, of images and of samples with boxes and masks.

EXPECTED has what torchvision (with Pillow 13) gives for seed 1: of images of bytes the beginning of
the MD5 sum, of floats their sum and their sum with weights cos(i); then the next number that the
generator gives, which tells how many were drawn before.
"""

import hashlib
import math
import random

import pytest

import flambeau as torch

Image = pytest.importorskip("PIL.Image")

from flambeau.vision import tv_tensors
from flambeau.vision.transforms import v2 as T
from flambeau.vision.transforms.v2 import functional as F

I = T.InterpolationMode


def picture():
    """23 x 17 pixels of waves and noise."""
    draw = random.Random(1)
    values = [
        127 + 100 * ((i * 37 % 101) / 50 - 1) + draw.randrange(-20, 20) for i in range(23 * 17 * 3)
    ]
    return Image.frombytes("RGB", (23, 17), bytes(min(255, max(0, int(v))) for v in values))


P = picture()
U = F.pil_to_tensor(P).contiguous()
INPUTS = {"P": P, "U": U, "D": U.float() / 255}

CASES = {
    "Resize": T.Resize((10, 30)),
    "ResizeBic": T.Resize((9, 9), I.BICUBIC),
    "CenterCropBig": T.CenterCrop((30, 20)),
    "PadR": T.Pad((2, 3), padding_mode="reflect"),
    "RandomCrop": T.RandomCrop(12, padding=4),
    "RandomCropBig": T.RandomCrop(30, pad_if_needed=True),
    "HFlip": T.RandomHorizontalFlip(),
    "RRC": T.RandomResizedCrop(12),
    "RRC2": T.RandomResizedCrop((8, 14), scale=(0.5, 1), interpolation=I.BICUBIC),
    "Jitter": T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "Rotation": T.RandomRotation(30),
    "RotationE": T.RandomRotation((10, 50), expand=True, fill=3, interpolation=I.BILINEAR),
    "Affine": T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10),
    "AffineB": T.RandomAffine(
        20, (0.1, 0.2), (0.8, 1.2), (1, 2, 3, 4), interpolation=I.BILINEAR, fill=9
    ),
    "Gray": T.Grayscale(3),
    "RGray": T.RandomGrayscale(0.5),
    "Persp": T.RandomPerspective(0.5, 1.0),
    "PerspN": T.RandomPerspective(0.3, 0.7, interpolation=I.NEAREST, fill=4),
    "Blur": T.GaussianBlur(5),
    "Invert": T.RandomInvert(),
    "Posterize": T.RandomPosterize(3),
    "Solarize": T.RandomSolarize(100),
    "Sharp": T.RandomAdjustSharpness(2),
    "Eq": T.RandomEqualize(0.8),
    "Elastic": T.ElasticTransform(20.0, 1.0),
    "Erasing": T.RandomErasing(0.9),
    "ErasingR": T.RandomErasing(1.0, value="random"),
    "ErasingV": T.RandomErasing(1.0, value=(1, 2, 3)),
    "Apply": T.RandomApply([T.ColorJitter(0.2)], 0.6),
    "Choice": T.RandomChoice([T.Resize(5), T.Resize(6), T.RandomCrop(3)]),
    "Order": T.RandomOrder([T.RandomHorizontalFlip(), T.RandomCrop(15), T.RandomRotation(5)]),
    "ToImage": T.ToImage(),
    "ToDtype": T.ToDtype(torch.float32, scale=True),
    "Compose": T.Compose(
        [
            T.ToImage(),
            T.RandomResizedCrop(14),
            T.RandomHorizontalFlip(),
            T.ToDtype(torch.float32, scale=True),
            T.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
            T.RandomErasing(),
        ]
    ),
    "ZoomOut": T.RandomZoomOut(p=0.8),
    "ScaleJitter": T.ScaleJitter((20, 20)),
    "Shortest": T.RandomShortestSize([10, 12, 14]),
    "RResize": T.RandomResize(8, 20),
    "Perm": T.RandomChannelPermutation(),
    "Noise": T.GaussianNoise(),
    "Resize1": T.Resize(9),
    "CenterCrop": T.CenterCrop(11),
    "Pad": T.Pad((1, 2, 3, 4), fill=7),
    "VFlip": T.RandomVerticalFlip(),
    "RotationC": T.RandomRotation(30, center=(3, 4)),
    "Auto": T.AutoAugment(),
    "AutoSVHN": T.AutoAugment(T.AutoAugmentPolicy.SVHN, fill=9),
    "Rand": T.RandAugment(4, 7, interpolation="bilinear"),
    "Trivial": T.TrivialAugmentWide(),
    "Mix": T.AugMix(),
    "MixFew": T.AugMix(5, 2, 3, all_ops=False),
    "Photo": T.RandomPhotometricDistort(p=0.8),
    "IoU": T.RandomIoUCrop(),
}

EXPECTED = """
Resize/P 9bb41d4d57 0.757632
Resize/U 90d1c4011d 0.757632
Resize/D F:447.432,2.492 0.757632
ResizeBic/P afeb10c3e5 0.757632
ResizeBic/U 00c79d9456 0.757632
ResizeBic/D F:120.813,0.044 0.757632
CenterCropBig/P 803db01a4d 0.757632
CenterCropBig/U 1c9704c934 0.757632
CenterCropBig/D F:507.518,0.394 0.757632
PadR/P 3abecb6de7 0.757632
PadR/U 8128529ee7 0.757632
PadR/D F:925.843,0.513 0.757632
RandomCrop/P c25e107956 0.403069
RandomCrop/U 19b7a8afa5 0.403069
RandomCrop/D F:142.020,1.246 0.403069
RandomCropBig/P d6438fcc3c 0.403069
RandomCropBig/U 54a9362026 0.403069
RandomCropBig/D F:582.902,-0.969 0.403069
HFlip/P b5d151d2ca 0.279311
HFlip/U b8c4cac986 0.279311
HFlip/D F:582.902,-1.749 0.279311
RRC/P 73951e5372 0.397137
RRC/U e67c7e2f96 0.397137
RRC/D F:216.446,-1.330 0.397137
RRC2/P 7293ef8221 0.397137
RRC2/U 8385589d21 0.397137
RRC2/D F:167.761,0.252 0.397137
Jitter/P 14dc259ae8 0.754372
Jitter/U 9a836879ec 0.754372
Jitter/D F:711.202,-1.877 0.754372
Rotation/P 29c45a9de6 0.279311
Rotation/U f2e222c579 0.279311
Rotation/D F:515.486,2.286 0.279311
RotationE/P fff062cc40 0.279311
RotationE/U e160c81e62 0.279311
RotationE/D F:4612.749,3.638 0.279311
Affine/P 72679e23cf 0.799859
Affine/U 0f04be391e 0.799859
Affine/D F:566.753,-2.627 0.799859
AffineB/P 81ed98fbc4 0.397137
AffineB/U f160e3225d 0.397137
AffineB/D F:951.088,8.898 0.397137
Gray/P 9b7397a511 0.757632
Gray/U f1f25a41c5 0.757632
Gray/D F:582.779,0.568 0.757632
RGray/P b5d151d2ca 0.279311
RGray/U b8c4cac986 0.279311
RGray/D F:582.902,-1.749 0.279311
Persp/P c82c3fbb4e 0.438778
Persp/U 17c03bd01f 0.438778
Persp/D F:232.598,0.534 0.438778
PerspN/P b5d151d2ca 0.279311
PerspN/U b8c4cac986 0.279311
PerspN/D F:582.902,-1.749 0.279311
Blur/P 31205f3623 0.279311
Blur/U 46ce803a5a 0.279311
Blur/D F:583.412,-0.287 0.279311
Invert/P b5d151d2ca 0.279311
Invert/U b8c4cac986 0.279311
Invert/D F:582.902,-1.749 0.279311
Posterize/P b5d151d2ca 0.279311
Posterize/U b8c4cac986 0.279311
Posterize/D F:582.902,-1.749 0.279311
Solarize/P b5d151d2ca 0.279311
Solarize/U b8c4cac986 0.279311
Solarize/D F:582.902,-1.749 0.279311
Sharp/P b5d151d2ca 0.279311
Sharp/U b8c4cac986 0.279311
Sharp/D F:582.902,-1.749 0.279311
Eq/P d814b99119 0.279311
Eq/U c4d7b8514c 0.279311
Eq/D F:786.259,-0.437 0.279311
Elastic/P 538a87f5ce 0.442686
Elastic/U 57f66a17fd 0.442686
Elastic/D F:484.789,2.282 0.442686
Erasing/P c9dc3e9345 0.799859
Erasing/U 43ad07a152 0.799859
Erasing/D F:519.726,-1.208 0.799859
ErasingR/P ed660ba71c 0.661592
ErasingR/U 3970d2fefb 0.661592
ErasingR/D F:506.231,3.638 0.661592
ErasingV/P 204f238dd0 0.799859
ErasingV/U 753bd869a0 0.799859
ErasingV/D F:771.726,-0.904 0.799859
Apply/P b5d151d2ca 0.279311
Apply/U b8c4cac986 0.279311
Apply/D F:582.902,-1.749 0.279311
Choice/P f3a46b90ac 0.397137
Choice/U b0696b4838 0.397137
Choice/D F:44.742,0.759 0.397137
Order/P 4ea0aee60a 0.397137
Order/U 6a5cb29d6e 0.397137
Order/D F:331.153,1.426 0.397137
Compose/P F:1.459,7.195 0.569508
Compose/U F:1.459,7.195 0.569508
Compose/D F:1.301,7.158 0.569508
ToImage/P b8c4cac986 0.757632
ToImage/U b8c4cac986 0.757632
ToImage/D F:582.902,-1.749 0.757632
ToDtype/P b5d151d2ca 0.757632
ToDtype/U F:582.902,-1.749 0.757632
ToDtype/D F:582.902,-1.749 0.757632
ZoomOut/P 8816fb0e02 0.029282
ZoomOut/U 149e2cb650 0.029282
ZoomOut/D F:582.902,0.136 0.029282
ScaleJitter/P aca3cbebcb 0.279311
ScaleJitter/U c7d1c2c899 0.279311
ScaleJitter/D F:984.294,1.176 0.279311
Shortest/P ce2e56e36d 0.279311
Shortest/U 879f04747e 0.279311
Shortest/D F:286.198,-0.357 0.279311
RResize/P 5e4826a303 0.279311
RResize/U 2ebb425efd 0.279311
RResize/D F:161.060,-0.508 0.279311
Perm/P 009bdb5abd 0.403069
Perm/U 52763bc8ac 0.403069
Perm/D F:582.902,-0.095 0.403069
Noise/U b68c1eea0a 0.570900
Noise/D F:584.697,-0.644 0.570900
Auto/P d814b99119 0.734684
Auto/U c4d7b8514c 0.734684
Auto/D F:786.259,-0.437 0.734684
AutoSVHN/P a76b32ee00 0.029282
AutoSVHN/U 3fe6f7af41 0.029282
AutoSVHN/D F:3433.067,-5.005 0.029282
Rand/P 05054f59b0 0.569508
Rand/U 31d5877cd2 0.569508
Rand/D F:502.582,-3.229 0.569508
Trivial/P 32718696ff 0.734684
Trivial/D F:582.801,0.163 0.734684
Mix/P e2ecf6089d 0.236591
Mix/U 50b88338b6 0.236591
Mix/D F:582.799,-1.779 0.236591
MixFew/P ccddecb04a 0.798064
MixFew/U 551945d73a 0.798064
MixFew/D F:481.263,-2.064 0.798064
Photo/P a63b0df5cf 0.682614
Photo/U 1386cdfdf9 0.682614
Photo/D F:514.667,5.073 0.682614
"""


def digest(value):
    """What EXPECTED has of a result."""
    if isinstance(value, Image.Image):
        return hashlib.md5(value.tobytes()).hexdigest()[:10]
    if not value.is_floating_point():
        return hashlib.md5(repr(value.long().reshape(-1).tolist()).encode()).hexdigest()[:10]
    flat = value.double().reshape(-1).tolist()
    return sum(flat), sum(v * math.cos(i) for i, v in enumerate(flat))


@pytest.mark.parametrize("line", EXPECTED.strip().splitlines(), ids=lambda line: line.split()[0])
def test_as_torchvision(line):
    key, expected, following = line.split()
    name, kind = key.rsplit("/", 1)
    torch.manual_seed(1)
    random.seed(1)
    found = digest(CASES[name](INPUTS[kind]))
    if expected.startswith("F:"):
        assert found == pytest.approx([float(v) for v in expected[2:].split(",")], abs=5e-3)
    else:
        assert found == expected
    assert torch.rand(1).item() == pytest.approx(float(following), abs=1e-6)


# The image, the sum of boxes and their sum with weights, the masks, the size of the canvas.
SAMPLES = """
Resize 90d1c4011d 66.496,20.998 387988a0fa 36375b5c69
Resize1 2ebb425efd 35.716,9.915 c76a869646 6755237a6e
CenterCrop 6428cb6d6a 33.000,11.534 f7e2dbcfd6 e3ebfc594f
CenterCropBig 1c9704c934 84.000,20.674 dd4f7afeb3 64546a3104
Pad 4cdf362ffe 80.000,20.994 c3d5c83eb2 372877b56b
RandomCrop 19b7a8afa5 24.000,8.191 1c6b285f79 d282c39830
HFlip b8c4cac986 68.000,18.928 9dbdb9f1cf d0864167ec
VFlip b8c4cac986 68.000,18.928 9dbdb9f1cf d0864167ec
RRC e67c7e2f96 44.714,10.963 a3405a1bbe d282c39830
RRC2 8385589d21 39.289,11.709 a7a492d3cc 71fffc315d
Rotation f2e222c579 70.033,18.093 1e3ffad2ad d0864167ec
RotationC 4a4c6a72ac 64.419,17.610 0fac38c747 d0864167ec
Affine 0f04be391e 57.735,18.262 c58dea1383 d0864167ec
AffineB f160e3225d 58.503,19.135 33fa8e4ae3 d0864167ec
Persp 17c03bd01f 81.335,17.974 bf0e791ec5 d0864167ec
Blur 46ce803a5a 68.000,18.928 9dbdb9f1cf d0864167ec
Gray f1f25a41c5 68.000,18.928 9dbdb9f1cf d0864167ec
ZoomOut 149e2cb650 136.000,31.039 0dd0b223f2 766343e22b
Elastic 57f66a17fd 70.089,19.046 7e760dcc4d d0864167ec
Photo 1386cdfdf9 68.000,18.928 9dbdb9f1cf d0864167ec
IoU 5f09b6357a 51.000,15.520 e4345d8c7a c965c4fea2
"""


@pytest.mark.parametrize("line", SAMPLES.strip().splitlines(), ids=lambda line: line.split()[0])
def test_samples_move_together(line):
    name, image, boxes, mask, size = line.split()
    corners = torch.tensor([[2.0, 3, 10, 9], [5, 4, 20, 15]])
    sample = {
        "img": tv_tensors.Image(U),
        "b": tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(17, 23)),
        "m": tv_tensors.Mask((U[:2] > 128).to(torch.uint8)),
        "l": 3,
    }
    torch.manual_seed(1)
    moved = CASES[name](sample)
    assert digest(moved["img"])[:10] == image and digest(moved["m"])[:10] == mask
    found = [float(v) for v in boxes.split(",")]
    assert digest(moved["b"].as_subclass(torch.Tensor)) == pytest.approx(found, abs=5e-3)
    assert digest(torch.tensor(list(moved["b"].canvas_size))) == size
    kinds = [type(moved[k]) for k in "bm"]
    assert kinds == [tv_tensors.BoundingBoxes, tv_tensors.Mask] and moved["l"] == 3
    assert isinstance(moved["img"], (tv_tensors.Image, Image.Image))


def test_structures_are_kept():
    flip = T.RandomHorizontalFlip(1.0)
    image, others = flip([U, (1, {"a": "b"})])
    assert torch.equal(image, U.flip(-1)) and others == (1, {"a": "b"})
    first, second = flip(U, torch.ones(2, 3))
    assert torch.equal(first, U.flip(-1)) and torch.equal(second, torch.ones(2, 3))
    image, extra = flip(P, torch.ones(2, 3))  # where there is an image, plain tensors stay
    assert image.tobytes() == F.hflip(P).tobytes() and torch.equal(extra, torch.ones(2, 3))


def test_kinds():
    image = T.ToImage()(P)
    assert type(image) is tv_tensors.Image and type(image + 1) is torch.Tensor
    assert type(T.ToPureTensor()(image)) is torch.Tensor
    boxes = tv_tensors.BoundingBoxes([1, 2, 3, 4], format="XYWH", canvas_size=(9, 9))
    assert F.convert_bounding_box_format(boxes, new_format="XYXY").tolist() == [[1, 2, 4, 6]]
    both = T.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
    scaled, kept = both(image, boxes)
    assert scaled.dtype == torch.float32 and float(scaled.max()) <= 1 and kept is boxes


def test_boxes_are_sanitized():
    corners = torch.tensor([[1.0, 1, 5, 5], [2, 2, 2, 9], [0, 0, 30, 5]])
    boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(10, 10))
    kept = T.SanitizeBoundingBoxes()({"boxes": boxes, "labels": torch.tensor([7, 8, 9])})
    assert kept["boxes"].tolist() == [[1, 1, 5, 5]] and kept["labels"].tolist() == [7]
    clamped = T.ClampBoundingBoxes()(boxes)
    assert clamped[2].tolist() == [0, 0, 10, 5]


def test_repr():
    assert repr(T.RandomHorizontalFlip(0.3)) == "RandomHorizontalFlip(p=0.3)"
    assert repr(T.Resize(9)) == "Resize(size=[9], interpolation=bilinear, antialias=True)"
    assert repr(T.Compose([T.ToImage(), T.Pad((1, 2))])) == (
        "Compose(\n      ToImage()\n      Pad(padding=[1, 2], fill=0, padding_mode=constant)\n)"
    )


def test_boxes_of_integers_stay_so_and_boxes_print_what_they_are():
    from flambeau.vision import tv_tensors

    boxes = tv_tensors.BoundingBoxes(
        [[1, 2, 10, 12], [5, 5, 20, 20]], format="XYXY", canvas_size=(24, 32))
    middles = F.convert_bounding_box_format(boxes, new_format="CXCYWH")
    assert middles.dtype == torch.int64 and middles.tolist() == [[5, 7, 9, 10], [12, 12, 15, 15]]
    back = F.convert_bounding_box_format(middles, new_format="XYXY")
    assert back.tolist() == [[0, 2, 9, 12], [4, 4, 19, 19]]
    assert repr(boxes[:1]) == "tensor([[ 1,  2, 10, 12]])"
    assert repr(boxes) == (
        "BoundingBoxes([[ 1,  2, 10, 12],\n               [ 5,  5, 20, 20]], "
        "format=BoundingBoxFormat.XYXY, canvas_size=(24, 32), clamping_mode=soft)")


def test_videos_and_files():
    video = tv_tensors.Video(torch.stack([U, 255 - U, U]))
    assert torch.equal(T.UniformTemporalSubsample(2)(video), video[::2])
    assert type(T.AugMix()(video)) is tv_tensors.Video and T.ToImage()(video) is video
    torch.manual_seed(0)
    squeezed = T.JPEG((20, 60))(U)
    assert squeezed.shape == U.shape and 0 < (squeezed.int() - U.int()).abs().sum().item() < 60000
    with pytest.raises(ValueError, match="^quality must be an integer from 1 to 100"):
        T.JPEG(0)


@pytest.mark.parametrize("transform, message", [
    (T.RandAugment(), "Inputs of type BoundingBoxes are not supported by RandAugment()"),
    (T.FiveCrop(9), "BoundingBoxes'es and Mask's are not supported by FiveCrop()"),
    (T.RandomIoUCrop(), "RandomIoUCrop() requires input sample to contain tensor or PIL images"),
])
def test_samples_that_are_refused(transform, message):
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(17, 23))
    with pytest.raises(TypeError) as caught:
        transform(boxes if message.startswith("RandomIoU") else (U, boxes))
    assert str(caught.value).startswith(message)
    with pytest.raises(ValueError, match="^No bounding boxes were found in the sample"):
        T.SanitizeBoundingBoxes(labels_getter=None)(U)
