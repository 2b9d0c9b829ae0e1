"""Which way a monitored figure is better, and whether one value beats another: for everything that decides by one."""

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from learnerkit.core.errors import RecipeError, nearest

LESS = {"brier", "ece", "error", "loss", "mae", "mse", "msle", "nll", "perplexity", "rmse", "rmspe"}
MORE = {
    *("acc", "accuracy", "ap", "apscore", "auc", "auroc", "bleu", "corrcoef", "dice", "explained", "f1", "fbeta"),
    *("iou", "jaccard", "kappa", "map", "matthews", "mcc", "pearsonr", "precision", "r2", "recall", "sensitivity"),
    *("spearmanr", "specificity"),
}
NEUTRAL = {
    *(
        "",
        "average",
        "balanced",
        "coeff",
        "cohen",
        "exp",
        "foreground",
        "hamming",
        "k",
        "log",
        "macro",
        "mean",
        "micro",
    ),
    *("multi", "one", "rate", "roc", "score", "top", "train", "valid", "variance", "weighted", "zero"),
}
USUAL = ("accuracy", "macro_f1", "valid_loss", "train_loss", "mAP", "mAP50", "mAP75")


def direction(monitor: str) -> str | None:
    """'min' where less of a figure is better, 'max' where more is, by the words of its name.

    None where one of them is unknown: more of an accuracy_gap is not better.

    monitor: such as 'valid_loss', 'error_rate', 'macro_f1', 'mAP50'.
    """
    words = {re.sub(r"(?<=[a-z]{3})\d+$", "", word) for word in monitor.lower().split("_")}
    if words - LESS - MORE - NEUTRAL or bool(words & LESS) == bool(words & MORE):
        return None
    return "min" if words & LESS else "max"


def mode_of(monitor: str, mode: str | None = None) -> str:
    """'min' or 'max': what follows from the figure's name, or `mode` for a name that does not say it.

    RecipeError for a figure that nothing is known of, and for a mode that would keep the worst.
    """
    if mode not in (None, "min", "max"):
        raise RecipeError(f"mode '{mode}': 'min' where less of {monitor} is better, 'max' where more is")
    known = direction(monitor)
    if mode is None and known is None:
        meant = "".join(f"did you mean {name}? Else " for name in get_close_matches(monitor, USUAL, 1))
        raise RecipeError(
            f"monitor '{monitor}': its name does not say whether less or more of it is better; {meant}say mode='min' "
            "or mode='max' (--mode)"
        )
    if None not in (mode, known) and mode != known:
        better = "less" if known == "min" else "more"
        raise RecipeError(
            f"mode '{mode}' with monitor '{monitor}': {better} of it is better, and the worst would be kept; leave "
            "mode out, for it follows from the monitor"
        )
    return mode or known


def check_recorded(monitor: str, names: Iterable[str]) -> None:
    """RecipeError where a monitor is not among the names of the figures that an epoch records."""
    if monitor not in (names := list(names)):
        raise RecipeError(f"monitor '{monitor}': is not recorded; {nearest(monitor, names)}")


def is_finite(value: Any) -> bool:
    """Whether a figure is a number at all."""
    return value is not None and math.isfinite(value)


def is_better(
    value: float | None,
    best: float | None,
    mode: str,
    min_delta: float = 0.0,
    losses: tuple[float | None, float | None] = (None, None),
) -> bool:
    """Whether `value` beats `best` by more than `min_delta`; what is not a finite number never does.

    mode: 'min' or 'max'.
    losses: the validation's loss of either; at equal values the lower one wins.
    """
    if not is_finite(value):
        return False
    if best is None:
        return True
    if value == best and all(map(is_finite, losses)):
        return losses[0] < losses[1]
    return value < best - min_delta if mode == "min" else value > best + min_delta
