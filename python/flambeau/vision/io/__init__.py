"""Images read from and written to files and bytes, by Pillow (source: torchvision.io)."""
from flambeau.vision.io.image import (
    ImageReadMode,
    decode_gif,
    decode_image,
    decode_jpeg,
    decode_png,
    decode_webp,
    encode_jpeg,
    encode_png,
    read_file,
    read_image,
    write_file,
    write_jpeg,
    write_png,
)


def __getattr__(name):
    if name in ("read_video", "write_video", "read_video_timestamps", "VideoReader"):
        raise AttributeError(f"Flambeau reads and writes no video: torchvision.io.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
