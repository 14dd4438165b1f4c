"""A table with columns of classes, as competition notebooks have it: folds, a dataset of dicts, a
one-cycle schedule, focal loss, early stopping by a checkpoint, out-of-fold scores."""
import os
import random
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.use_deterministic_algorithms(True)


class Rows(Dataset):
    def __init__(self, numbers, classes, labels):
        self.numbers, self.classes, self.labels = numbers, classes, labels

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, i):
        row = dict(x=torch.tensor(self.numbers[i]), c=torch.LongTensor(self.classes[i]))
        return row, torch.tensor(self.labels[i], dtype=torch.float)


class Net(nn.Module):
    def __init__(self, sizes=((5, 3), (4, 2))):
        super().__init__()
        self.embed = nn.ModuleList([nn.Embedding(*size) for size in sizes])
        self.norm = nn.BatchNorm1d(6)
        self.body = nn.Sequential(nn.Linear(11, 16), nn.SiLU(), nn.Dropout(0.1), nn.Linear(16, 1))

    def forward(self, x, c):
        found = [table(c[:, i]) for i, table in enumerate(self.embed)]
        return self.body(torch.cat([self.norm(x), *found], 1)).squeeze(-1)


class FocalLoss(nn.Module):
    def forward(self, scores, labels):
        each = F.binary_cross_entropy_with_logits(scores, labels, reduction="none")
        return (0.5 * (1 - torch.exp(-each)) ** 2 * each).mean()


def area(scores, labels):
    """Under the ROC curve, by ranks."""
    ranks = scores.argsort().argsort() + 1.0
    ones = labels.sum()
    return (ranks[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(labels) - ones))


seed_everything(42)
numbers = np.random.randn(150, 6).astype("float32")
classes = np.stack([np.random.randint(0, 5, 150), np.random.randint(0, 4, 150)], 1)
labels = (2 * numbers[:, 0] + classes[:, 0] - classes[:, 1] > 1).astype(int)
order, out_of_fold = np.random.permutation(150), torch.zeros(150)
path = os.path.join(tempfile.mkdtemp(), "best.pt")
for fold, held in enumerate(np.array_split(order, 3)):
    kept = np.setdiff1d(order, held)
    train = DataLoader(Rows(numbers[kept], classes[kept], labels[kept]), 20, shuffle=True,
                       drop_last=True, generator=torch.Generator().manual_seed(fold))
    test = DataLoader(Rows(numbers[held], classes[held], labels[held]), 64)
    model = Net()
    criterion = FocalLoss() if fold == 1 else nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, epochs=4,
                                                    steps_per_epoch=len(train), pct_start=0.2)
    best, waited = -1.0, 0
    for epoch in range(4):
        model.train()
        total = 0.0
        for row, target in train:
            loss = criterion(model(**row), target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            total += loss.item() / len(train)
        model.eval()
        with torch.inference_mode():
            scores = torch.cat([torch.sigmoid(model(**row)) for row, _ in test])
        score = area(scores, torch.from_numpy(labels[held])).item()
        print(f"fold {fold} epoch {epoch} loss {total:.6f} lr {scheduler.get_last_lr()[0]:.8f} "
              f"area {score:.4f}")
        if score > best:
            best, waited = score, 0
            torch.save({"model": model.state_dict(), "score": score}, path)
        else:
            waited += 1
            if waited == 2:
                print("stopped")
                break
    saved = torch.load(path, map_location="cpu", weights_only=True)
    print(model.load_state_dict(saved["model"]), f"{saved['score']:.4f}")
    with torch.no_grad():
        out_of_fold[held] = torch.cat([model(**row).sigmoid() for row, _ in test])
os.remove(path)
print(f"all {area(out_of_fold, torch.from_numpy(labels)):.4f}")
print(torch.bincount(torch.from_numpy(labels)), torch.histc(out_of_fold, 4, 0, 1))
