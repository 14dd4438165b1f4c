"""An array of another library goes into the model."""
import array

from torch import nn

nn.Linear(2, 1)(array.array("f", [1.0, 2.0]))
