"""A convolutional network with batch normalisation on images of bars: SGD with momentum and weight
decay, a step schedule, evaluation by running statistics."""
import torch
from torch import nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)) + self.skip(x))


torch.manual_seed(1)
labels = torch.randint(0, 4, (128,))
images = 0.3 * torch.randn(128, 1, 16, 16)
for image, label in zip(images, labels.tolist()):
    at = int(torch.randint(2, 13, ()))
    if label == 0:
        image[0, at] += 1
    elif label == 1:
        image[0, :, at] += 1
    elif label == 2:
        image[0].diagonal().add_(1)
    else:
        image[0, at:at + 2, at:at + 2] += 2

model = nn.Sequential(Block(1, 8, 1), nn.MaxPool2d(2), Block(8, 16, 2), nn.AdaptiveAvgPool2d(1),
                      nn.Flatten(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
for epoch in range(6):
    model.train()
    for x, y in zip(images[:96].split(32), labels[:96].split(32)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.7f}")
    scheduler.step()
    model.eval()
    with torch.no_grad():
        print(f"test loss {F.cross_entropy(model(images[96:]), labels[96:]).item():.7f}")
