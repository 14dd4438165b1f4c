"""Images as tensors of bytes (C, H, W), encoded and decoded by Pillow (source:
torchvision.io.image)."""
from __future__ import annotations

import io
import os
from enum import Enum

import flambeau
from flambeau.vision import pillow
from flambeau.vision.transforms.functional import pil_to_tensor, to_pil_image


class ImageReadMode(Enum):
    """What an image is converted to: UNCHANGED, or grey or colours, with or without alpha."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path):
    """The bytes of a file, uint8 of N."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    if not content:
        raise RuntimeError(f"Expected a non empty file: {path}")
    return flambeau.frombuffer(content, dtype=flambeau.uint8)


def write_file(filename, data):
    """Writes bytes, uint8 of N, to a file."""
    if data.dtype != flambeau.uint8 or data.ndim != 1:
        raise RuntimeError("Input tensor should be one-dimensional and of dtype uint8")
    with open(filename, "wb") as file:
        file.write(memoryview(data.contiguous()) if data.numel() else b"")


# ---- Decoding ------------------------------------------------------------------------------------


def _as_read_mode(mode):
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else ImageReadMode(mode)


def _open(input):
    if not isinstance(input, flambeau.Tensor) or input.dtype != flambeau.uint8 or input.ndim != 1:
        raise RuntimeError("Expected a non empty 1-dimensional tensor of dtype uint8")
    content = bytes(memoryview(input.contiguous())) if input.numel() else b""
    try:
        return pillow().open(io.BytesIO(content))
    except OSError as error:
        raise RuntimeError(f"the bytes are no image that Pillow knows: {error}") from error


def _decoded(image, mode, turn):
    """The image as a tensor of bytes, of the channels that mode asks for."""
    try:
        if turn:
            image = pillow("ImageOps").exif_transpose(image)
        wanted = _MODES.get(mode)
        if wanted is None:  # unchanged, but palettes and bits are told as colours and greys
            wanted = image.mode
            if wanted == "P":
                wanted = "RGBA" if "transparency" in image.info else "RGB"
            elif wanted not in ("L", "LA", "RGB", "RGBA", "CMYK"):
                wanted = "RGB" if len(image.getbands()) >= 3 else "L"
        return pil_to_tensor(image if image.mode == wanted else image.convert(wanted)).contiguous()
    except OSError as error:
        raise RuntimeError(f"the image is damaged: {error}") from error


def decode_image(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """A tensor (C, H, W) of the bytes of an image file, or of its path. RuntimeError where they are
    no image."""
    if isinstance(input, (str, os.PathLike)):
        input = read_file(input)
    image = _open(input)
    if image.format == "GIF":
        return _frames(image)
    return _decoded(image, _as_read_mode(mode), apply_exif_orientation)


def read_image(path, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """decode_image of a file."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def _of_format(input, name, mode, turn=False):
    image = _open(input)
    if image.format != name:
        raise RuntimeError(f"Not a {name} file: it is {image.format}")
    return _decoded(image, _as_read_mode(mode), turn)


def decode_png(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """decode_image of a PNG file's bytes."""
    return _of_format(input, "PNG", mode, apply_exif_orientation)


def decode_jpeg(
    input, mode=ImageReadMode.UNCHANGED, device="cpu", apply_exif_orientation=False
):
    """decode_image of a JPEG file's bytes, or of a list of such."""
    if isinstance(input, (list, tuple)):
        return [_of_format(one, "JPEG", mode, apply_exif_orientation) for one in input]
    return _of_format(input, "JPEG", mode, apply_exif_orientation)


def decode_webp(input, mode=ImageReadMode.UNCHANGED):
    """decode_image of a WebP file's bytes."""
    return _of_format(input, "WEBP", mode)


def _frames(image):
    frames = []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        frames.append(_decoded(image, ImageReadMode.RGB, False))
    return frames[0] if len(frames) == 1 else flambeau.stack(frames)


def decode_gif(input):
    """A tensor (3, H, W), or (N, 3, H, W) of several images, of a GIF file's bytes."""
    image = _open(input)
    if image.format != "GIF":
        raise RuntimeError(f"Not a GIF file: it is {image.format}")
    return _frames(image)


# ---- Encoding ------------------------------------------------------------------------------------


def _encoded(input, **options):
    if input.dtype != flambeau.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    if input.ndim != 3:
        raise RuntimeError("Input data should be a 3-dimensional tensor")
    if input.shape[0] not in (1, 3):
        raise RuntimeError(
            f"The number of channels should be 1 or 3, got: {input.shape[0]}"
        )
    file = io.BytesIO()
    to_pil_image(input).save(file, **options)
    return flambeau.frombuffer(bytearray(file.getvalue()), dtype=flambeau.uint8)


def encode_png(input, compression_level=6):
    """The bytes, uint8 of N, of a PNG file of an image (1 or 3, H, W); compression_level: 0 to
    9."""
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _encoded(input, format="PNG", compress_level=compression_level)


def encode_jpeg(input, quality=75):
    """The bytes, uint8 of N, of a JPEG file of an image (1 or 3, H, W), or of each of a list;
    quality: 1 to 100."""
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, (list, tuple)):
        return [encode_jpeg(one, quality) for one in input]
    return _encoded(input, format="JPEG", quality=quality)


def write_png(input, filename, compression_level=6):
    """Writes an image to a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input, filename, quality=75):
    """Writes an image to a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
