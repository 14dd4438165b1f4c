"""Same with stride."""
from torch import nn

conv = nn.Conv2d(3, 8, 3, stride=2, padding='same')
