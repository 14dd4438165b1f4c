"""What this build was made with, as text (source: torch.__config__)."""

import flambeau
from flambeau import version


def show():
    """Lines that say what was built. Programs look for PyTorch's options in it (USE_MKL=ON): none
    of those libraries is used here."""
    built = f"  - version {version.__version__}\n  - USE_CUDA=OFF, USE_MKL=OFF\n"
    return "Flambeau built with:\n" + built


def parallel_info():
    """Lines that say how many threads compute."""
    return f"Flambeau parallel info:\n\tget_num_threads() : {flambeau.get_num_threads()}\n"
