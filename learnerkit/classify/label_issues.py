"""Samples whose label is probably wrong, by confident learning (Northcutt et al. 2021), which cleanlab carries."""

from types import ModuleType

import numpy as np
import pandas as pd

from learnerkit.classify.calibration import is_distribution
from learnerkit.classify.evaluation import Evaluation
from learnerkit.core.errors import DataError
from learnerkit.core.optional import optional


def need_clean() -> ModuleType:
    """cleanlab's finder of label issues; LearnerkitError names the extra where it is not installed."""
    return optional("cleanlab.filter", "clean", "finding suspected labels")


def suspects_of(seen: Evaluation) -> pd.DataFrame:
    """The samples whose label is probably wrong, the likeliest first.

    seen: predictions of samples that the model was not trained on: of a part apart, or out of fold.
    Columns: row (of the part), id, label (the given class), suggested (the likeliest class), and their probabilities.
    Needs the extra 'clean'.
    """
    filtering = need_clean()
    if not is_distribution(seen.probabilities):
        raise DataError("suspects: the probabilities of a sample do not sum to 1; confident learning needs a softmax")
    probabilities = seen.probabilities / seen.probabilities.sum(axis=1, keepdims=True)
    rows = np.array([], dtype=np.int64)
    if len(np.unique(seen.targets)) > 1:
        rows = filtering.find_label_issues(
            seen.targets,
            probabilities,
            return_indices_ranked_by="normalized_margin",
            filter_by="prune_by_class",
            n_jobs=1,
        )
    suggested = seen.predicted[rows]
    return pd.DataFrame(
        {
            "row": rows,
            "id": seen.ids[rows].astype(str),
            "label": [seen.vocab[code] for code in seen.targets[rows]],
            "suggested": [seen.vocab[code] for code in suggested],
            "label_probability": probabilities[rows, seen.targets[rows]],
            "suggested_probability": probabilities[rows, suggested],
        }
    )
