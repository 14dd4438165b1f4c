"""A dataset without a return for some samples."""
import torch
from torch.utils.data import Dataset, DataLoader


class D(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        if i != 2:
            return torch.zeros(3)


next(iter(DataLoader(D(), batch_size=4)))
