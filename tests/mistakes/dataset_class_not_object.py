"""Dataset class not object."""
import torch
from torch.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, i):
        return torch.tensor([i])
loader = DataLoader(Data, batch_size=2)
for b in loader:
    print(b)
