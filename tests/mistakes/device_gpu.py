"""A device that is called gpu."""
import torch

x = torch.randn(3).to("gpu")
