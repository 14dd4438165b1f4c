"""Operators of torch.* that are compositions of others, and the Python names over internal ones.

flambeau.NAME and Tensor.NAME come here when they are first touched. Everything here is
differentiable where what it is made of is.
"""

from flambeau.functional.copies import *  # noqa: F403
from flambeau.functional.differences import *  # noqa: F403
from flambeau.functional.distances import *  # noqa: F403
from flambeau.functional.factors import *  # noqa: F403
from flambeau.functional.products import *  # noqa: F403
from flambeau.functional.scatter import *  # noqa: F403
from flambeau.functional.sets import *  # noqa: F403
from flambeau.functional.shapes import *  # noqa: F403
from flambeau.functional.spectra import *  # noqa: F403
from flambeau.functional.statistics import *  # noqa: F403
