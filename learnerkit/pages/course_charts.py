"""The courses of a comparison's variants as charts: the mean of the runs of each, in one colour throughout."""

import numpy as np

from learnerkit.core.finished import Comparison, variants_of
from learnerkit.pages.charts import Chart, Curve
from learnerkit.pages.comparison import course_of, has_seeds

LONGEST = 60  # letters of a variant in a legend


def course_charts(comparison: Comparison, curve: tuple[str, str]) -> list[Chart]:
    """Training loss, validation loss, a figure of the task and the rate of every variant over the epochs.

    curve: the figure's name in the ledger, and what it is called.
    """
    titles = {"train_loss": "Training loss", "valid_loss": "Validation loss", curve[0]: curve[1], "lr": "Learning rate"}
    charts = (_chart(comparison, key, title) for key, title in titles.items())
    return [chart for chart in charts if chart is not None]


def _chart(comparison: Comparison, key: str, title: str) -> Chart | None:
    """A figure over the epochs that any variant has; None where it is known of none."""
    names, variants = comparison.short_names(LONGEST)[0], variants_of(comparison.runs)
    courses = {label: course_of(variants[label], key) for label in names}
    epochs = sorted({epoch for found, _ in courses.values() for epoch in found})
    curves = []
    for number, (label, (found, values)) in enumerate(courses.items()):
        means = dict(zip(found, values.mean(axis=0).tolist() if len(found) else (), strict=True))
        curves.append(Curve(names[label], [means.get(epoch) for epoch in epochs], number))
    known = [curve for curve in curves if any(v is not None and np.isfinite(v) for v in curve.values)]
    note = "Each line is the mean over the seeds of a variant." if has_seeds(comparison) else ""
    return Chart(title[:1].upper() + title[1:].replace("_", " "), "epoch", epochs, known, None, note) if known else None
