"""Measure a trained fusion: as any classifier, and what it takes of either map."""

from typing import Any

from learnerkit.classify import evaluate as classify
from learnerkit.core.ranges import Until
from learnerkit.core.run_folder import RunFolder
from learnerkit.learner.kit import KitLearner


def evaluate(
    learn: KitLearner,
    run: RunFolder,
    parts: list[str],
    tta: int = 0,
    codes: bool = False,
    until: Until | None = None,
) -> dict[str, Any]:
    """As `classify.evaluate.evaluate`; the results also hold the weights of the two maps, where the mode has any."""
    results = classify.evaluate(learn, run, parts, tta, codes, until)
    weights = learn.model.reported()
    return run.write_results({"fusion_weights": weights}) if weights else results
