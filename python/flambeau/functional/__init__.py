"""Functions of torch.* that are more than an operator of the table: what only Python's arguments can
say, and algorithms that look at what they computed.

flambeau.NAME and Tensor.NAME come here when they are first touched.
"""

from flambeau.functional.factors import *  # noqa: F403
from flambeau.functional.products import *  # noqa: F403
