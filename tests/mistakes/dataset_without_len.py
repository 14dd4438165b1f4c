"""A dataset without __len__."""
import torch
from torch.utils.data import Dataset, DataLoader


class D(Dataset):
    def __getitem__(self, i):
        return torch.zeros(3), 0


for x, y in DataLoader(D(), batch_size=2, shuffle=True):
    pass
