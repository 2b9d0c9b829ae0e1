"""How good a classifier is class by class, and on average, by scikit-learn's conventions with Wilson's intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from learnerkit.classify.confused import inside_group
from learnerkit.core.statistics import wilson


def per_class_table(
    targets: np.ndarray, predicted: np.ndarray, vocab: Sequence[str], groups: Sequence[str] = (), level: float = 0.95
) -> pd.DataFrame:
    """A row a class, in the order of the vocabulary.

    targets, predicted: class indices [N]; vocab: names of the classes; groups: of each class, where there are any.
    level: of Wilson's score intervals.
    Columns: accuracy (the share of its samples that are right), precision, recall, f1, support (its samples),
    predicted (samples taken for it), and the ends of the intervals as accuracy_low, accuracy_high, precision_low,
    precision_high. Recall is the accuracy, and has its interval. As in scikit-learn a figure that divides by zero is 0;
    an accuracy and an interval without a sample are nan.
    """
    codes = np.arange(len(vocab))
    precision, recall, f1, support = precision_recall_fscore_support(targets, predicted, labels=codes, zero_division=0)
    right = np.bincount(targets[targets == predicted], minlength=len(vocab))
    found = np.bincount(predicted, minlength=len(vocab))
    low, high = wilson(right, support, level)
    precision_low, precision_high = wilson(right, found, level)
    table = pd.DataFrame(
        {
            "accuracy": np.where(support > 0, right / np.maximum(support, 1), np.nan),
            "accuracy_low": low,
            "accuracy_high": high,
            "precision": precision,
            "precision_low": precision_low,
            "precision_high": precision_high,
            "recall": recall,
            "f1": f1,
            "support": support,
            "predicted": found,
        },
        index=pd.Index([str(name) for name in vocab], name="class"),
    )
    if len(groups):
        table.insert(0, "group", list(groups))
    return table


def averages_table(targets: np.ndarray, predicted: np.ndarray, n_out: int) -> pd.DataFrame:
    """Precision, recall and f1 averaged over the whole vocabulary: rows 'macro' (each class alike) and 'weighted'
    (by its samples)."""
    rows = {
        name: precision_recall_fscore_support(
            targets, predicted, labels=np.arange(n_out), average=name, zero_division=0
        )[:3]
        for name in ("macro", "weighted")
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["precision", "recall", "f1"])


def top_k_accuracy(probabilities: np.ndarray, targets: np.ndarray, k: int = 5) -> float:
    """The share of samples whose true class is among the k likeliest; of equal ones, those of the first classes count.

    probabilities: [N,K]; targets: class indices [N].
    """
    of_truth = probabilities[np.arange(len(targets)), targets][:, None]
    before = np.arange(probabilities.shape[1]) < targets[:, None]
    ahead = (probabilities > of_truth).sum(axis=1) + ((probabilities == of_truth) & before).sum(axis=1)
    return float((ahead < k).mean())


def summary_of(
    probabilities: np.ndarray, targets: np.ndarray, groups: Sequence[str] = (), level: float = 0.95
) -> dict[str, Any]:
    """The figures of a whole part.

    probabilities: [N,K]; targets: class indices [N]; groups: of each class, where there are any.
    level: of the interval of the accuracy, Wilson's.
    Keys: samples, accuracy, accuracy_low, accuracy_high, top5_accuracy (of more than five classes), macro_precision,
    macro_recall, macro_f1, weighted_precision, weighted_recall, weighted_f1 and, with groups, group_accuracy (the
    predicted class is of the true one's group) and mistakes_inside_group.
    """
    predicted, n_out = probabilities.argmax(axis=1), probabilities.shape[1]
    right = targets == predicted
    low, high = wilson(np.array([right.sum()]), np.array([len(right)]), level)
    found = {"samples": len(targets), "accuracy": float(right.mean()), "accuracy_low": low[0], "accuracy_high": high[0]}
    if n_out > 5:
        found["top5_accuracy"] = top_k_accuracy(probabilities, targets)
    for name, row in averages_table(targets, predicted, n_out).iterrows():
        found |= {f"{name}_{key}": float(value) for key, value in row.items()}
    if len(groups):
        named = np.asarray(groups, dtype=str)
        found["group_accuracy"] = float((named[targets] == named[predicted]).mean())
        found["mistakes_inside_group"] = inside_group(targets, predicted, groups)
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in found.items()}
