"""The state of a DataParallel model in a plain one."""
import torch
from torch import nn

saved = {"module." + k: v for k, v in nn.Linear(2, 1).state_dict().items()}
nn.Linear(2, 1).load_state_dict(saved)
