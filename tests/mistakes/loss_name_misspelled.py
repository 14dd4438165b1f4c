"""Loss name misspelled."""
from torch import nn

crit = nn.CrossEntropy()
