"""The tables of a fusion's run: a classifier's, and the weights of the two maps."""

from typing import Any

from learnerkit.classify import tables as classify
from learnerkit.classify.evaluation import Evaluation
from learnerkit.pages.page import Table


def tables(seen: Evaluation | None, results: dict[str, Any]) -> list[Table]:
    """A classifier's tables and, where the mode has any, the weight of each map in each channel."""
    found = classify.tables(seen, results)
    if weights := results.get("fusion_weights"):
        heads = ("map", *(f"channel {number}" for number in range(1, len(weights["saliency"]) + 1)))
        rows = [(name, *(f"{weight:.3f}" for weight in values)) for name, values in weights.items()]
        found.append(Table("Weights of the two maps", heads, rows))
    return found
