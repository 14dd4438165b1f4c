"""Writes python/flambeau/datasets/digits.bin from the copy of the data in scikit-learn.

    python tools/make_digits.py python/flambeau/datasets/digits.bin

The file: 8 bytes b"DIGITS1\\n"; count, rows and columns as little-endian uint32; then
count * rows * columns bytes, the grey levels 0..16 row by row; then count bytes, the labels 0..9.
The images keep scikit-learn's order.
"""
import struct
import sys

from sklearn.datasets import load_digits


def main(path):
    digits = load_digits()
    images, labels = digits.images.astype("uint8"), digits.target.astype("uint8")
    assert (images == digits.images).all() and images.max() == 16
    with open(path, "wb") as file:
        file.write(b"DIGITS1\n" + struct.pack("<III", *images.shape))
        file.write(images.tobytes() + labels.tobytes())


if __name__ == "__main__":
    main(sys.argv[1])
