"""Transforms as torchvision 0.28 has them: the same pixels, and the same numbers drawn on the way.

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

from flambeau.vision import transforms as T
from flambeau.vision.transforms import functional as F

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
    "Resize1": T.Resize(9),
    "ResizeBic": T.Resize((9, 9), I.BICUBIC),
    "ResizeN": T.Resize((9, 9), I.NEAREST),
    "ResizeNE": T.Resize((9, 11), I.NEAREST_EXACT),
    "ResizeUp": T.Resize(40),
    "CenterCrop": T.CenterCrop(11),
    "CenterCropBig": T.CenterCrop((30, 20)),
    "Pad": T.Pad((1, 2, 3, 4), fill=7),
    "PadE": T.Pad(3, padding_mode="edge"),
    "PadR": T.Pad((2, 3), padding_mode="reflect"),
    "PadS": T.Pad(3, padding_mode="symmetric"),
    "RandomCrop": T.RandomCrop(12, padding=4),
    "RandomCropBig": T.RandomCrop(30, pad_if_needed=True),
    "HFlip": T.RandomHorizontalFlip(),
    "VFlip": T.RandomVerticalFlip(),
    "RRC": T.RandomResizedCrop(12),
    "RRC2": T.RandomResizedCrop((8, 14), scale=(0.5, 1), interpolation=I.BICUBIC),
    "Jitter": T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "JitterB": T.ColorJitter(brightness=0.5),
    "JitterHue": T.ColorJitter(hue=0.3),
    "Rotation": T.RandomRotation(30),
    "RotationE": T.RandomRotation((10, 50), expand=True, fill=3, interpolation=I.BILINEAR),
    "RotationC": T.RandomRotation(30, center=(3, 4)),
    "Affine": T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10),
    "AffineB": T.RandomAffine(
        20, (0.1, 0.2), (0.8, 1.2), (1, 2, 3, 4), interpolation=I.BILINEAR, fill=9
    ),
    "Gray": T.Grayscale(3),
    "Gray1": T.Grayscale(),
    "RGray": T.RandomGrayscale(0.5),
    "Persp": T.RandomPerspective(0.5, 1.0),
    "PerspN": T.RandomPerspective(0.3, 0.7, interpolation=I.NEAREST, fill=4),
    "Blur": T.GaussianBlur(5),
    "Blur2": T.GaussianBlur((3, 7), (0.5, 1.0)),
    "Invert": T.RandomInvert(),
    "Posterize": T.RandomPosterize(3),
    "Solarize": T.RandomSolarize(100),
    "Sharp": T.RandomAdjustSharpness(2),
    "AutoC": T.RandomAutocontrast(),
    "Eq": T.RandomEqualize(0.8),
    "Elastic": T.ElasticTransform(20.0, 1.0),
    "AutoAug": T.AutoAugment(),
    "AutoAugC": T.AutoAugment(T.AutoAugmentPolicy.CIFAR10),
    "AutoAugS": T.AutoAugment(T.AutoAugmentPolicy.SVHN, fill=5),
    "RandAug": T.RandAugment(),
    "Trivial": T.TrivialAugmentWide(),
    "Erasing": T.RandomErasing(0.9),
    "ErasingR": T.RandomErasing(1.0, value="random"),
    "ErasingV": T.RandomErasing(1.0, value=(1, 2, 3)),
    "Apply": T.RandomApply([T.ColorJitter(0.2)], 0.6),
    "Choice": T.RandomChoice([T.Resize(5), T.Resize(6), T.RandomCrop(3)]),
    "Order": T.RandomOrder([T.RandomHorizontalFlip(), T.RandomCrop(15), T.RandomRotation(5)]),
    "ToTensor": T.ToTensor(),
    "PILToTensor": T.PILToTensor(),
    "Convert": T.ConvertImageDtype(torch.float32),
    "ConvertI": T.ConvertImageDtype(torch.int16),
    "Norm": T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)),
    "Compose": T.Compose(
        [
            T.RandomResizedCrop(14),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
            T.RandomErasing(),
        ]
    ),
    "F.gamma": lambda x: F.adjust_gamma(x, 1.7, 0.9),
    "F.hue": lambda x: F.adjust_hue(x, 0.2),
    "F.sat": lambda x: F.adjust_saturation(x, 0.3),
    "F.contrast": lambda x: F.adjust_contrast(x, 1.6),
    "F.bright": lambda x: F.adjust_brightness(x, 1.3),
    "F.sharp": lambda x: F.adjust_sharpness(x, 0.2),
    "F.crop": lambda x: F.crop(x, -2, 3, 25, 30),
    "F.rcrop": lambda x: F.resized_crop(x, 1, 2, 9, 10, (5, 6)),
    "F.dims": lambda x: torch.tensor(
        F.get_dimensions(x) + F.get_image_size(x) + [F.get_image_num_channels(x)]
    ),
    "F.solar": lambda x: F.solarize(
        x, 0.5 if isinstance(x, torch.Tensor) and x.is_floating_point() else 99
    ),
    "F.eq": F.equalize,
    "F.autoc": F.autocontrast,
    "F.post": lambda x: F.posterize(x, 2),
    "F.inv": F.invert,
    "F.rot": lambda x: F.rotate(x, 45),
    "F.rotE": lambda x: F.rotate(x, 45, expand=True),
    "F.aff": lambda x: F.affine(x, 10, [2, 3], 1.2, [5, 6]),
    "F.blur": lambda x: F.gaussian_blur(x, 3),
    "F.gray": lambda x: F.rgb_to_grayscale(x, 3),
    "F.erase": lambda x: F.erase(x, 2, 3, 4, 5, torch.tensor(1)),
    "F.padneg": lambda x: F.pad(x, [-1, 2, -3, 0]),
    "F.padnegS": lambda x: F.pad(x, [-1, 2, -3, 0], padding_mode="symmetric"),
}

EXPECTED = """
Resize/P 9bb41d4d57 0.757632
Resize/U e908e725fa 0.757632
Resize/D F:447.432,2.492 0.757632
Resize1/P 5e4826a303 0.757632
Resize1/U d978bbbd57 0.757632
Resize1/D F:161.060,-0.508 0.757632
ResizeBic/P afeb10c3e5 0.757632
ResizeBic/U 395f530342 0.757632
ResizeBic/D F:120.813,0.044 0.757632
ResizeN/P d8d0fc0656 0.757632
ResizeN/U 4d86efdd50 0.757632
ResizeN/D F:121.541,-2.402 0.757632
ResizeNE/P aa2769a742 0.757632
ResizeNE/U b397f75b0a 0.757632
ResizeNE/D F:147.314,-1.987 0.757632
ResizeUp/P e62e39f893 0.757632
ResizeUp/U b0e0b4d208 0.757632
ResizeUp/D F:3220.266,0.174 0.757632
CenterCrop/P b09f40cc7c 0.757632
CenterCrop/U 6428cb6d6a 0.757632
CenterCrop/D F:181.612,-2.314 0.757632
CenterCropBig/P 803db01a4d 0.757632
CenterCropBig/U 1c9704c934 0.757632
CenterCropBig/D F:507.518,0.394 0.757632
Pad/P 0dbf6feff0 0.757632
Pad/U 4cdf362ffe 0.757632
Pad/D F:5412.902,10.999 0.757632
PadE/P 28088da508 0.757632
PadE/U 6439540d15 0.757632
PadE/D F:992.208,-3.498 0.757632
PadR/P 3abecb6de7 0.757632
PadR/U 8128529ee7 0.757632
PadR/D F:925.843,0.513 0.757632
PadS/P 4364669a1b 0.757632
PadS/U 38cee6dbc6 0.757632
PadS/D F:993.000,-1.049 0.757632
RandomCrop/P c25e107956 0.403069
RandomCrop/U 19b7a8afa5 0.403069
RandomCrop/D F:142.020,1.246 0.403069
RandomCropBig/P d6438fcc3c 0.403069
RandomCropBig/U 54a9362026 0.403069
RandomCropBig/D F:582.902,-0.969 0.403069
HFlip/P b5d151d2ca 0.279311
HFlip/U b8c4cac986 0.279311
HFlip/D F:582.902,-1.749 0.279311
VFlip/P b5d151d2ca 0.279311
VFlip/U b8c4cac986 0.279311
VFlip/D F:582.902,-1.749 0.279311
RRC/P 73951e5372 0.397137
RRC/D F:216.446,-1.330 0.397137
RRC2/P 7293ef8221 0.397137
RRC2/U e3090d6c9f 0.397137
RRC2/D F:167.761,0.252 0.397137
Jitter/P 14dc259ae8 0.754372
Jitter/U 9a836879ec 0.754372
Jitter/D F:711.202,-1.877 0.754372
JitterB/P 5c06c92892 0.029282
JitterB/U 804420f386 0.029282
JitterB/D F:711.040,-1.540 0.029282
JitterHue/P 0b563c752f 0.029282
JitterHue/U f92c4b636d 0.029282
JitterHue/D F:550.801,0.001 0.029282
Rotation/P 29c45a9de6 0.279311
Rotation/U f2e222c579 0.279311
Rotation/D F:515.486,2.286 0.279311
RotationE/P fff062cc40 0.279311
RotationE/U e160c81e62 0.279311
RotationE/D F:4612.749,3.638 0.279311
RotationC/P 348b572ab2 0.279311
RotationC/U 4a4c6a72ac 0.279311
RotationC/D F:477.526,-1.098 0.279311
Affine/P 72679e23cf 0.799859
Affine/U 0f04be391e 0.799859
Affine/D F:566.753,-2.627 0.799859
AffineB/P 81ed98fbc4 0.397137
AffineB/U f160e3225d 0.397137
AffineB/D F:951.088,8.898 0.397137
Gray/P 9b7397a511 0.757632
Gray/U f1f25a41c5 0.757632
Gray/D F:582.779,0.568 0.757632
Gray1/P ef2c3736b1 0.757632
Gray1/U 0c5409b25a 0.757632
Gray1/D F:194.260,0.062 0.757632
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
Blur2/P bbc53f3c65 0.279311
Blur2/U cd977eae79 0.279311
Blur2/D F:583.414,-0.353 0.279311
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
AutoC/P b5d151d2ca 0.279311
AutoC/U b8c4cac986 0.279311
AutoC/D F:582.902,-1.749 0.279311
Eq/P d814b99119 0.279311
Eq/U c4d7b8514c 0.279311
Elastic/P 538a87f5ce 0.442686
Elastic/U 57f66a17fd 0.442686
Elastic/D F:484.789,2.282 0.442686
AutoAug/P d814b99119 0.799859
AutoAug/U c4d7b8514c 0.799859
AutoAugC/P e83ec2c5d7 0.799859
AutoAugC/U 3703eb07b4 0.799859
AutoAugS/P 22671a7962 0.799859
AutoAugS/U 5c55f52c2c 0.799859
RandAug/P af6d7c8d37 0.029282
RandAug/U b9754a327f 0.029282
RandAug/D F:513.579,2.259 0.029282
Trivial/P a8bf5dd799 0.734684
Trivial/U 1240fae4d9 0.734684
Trivial/D F:580.441,-3.566 0.734684
Erasing/U 43ad07a152 0.799859
Erasing/D F:519.726,-1.208 0.799859
ErasingR/U 3970d2fefb 0.661592
ErasingR/D F:506.231,3.638 0.661592
ErasingV/U 753bd869a0 0.799859
ErasingV/D F:771.726,-0.904 0.799859
Apply/P b5d151d2ca 0.279311
Apply/U b8c4cac986 0.279311
Apply/D F:582.902,-1.749 0.279311
Choice/P f3a46b90ac 0.757632
Choice/U 9beb2f959a 0.757632
Choice/D F:44.742,0.759 0.757632
Order/P 6299e58f65 0.029282
Order/U aa52343ebd 0.029282
Order/D F:337.235,1.872 0.029282
ToTensor/P F:582.902,-1.749 0.757632
PILToTensor/P b8c4cac986 0.757632
Convert/U F:582.902,-1.749 0.757632
Convert/D F:582.902,-1.749 0.757632
ConvertI/U ff7037ecb9 0.757632
ConvertI/D f4888513da 0.757632
Norm/D F:313.590,-7.155 0.757632
Compose/P F:1.451,7.163 0.569508
F.gamma/P 47b95e313c 0.757632
F.gamma/U 1f58b46fa9 0.757632
F.gamma/D F:364.287,-2.290 0.757632
F.hue/P 6dc14de608 0.757632
F.hue/U a4d01be4d8 0.757632
F.hue/D F:623.440,1.101 0.757632
F.sat/P ecca2bc1dc 0.757632
F.sat/U b5825eb716 0.757632
F.sat/D F:582.816,-0.127 0.757632
F.contrast/P 70b516bd31 0.757632
F.contrast/U 65d7d51d37 0.757632
F.contrast/D F:582.483,-3.047 0.757632
F.bright/P 8ef4159a8a 0.757632
F.bright/U 0aef045e73 0.757632
F.bright/D F:740.638,-1.132 0.757632
F.sharp/P 1e5bc729be 0.757632
F.sharp/U e6b93afa6c 0.757632
F.sharp/D F:582.429,-0.062 0.757632
F.crop/P 168c726981 0.757632
F.crop/U c94a49fa4a 0.757632
F.crop/D F:508.153,1.695 0.757632
F.rcrop/P 31b0cb3bfa 0.757632
F.rcrop/U 0c25a449fb 0.757632
F.rcrop/D F:45.062,1.161 0.757632
F.dims/P f02e514aa6 0.757632
F.dims/U f02e514aa6 0.757632
F.dims/D f02e514aa6 0.757632
F.solar/P a980eca84c 0.757632
F.solar/U 7ad4cbb62f 0.757632
F.solar/D F:351.357,1.254 0.757632
F.eq/P d814b99119 0.757632
F.eq/U c4d7b8514c 0.757632
F.autoc/P f2dbc5e09e 0.757632
F.autoc/U 55a244dd03 0.757632
F.autoc/D F:584.179,-1.908 0.757632
F.post/P c3112d9779 0.757632
F.post/U b3cf6dcaf1 0.757632
F.inv/P 4818b3d73e 0.757632
F.inv/U 97afeefe29 0.757632
F.inv/D F:590.098,1.589 0.757632
F.rot/P 2d101b3d40 0.757632
F.rot/U e0ebff7b12 0.757632
F.rot/D F:483.145,-7.941 0.757632
F.rotE/P 94d22ae57b 0.757632
F.rotE/U f70b7ee3fa 0.757632
F.rotE/D F:616.824,5.010 0.757632
F.aff/P 853976d7d2 0.757632
F.aff/U 6acf05c2c0 0.757632
F.aff/D F:528.471,-6.636 0.757632
F.blur/P 00f4344e6d 0.757632
F.blur/U 83de9eb868 0.757632
F.blur/D F:583.425,-0.357 0.757632
F.gray/P 9b7397a511 0.757632
F.gray/U f1f25a41c5 0.757632
F.gray/D F:582.779,0.568 0.757632
F.erase/U d74761e5fb 0.757632
F.erase/D F:612.259,-3.273 0.757632
F.padneg/P d70a8127d7 0.757632
F.padneg/U 4c6a2dff9b 0.757632
F.padneg/D F:483.267,-0.715 0.757632
F.padnegS/P 2fdc113de2 0.757632
F.padnegS/U 02bc440494 0.757632
F.padnegS/D F:540.710,-1.621 0.757632
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


