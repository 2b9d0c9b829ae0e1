"""A plain model of small pictures: whether anything of the classes can be told from pixels."""

import math

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RIDGE = 10.0  # of standardised features: with fewer samples than features it still tells classes apart
SURE = 3  # standard errors


def told_by_pixels(features: np.ndarray, labels: np.ndarray) -> float:
    """The accuracy of a ridge regression of the classes, each half of the samples by the model of the other.

    features: [N,D]; labels: class numbers [N].
    """
    halves = KFold(2, shuffle=True, random_state=0)  # files may stand in a pattern of their classes
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=RIDGE))
    return float((cross_val_predict(model, features, labels, cv=halves) == labels).mean())


def chance_of(labels: np.ndarray) -> float:
    """The accuracy of always saying the greatest class."""
    return float(np.bincount(labels).max() / len(labels))


def sure_above(accuracy: float, chance: float, n: int) -> bool:
    """Whether an accuracy on n samples is above chance by more than `SURE` standard errors."""
    return accuracy > chance + SURE * math.sqrt(chance * (1 - chance) / n)
