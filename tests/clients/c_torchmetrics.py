"""torchmetrics: metrics of classes, regression, text and images, in batches."""

import torch
import torchmetrics as tm

METRICS = {
    "accuracy": lambda: tm.Accuracy(task="multiclass", num_classes=5),
    "f1": lambda: tm.F1Score(task="multiclass", num_classes=5, average="macro"),
    "auroc": lambda: tm.AUROC(task="multiclass", num_classes=5),
    "precision": lambda: tm.AveragePrecision(task="multiclass", num_classes=5),
    "confusion": lambda: tm.ConfusionMatrix(task="multiclass", num_classes=5),
    "kappa": lambda: tm.CohenKappa(task="multiclass", num_classes=5),
    "calibration": lambda: tm.CalibrationError(task="multiclass", num_classes=5),
    "matthews": lambda: tm.MatthewsCorrCoef(task="multiclass", num_classes=5),
}
REGRESSION = {
    "mse": tm.MeanSquaredError, "mae": tm.MeanAbsoluteError, "r2": tm.R2Score,
    "pearson": tm.PearsonCorrCoef, "spearman": tm.SpearmanCorrCoef,
    "variance": tm.ExplainedVariance, "cosine": tm.CosineSimilarity,
}
IMAGES = {
    "psnr": lambda: tm.image.PeakSignalNoiseRatio(data_range=1.0),
    "ssim": lambda: tm.image.StructuralSimilarityIndexMeasure(data_range=1.0),
}


def measure(name, make, draw):
    torch.manual_seed(0)
    try:
        metric = make()
        for _ in range(3):
            metric.update(*draw())
        result = metric.compute()
        values = [round(v, 5) for v in result.double().flatten().tolist()]
        metric.reset()
        print(name, *values, flush=True)
    except Exception as error:
        print(name, "fails:", type(error).__name__, str(error).splitlines()[:1], flush=True)


for name, make in METRICS.items():
    measure(name, make, lambda: (torch.randn(20, 5).softmax(1), torch.randint(5, (20,))))
for name, make in REGRESSION.items():
    shape = (20, 4) if name == "cosine" else (20,)
    measure(name, make, lambda: (torch.randn(shape), torch.randn(shape)))
for name, make in IMAGES.items():
    measure(name, make, lambda: (torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)))
measure("perplexity", tm.text.Perplexity, lambda: (torch.randn(2, 8, 5), torch.randint(5, (2, 8))))
measure("mean", tm.MeanMetric, lambda: (torch.randn(7),))