REPRS = [
    (T.Resize(9), "Resize(size=9, interpolation=bilinear, max_size=None, antialias=True)"),
    (T.RandomCrop(12, padding=4), "RandomCrop(size=(12, 12), padding=4)"),
    (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
    (T.RandomPosterize(3), "RandomPosterize(bits=3,p=0.5)"),
    (
        T.ColorJitter(0.4, hue=0.1),
        "ColorJitter(brightness=(0.6, 1.4), contrast=None, saturation=None, hue=(-0.1, 0.1))",
    ),
    (
        T.Compose([T.ToTensor(), T.Normalize(0.5, 0.5)]),
        "Compose(\n    ToTensor()\n    Normalize(mean=0.5, std=0.5)\n)",
    ),
    (T.RandomAffine(20, shear=5), "RandomAffine(degrees=[-20.0, 20.0], shear=[-5.0, 5.0])"),
]


@pytest.mark.parametrize("transform, text", REPRS, ids=lambda v: type(v).__name__)
def test_repr(transform, text):
    assert repr(transform) == text


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "LA", "I", "F", "CMYK", "I;16"])
def test_to_tensor_and_back(mode):
    picture = P.convert("L").convert("I").convert("I;16") if mode == "I;16" else P.convert(mode)
    tensor = F.pil_to_tensor(picture)
    assert tuple(tensor.shape[1:]) == (17, 23)
    if mode not in ("1",):
        assert F.to_pil_image(tensor, mode).tobytes() == picture.tobytes()
    scaled = F.to_tensor(picture)
    if tensor.dtype in (torch.uint8, torch.bool):
        assert scaled.dtype == torch.float32 and float(scaled.max()) <= 1
    else:
        assert scaled.dtype == tensor.dtype


