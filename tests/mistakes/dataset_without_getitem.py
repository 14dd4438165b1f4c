"""Dataset without getitem."""
import torch
from torch.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __init__(self):
        self.x = torch.randn(4, 2)
    def __len__(self):
        return len(self.x)
    def __getitem(self, i):
        return self.x[i]
for b in DataLoader(Data(), batch_size=2):
    print(b)
