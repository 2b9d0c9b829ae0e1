"""Which classes are taken for which, from predictions alone; nothing here is as large as classes times classes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def confused_pairs(targets: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a true and another predicted class [P,2] and how often each occurs [P], most first.

    targets, predicted: class indices [N]. Equal counts stand in the order of the classes.
    """
    wrong = targets != predicted
    pairs, counts = np.unique(np.stack([targets[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return pairs[order].reshape(-1, 2), counts[order]


def confused_table(
    targets: np.ndarray, predicted: np.ndarray, vocab: Sequence[str], groups: Sequence[str] = ()
) -> pd.DataFrame:
    """Pairs of a true and another predicted class, most frequent first.

    targets, predicted: class indices [N]; vocab: names of the classes; groups: of each class, where there are any.
    Columns: true, predicted, count, share (of the true class's samples) and, with groups, same_group.
    """
    pairs, counts = confused_pairs(targets, predicted)
    support = np.bincount(targets, minlength=len(vocab))
    table = pd.DataFrame(
        {
            "true": [str(vocab[row]) for row in pairs[:, 0]],
            "predicted": [str(vocab[row]) for row in pairs[:, 1]],
            "count": counts,
            "share": counts / support[pairs[:, 0]],
        }
    )
    if len(groups):
        named = np.asarray(groups, dtype=str)
        table["same_group"] = named[pairs[:, 0]] == named[pairs[:, 1]]
    return table


def inside_group(targets: np.ndarray, predicted: np.ndarray, groups: Sequence[str]) -> float:
    """The share of the mistakes whose predicted class is of the true one's group; nan where there is no mistake."""
    named, wrong = np.asarray(groups, dtype=str), targets != predicted
    return float((named[targets[wrong]] == named[predicted[wrong]]).mean()) if wrong.any() else float("nan")