def test_choice_and_order_draw_from_random():
    random.seed(5)
    chosen = [T.RandomChoice([lambda x: 1, lambda x: 2, lambda x: 3])(0) for _ in range(6)]
    random.seed(5)
    assert chosen == [random.choices([1, 2, 3])[0] for _ in range(6)]


BAD = [
    (lambda: F.to_tensor([1]), TypeError, "pic should be PIL Image or ndarray. Got <class 'list'>"),
    (lambda: T.Resize("a")(P), TypeError, None),
    (lambda: T.RandomCrop(40)(P), ValueError, r"Required crop size \(40, 40\) is larger"),
    (lambda: F.pad(U, (1, 2, 3)), ValueError, "Padding must be an int or a 1, 2, or 4 element"),
    (lambda: F.normalize(U, 0, 1), TypeError, "Input tensor should be a float tensor"),
    (lambda: F.normalize(U.float(), [0.0], [0.0]), ValueError, "std evaluated to zero"),
    (
        lambda: F.normalize(torch.ones(1, 2, 2), [0.5] * 3, [0.5] * 3),
        RuntimeError,
        r"output with shape \[1, 2, 2\] doesn't match the broadcast shape \[3, 2, 2\]",
    ),
    (lambda: F.adjust_hue(U, 0.6), ValueError, "hue_factor"),
    (lambda: F.five_crop(U, 50), ValueError, "Requested crop size"),
    (lambda: F.gaussian_blur(U, 4), ValueError, "kernel_size should have odd"),
    (lambda: F.rotate(U, 10, I.BICUBIC), ValueError, "Interpolation mode 'bicubic' is unsupported"),
    (lambda: F.perspective(U, [[0, 0]] * 4, [[0, 0]] * 4), ValueError, "on one line"),
    (lambda: F.posterize(U.float(), 3), TypeError, "Only torch.uint8 image tensors"),
    (lambda: T.ColorJitter(brightness=-1), ValueError, "must be non negative"),
    (lambda: T.RandomErasing(scale=(0.5, 2)), ValueError, "Scale should be between 0 and 1"),
]


@pytest.mark.parametrize("call, kind, text", BAD, ids=range(len(BAD)))
def test_bad_arguments(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_pillow_is_opened_on_first_use():
    import subprocess
    import sys

    code = (
        "import flambeau, sys; from flambeau.vision import transforms as T, models, datasets, ops\n"
        "T.Compose([T.RandomCrop(3), T.Normalize(0.5, 0.5)])(flambeau.rand(3, 5, 5))\n"
        "print(sorted(m for m in ('PIL', 'numpy', 'scipy') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
