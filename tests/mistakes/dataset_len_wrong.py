"""Dataset len wrong."""
import torch
from torch.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __init__(self):
        self.x = torch.randn(10, 2)
    def __len__(self):
        return 12
    def __getitem__(self, i):
        return self.x[i]
for b in DataLoader(Data(), batch_size=5):
    pass
