"""What a classifier's confidence is worth: accuracy over the share of samples that it may pass over."""

import numpy as np


def coverage_curve(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The accuracy on the samples that it is surest of, over their share.

    probabilities: [N,K]; targets: class indices [N].
    Returns coverage [N], 1/N to 1, and accuracy [N]. Equally sure samples are taken in the order of the part.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    order = np.argsort(-confidence, kind="stable")
    taken = np.arange(1, len(targets) + 1)
    return taken / max(1, len(targets)), np.cumsum(right[order]) / taken


def aurc(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The area below the curve of risk over coverage (Geifman and El-Yaniv 2017), 0 at best.

    The mean, over every number of surest samples, of the share of mistakes among them; nan without samples.
    """
    _, accuracy = coverage_curve(probabilities, targets)
    return float(1 - accuracy.mean()) if len(accuracy) else float("nan")


def coverage_at(probabilities: np.ndarray, targets: np.ndarray, accuracy: float) -> float:
    """The greatest share of samples, the surest first, on which it is so often right; 0 where it never is."""
    coverage, reached = coverage_curve(probabilities, targets)
    good = np.flatnonzero(reached >= accuracy)
    return float(coverage[good[-1]]) if len(good) else 0.0
