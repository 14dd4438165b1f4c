"""Grids, drawing, image files; and torchvision's names under python -m flambeau."""
import io
import subprocess
import sys

import pytest

import flambeau as torch

Image = pytest.importorskip("PIL.Image")

from flambeau.vision import io as vision_io
from flambeau.vision import utils

IMAGES = torch.arange(3 * 3 * 4 * 5, dtype=torch.float32).reshape(3, 3, 4, 5) / 180


def test_make_grid():
    grid = utils.make_grid(IMAGES, nrow=2, padding=1, pad_value=0.5)
    assert tuple(grid.shape) == (3, 11, 13)
    assert torch.equal(grid[:, 1:5, 7:12], IMAGES[1])
    assert torch.equal(grid[:, 6:10, 1:6], IMAGES[2])
    assert (grid[:, 6:, 7:] == 0.5).all() and (grid[:, 0] == 0.5).all()
    gray = utils.make_grid(torch.ones(4, 5))
    assert tuple(gray.shape) == (3, 4, 5)
    scaled = utils.make_grid(IMAGES * 9 - 4, normalize=True, padding=0)
    assert (float(scaled.min()), float(scaled.max())) == (0, 1)
    each = utils.make_grid([*IMAGES], normalize=True, scale_each=True, padding=0)
    assert float(each[:, :, 5:10].min()) == 0 and float(each[:, :, 5:10].max()) == 1
    with pytest.raises(TypeError, match="tensor or list of tensors expected, got <class 'int'>"):
        utils.make_grid(3)


def test_save_image(tmp_path):
    utils.save_image(IMAGES, tmp_path / "grid.png", nrow=2)
    read = vision_io.read_image(str(tmp_path / "grid.png"))
    assert torch.equal(read, (utils.make_grid(IMAGES, nrow=2) * 255 + 0.5).to(torch.uint8))
    file = io.BytesIO()
    utils.save_image(IMAGES[0], file, format="bmp")
    assert Image.open(file).size == (5, 4)


def test_image_files(tmp_path):
    pixels = (IMAGES[0] * 255).to(torch.uint8)
    vision_io.write_png(pixels, str(tmp_path / "a.png"))
    assert torch.equal(vision_io.read_image(str(tmp_path / "a.png")), pixels)
    gray = vision_io.read_image(str(tmp_path / "a.png"), vision_io.ImageReadMode.GRAY)
    assert tuple(gray.shape) == (1, 4, 5)
    assert tuple(vision_io.decode_image(vision_io.encode_png(pixels), "RGBA").shape) == (4, 4, 5)
    flat = torch.full((3, 16, 16), 100, dtype=torch.uint8)
    vision_io.write_jpeg(flat, str(tmp_path / "a.jpg"), quality=90)
    read = vision_io.decode_jpeg(vision_io.read_file(str(tmp_path / "a.jpg")))
    assert (read.int() - 100).abs().max().item() <= 1
    with pytest.raises(RuntimeError, match="no image that Pillow knows"):
        vision_io.decode_image(torch.arange(40).to(torch.uint8))
    with pytest.raises(RuntimeError, match="Input tensor dtype should be uint8"):
        vision_io.encode_png(IMAGES[0])
    damaged = vision_io.encode_png(flat)[:40]
    with pytest.raises(RuntimeError, match="damaged|no image"):
        vision_io.decode_image(damaged)


def test_drawing():
    black = torch.zeros(3, 12, 14, dtype=torch.uint8)
    boxes = torch.tensor([[2, 3, 9, 8]])
    drawn = utils.draw_bounding_boxes(black, boxes, colors="red")
    assert drawn[0, 3, 2:10].tolist() == [255] * 8 and drawn[1].sum().item() == 0
    assert drawn[0].sum().item() == 255 * (2 * 8 + 2 * 4)
    assert utils.draw_bounding_boxes(black.float(), boxes).dtype == torch.float32
    with pytest.raises(ValueError, match=r"Boxes need to be in \(xmin, ymin, xmax, ymax\) format"):
        utils.draw_bounding_boxes(black, boxes.flip(1))
    mask = torch.zeros(2, 12, 14, dtype=torch.bool)
    mask[0, :5], mask[1, 4:8] = True, True
    shaded = utils.draw_segmentation_masks(black + 100, mask, alpha=0.5, colors=["blue", "lime"])
    assert shaded[:, 0, 0].tolist() == [50, 50, 177]
    assert shaded[:, 4, 0].tolist() == [50, 50, 50]  # where masks overlap
    assert shaded[:, 11, 0].tolist() == [100, 100, 100]
    assert shaded[:, 6, 0].tolist() == [50, 177, 50]
    points = utils.draw_keypoints(black, torch.tensor([[[4, 4], [9, 9]]]), colors="red", radius=1)
    assert points[0, 4, 4].item() == 255 and points[0, 9, 9].item() == 255


def test_flow_to_image():
    flow = torch.zeros(2, 1, 3)
    flow[0, 0] = torch.tensor([0.0, 1.0, -1.0])
    image = utils.flow_to_image(flow)
    assert tuple(image.shape) == (3, 1, 3) and image[:, 0, 0].tolist() == [255, 255, 255]


PROGRAM = """
import torch, torchvision
import torchvision.transforms as transforms
import torchvision.transforms.functional as TF
from torchvision import datasets, models, utils, io, ops
from torchvision.datasets.mnist import read_image_file
from torchvision.models.resnet import BasicBlock
from torchvision.transforms import InterpolationMode
assert models.resnet18 is torchvision.models.resnet18 and TF is transforms.functional
assert torchvision.__version__.startswith("0.28.0")
try:
    import torchvision.models.detection
except ModuleNotFoundError as error:
    print(error, error.name)
try:
    torchvision.datasets.LSUN
except AttributeError as error:
    print(error)
"""


def test_names_under_python_m_flambeau(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "flambeau", file], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == (
        "Flambeau has no torchvision.models.detection yet torchvision.models.detection\n"
        "Flambeau has no torchvision.datasets.LSUN yet\n"
    ), done.stderr
