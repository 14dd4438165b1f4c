"""Linear text."""
from torch import nn

fc = nn.Linear('784', 10)
