"""`python -m flambeau FILE`: runs a PyTorch program on Flambeau."""

import sys

from flambeau.compat.run import main

if __name__ == "__main__":
    main(sys.argv[1:])
