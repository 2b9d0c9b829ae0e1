"""A plain model of small pictures, fitted in closed form: whether anything of the classes can be told from pixels."""

import math

import numpy as np

RIDGE = 10.0  # of standardised features: with fewer samples than features it still tells classes apart
SURE = 3  # standard errors


def accuracy_of(train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray) -> float:
    """The accuracy on `test` of a ridge regression of the classes, fitted on `train`; features [N,D], classes [N]."""
    mean, std = train.mean(axis=0), train.std(axis=0) + 1e-6
    x, y = (train - mean) / std, np.eye(int(max(labels.max(), truth.max())) + 1)[labels]
    offset = y.mean(axis=0)
    if len(x) > x.shape[1]:
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (y - offset))
    else:  # as many equations as samples
        weights = x.T @ np.linalg.solve(x @ x.T + RIDGE * np.eye(len(x)), y - offset)
    return float(((((test - mean) / std) @ weights + offset).argmax(axis=1) == truth).mean())


def told_by_pixels(features: np.ndarray, labels: np.ndarray) -> float:
    """The accuracy of that model, out of fold: each half of the samples by the model of the other."""
    order = np.random.default_rng(0).permutation(len(labels))  # files may stand in a pattern of their classes
    features, labels, half = features[order], labels[order], np.arange(len(labels)) % 2 == 0
    parts = [(half, ~half), (~half, half)]
    each = [accuracy_of(features[a], labels[a], features[b], labels[b]) * b.sum() for a, b in parts]
    return sum(each) / len(labels)


def chance_of(labels: np.ndarray) -> float:
    """The accuracy of always saying the greatest class."""
    return float(np.bincount(labels).max() / len(labels))


def sure_above(accuracy: float, chance: float, n: int) -> bool:
    """Whether an accuracy on n samples is above chance by more than `SURE` standard errors."""
    return accuracy > chance + SURE * math.sqrt(chance * (1 - chance) / n)
