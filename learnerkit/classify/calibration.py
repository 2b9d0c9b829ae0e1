"""Whether a classifier is right as often as it says: calibration errors, temperature, and sets of a stated coverage."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq

from learnerkit.core.calibrated import LEAST, Calibration, row_blocks, tempered
from learnerkit.core.ranges import Inner, checked

BINS = 15
COVERAGES = (0.8, 0.9, 0.95, 0.99)
HOTTEST, COLDEST = 20.0, 0.05  # temperatures that are looked through
SUMS_TO_ONE = 1e-3


def is_distribution(probabilities: np.ndarray) -> bool:
    """Whether each row sums to 1, as a softmax's does and a sigmoid's does not."""
    return bool(len(probabilities)) and bool(np.abs(probabilities.sum(axis=1) - 1).max() < SUMS_TO_ONE)


def reliability(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> dict[str, np.ndarray]:
    """How often a classifier is right at each confidence, in equally wide bins.

    probabilities: [N,K]; targets: class indices [N].
    bins: the b-th holds confidences above (b-1)/bins and up to b/bins.
    Returns 'count', 'confidence' and 'accuracy', [bins] each, the means nan in an empty bin.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = (np.bincount(place, values, minlength=bins) for values in (confidence, right))
    with np.errstate(invalid="ignore"):
        of_confidence, of_right = (total / np.where(count > 0, count, np.nan) for total in sums)
    return {"count": count, "confidence": of_confidence, "accuracy": of_right}


def ece(probabilities: np.ndarray, targets: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy over equal bins, by their samples.

    Naeini et al. 2015, Guo et al. 2017. probabilities: [N,K]; targets: class indices [N]; bins: how many.
    """
    found = reliability(probabilities, targets, bins)
    gap = np.abs(found["confidence"] - found["accuracy"])
    return float(np.nansum(gap * found["count"]) / len(targets))


def brier(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Brier's score (1950): the squared distance of the probabilities from the truth, summed over classes, 0 to 2."""
    of_truth = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    squares = np.einsum("nk,nk->n", probabilities, probabilities, dtype=np.float64)
    return float((squares - 2 * of_truth + 1).mean())


def nll(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The mean negative log likelihood of the true classes, in nats; a probability of 0 counts as 1e-12."""
    of_truth = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.log((of_truth / probabilities.sum(axis=1, dtype=np.float64)).clip(1e-12)).mean())


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that makes the likelihood of the true classes greatest (Guo et al. 2017), .05 to 20.

    probabilities: [N,K] of a softmax; targets: class indices [N].
    1 where every sample is right or none is there: no temperature is best then.
    """
    if not len(targets) or (probabilities.argmax(axis=1) == targets).all():
        return 1.0
    logits = np.log(np.maximum(probabilities, LEAST, dtype=np.float32))
    logits -= logits.max(axis=1, keepdims=True)
    of_truth = float(logits[np.arange(len(targets)), targets].mean(dtype=np.float64))

    def slope(cold: float) -> float:  # of the mean loss by 1/temperature, which it is convex in
        total = 0.0
        for block in row_blocks(*logits.shape):
            powers = np.exp(logits[block] * np.float32(cold))
            sums = powers.sum(axis=1, dtype=np.float64)
            total += float((np.einsum("nk,nk->n", powers, logits[block], dtype=np.float64) / sums).sum())
        return total / len(logits) - of_truth

    least, most = 1 / HOTTEST, 1 / COLDEST
    if slope(least) >= 0:
        return HOTTEST
    return COLDEST if slope(most) <= 0 else 1 / brentq(slope, least, most, xtol=1e-5)


@checked
def conformal_threshold(of_truth: np.ndarray, coverage: Inner) -> float:
    """The least probability of a class in a set, so that sets hold the truth of new samples as often as stated.

    Split conformal prediction with the score 1 - p(true class): Vovk et al. 2005, Sadinle et al. 2019.
    of_truth: probabilities of the true classes of n samples that the model was not fitted on [N].
    coverage: above 0, below 1. New samples of the same kind are covered at least so often, and at most 1/(n+1) more.
    0, all classes, where there are too few samples to promise it.
    """
    n = len(of_truth)
    rank = int(np.ceil((n + 1) * coverage - 1e-9))
    return 0.0 if rank > n else float(np.sort(of_truth)[n - rank])


def fit_calibration(
    probabilities: np.ndarray, targets: np.ndarray, part: str = "valid", coverages: Sequence[float] = COVERAGES
) -> Calibration:
    """The temperature and the thresholds of a part's predictions.

    probabilities: [N,K] of a softmax; targets: class indices [N]; part: what the part is called.
    coverages: that thresholds are found for, of the calibrated probabilities.
    """
    temperature = fit_temperature(probabilities, targets)
    if temperature in (HOTTEST, COLDEST):  # too few samples, or no model: nothing was found
        temperature = 1.0
    of_truth = tempered(probabilities, temperature)[np.arange(len(targets)), targets]
    thresholds = {f"{coverage:g}": conformal_threshold(of_truth, coverage) for coverage in coverages}
    return Calibration(float(temperature), thresholds, part, len(targets))


def calibration_figures(probabilities: np.ndarray, targets: np.ndarray, fitted: Calibration) -> dict[str, Any]:
    """ece, brier and nll as the model gives its probabilities, and with the temperature of a calibration.

    probabilities: [N,K]; targets: class indices [N]; fitted: on the valid part.
    """
    after = tempered(probabilities, fitted.temperature)
    measures = {"ece": ece, "brier": brier, "nll": nll}
    figures: dict[str, Any] = {name: measure(probabilities, targets) for name, measure in measures.items()}
    figures |= {f"{name}_calibrated": measure(after, targets) for name, measure in measures.items()}
    covered = {}
    for stated, threshold in fitted.thresholds.items():
        held = after >= threshold
        of_truth = held[np.arange(len(targets)), targets].mean()
        covered[stated] = {"coverage": float(of_truth), "mean_size": float(held.sum(axis=1).mean())}
    return {**figures, "temperature": fitted.temperature, "fitted_on": fitted.part, "sets": covered}
