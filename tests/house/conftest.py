"""What the tests of the house share: where the tree and its build are."""
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root():
    """The source tree, without which these tests mean nothing."""
    return ROOT


@pytest.fixture(scope="session")
def build():
    """The build folder: $FLAMBEAU_BUILD as the Makefile sets it, else build/."""
    folder = pathlib.Path(os.environ.get("FLAMBEAU_BUILD", ROOT / "build")).resolve()
    if not (folder / "libflambeau.so").exists():
        pytest.skip(f"no libflambeau.so in {folder}: run `make` first")
    return folder
