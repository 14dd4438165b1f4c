"""skorch: a classifier and a regressor in scikit-learn's way, with cross-validation."""

import numpy
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import EarlyStopping, LRScheduler
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs=10, hidden=16, outputs=2):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.head(self.body(x))


x, y = make_classification(200, 10, random_state=0)
x = x.astype(numpy.float32)
torch.manual_seed(0)
schedule = LRScheduler("StepLR", step_size=3, gamma=0.5)
net = NeuralNetClassifier(
    Net, criterion=nn.CrossEntropyLoss, max_epochs=5, lr=0.1, iterator_train__shuffle=True,
    callbacks=[schedule, EarlyStopping(patience=5)], verbose=0,
)
net.fit(x, y)
for row in net.history:
    print("classifier", row["epoch"], row["train_loss"], row["valid_loss"], row["valid_acc"])
print("probabilities", net.predict_proba(x[:3]).tolist())
print("scores", cross_val_score(net, x, y, cv=3).tolist())
search = GridSearchCV(net, {"lr": [0.05, 0.1], "module__hidden": [8, 16]}, cv=2, refit=False)
search.fit(x, y)
print("search", search.best_params_, search.cv_results_["mean_test_score"].tolist())

x, y = make_regression(100, 10, random_state=0)
torch.manual_seed(0)
net = NeuralNetRegressor(
    Net, module__outputs=1, optimizer=torch.optim.Adam, max_epochs=4, verbose=0
)
pipe = make_pipeline(StandardScaler(), net)
pipe.fit(x.astype(numpy.float32), (y / 100).astype(numpy.float32).reshape(-1, 1))
for row in net.history:
    print("regressor", row["epoch"], row["train_loss"], row["valid_loss"])
