"""Classifiers side by side: accuracy, the interval of its difference, and whether they err on the same samples."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.errors import RunError
from learnerkit.core.files import sha256
from learnerkit.core.finished import (
    Comparison,
    Finished,
    common_groups,
    first_known,
    mean_of,
    settings_of,
    spread_of,
    valid_figure,
    variants_of,
)
from learnerkit.core.members import groups_of
from learnerkit.core.power import paired_error
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.statistics import holm, mcnemar, paired_interval
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import formatted, p_text, some
from learnerkit.pages.choice import choice_text, in_order, leaders
from learnerkit.pages.comparison import (
    add_legends,
    bar_height,
    bar_title,
    draw_bars,
    draw_courses,
    draw_points,
    titled,
)
from learnerkit.pages.detectable import Measure
from learnerkit.pages.figure import new_figure
from learnerkit.pages.ranking import ALONE, Column, Ranking, Variants, base_row


def _brief(ends: tuple[float, float]) -> str:
    return "{:.1f} to {:.1f}".format(*(100 * end for end in ends))


COLUMNS = (
    Column("variant", "variant", brief="variant"),
    Column("n", "runs", brief="runs"),
    Column("valid_accuracy", "valid accuracy", "{:.2%}", brief="valid", brief_form="{:.1%}"),
    Column("test_accuracy", "test accuracy", "{:.2%}", brief="test", brief_form="{:.1%}"),
    Column("test_std", "std over seeds", "{:.2%}", brief="std", brief_form="{:.1%}", optional=True),
    Column("test_macro_f1", "macro F1", "{:.4f}"),
    Column("difference", "behind the first", "{:.2%}", brief="behind", brief_form="{:.1%}", optional=True),
    Column(("ci_low", "ci_high"), "95 % interval", "{0[0]:.2%} to {0[1]:.2%}", "95 % interval", _brief, optional=True),
    Column("mcnemar_p", "McNemar p", p_text, optional=True),
    Column("holm_p", "Holm p", p_text, brief="Holm p", optional=True),
    Column("parameters", "parameters", "{:,.0f}"),
    Column("seconds", "seconds", "{:,.0f}"),
)
NAMED = 4  # variants that the verdict calls by name
NOTE = """Figures are means over the runs of a variant. The order is that of the accuracy on valid, equal ones by the
lower loss there, then by fewer parameters: the test part chooses nothing, so that the test accuracy of the first is not
flattered. "Behind the first" is the difference of the test accuracies, below 0 where a variant is ahead of the first,
with the percentile bootstrap interval (9,999 resamples). McNemar's exact test compares the predictions of the
probabilities averaged over a variant's seeds; Holm's method corrects for the number of variants. Samples that belong
together (copies, pairs of one source image) are drawn together, and exchanged together in the test, where the runs say
which they are."""


def read(run: RunFolder, described: dict[str, Any]) -> Finished:
    """A finished run with its targets [N] and probabilities [N,K] on the test part."""
    arrays = read_npz(run.file("predictions.npz"))
    test = arrays["part"] == "test"
    if not test.any():
        raise RunError(f"was not evaluated on a test part; `learnerkit evaluate {run.path}` does so")
    targets, ids = arrays["targets"][test], arrays["ids"][test].tolist()
    names = "\n".join(f"{name} {code}" for name, code in zip(ids, targets, strict=True))
    samples = sha256(names.encode("utf-8", "surrogateescape"))[:12]
    return Finished(
        run,
        described,
        run.results(),
        run.history(),
        "test",
        len(targets),
        samples,
        {"targets": targets, "probabilities": arrays["probabilities"][test]},
        settings_of(described),
        groups=groups_of(run.path, "test", ids),
    )


def rows(variants: Variants) -> list[dict[str, Any]]:
    """One row a variant in the order of the choice, each with its difference to the first and the tests of it."""
    found = [_row(label, members) for label, members in variants.items()]
    first, *others = in_order(found, "valid_accuracy", "test_accuracy")
    chosen = variants[first["variant"]]
    groups = common_groups([run for members in variants.values() for run in members])
    p_values = []
    for row in others:
        second = variants[row["variant"]]
        measured = paired_interval(_share_right(chosen), _share_right(second), groups)
        known = (None if value != value else round(value, 6) for value in measured)
        row["difference"], row["ci_low"], row["ci_high"] = known
        row["difference_se"] = paired_error(_share_right(chosen), _share_right(second), groups)
        p_values.append(mcnemar(_averaged_right(chosen), _averaged_right(second), groups))
    for row, p, corrected in zip(others, p_values, holm(p_values), strict=True):
        row["mcnemar_p"], row["holm_p"] = p, corrected
    return [first, *others]


def _row(label: str, members: list[Finished]) -> dict[str, Any]:
    row = {**base_row(label, members), "valid_accuracy": valid_figure(members, "valid_accuracy")}
    row["valid_loss"] = first_known(valid_figure(members, "valid_log_loss"), row["valid_loss"])
    row |= {key: mean_of(members, key) for key in ("test_accuracy", "test_macro_f1", "test_log_loss")}
    row["test_std"] = spread_of(members, "test_accuracy")
    row |= dict.fromkeys(("difference", "difference_se", "ci_low", "ci_high", "mcnemar_p", "holm_p"))
    return {**row, "ensemble_accuracy": float(_averaged_right(members).mean())}


def _share_right(members: list[Finished]) -> np.ndarray:
    """For each test sample the share of the runs that are right [N]."""
    right = [run.arrays["probabilities"].argmax(axis=1) == run.arrays["targets"] for run in members]
    return np.mean(right, axis=0)


def _averaged_right(members: list[Finished]) -> np.ndarray:
    """Whether the probabilities averaged over the runs are right on each test sample, bool [N]."""
    averaged = np.mean([run.arrays["probabilities"] for run in members], axis=0)
    return averaged.argmax(axis=1) == members[0].arrays["targets"]


def apart(first: dict[str, Any], row: dict[str, Any]) -> int:
    """1 where the first variant is better on test beyond luck, -1 where the other is, 0 where nothing tells them apart.

    The test and the interval have to say so, in the same direction.
    """
    if row["ci_low"] is None or row["holm_p"] >= 0.05:
        return 0
    ahead = first["ensemble_accuracy"] - row["ensemble_accuracy"]
    return int(ahead > 0 and row["ci_low"] > 0) - int(ahead < 0 and row["ci_high"] < 0)


def verdict(comparison: Comparison) -> str:
    """One sentence: the variant that valid chooses, and from which others it can be told apart on test."""
    first, *others = comparison.rows
    text = choice_text(comparison, "valid_accuracy", "test_accuracy", "{:.2%}")
    if not others:
        return f"{text}; {ALONE}."
    places = {place: [row["variant"] for row in others if apart(first, row) == place] for place in (1, -1, 0)}
    parts = [f"better than {some(places[1], NAMED)} (Holm p < .05, interval above 0)"] if places[1] else []
    parts += [f"worse than {some(places[-1], NAMED)} (Holm p < .05, interval below 0)"] if places[-1] else []
    parts += [f"not to be told apart from {some(places[0], NAMED)}"] if places[0] else []
    said = f"on test {first['variant']} is" if len(leaders(comparison.rows)) > 1 else "on test it is"
    return f"{text}; {said} {'; '.join(parts)}."


def draw(comparison: Comparison) -> Figure:
    """Test accuracy with its spread, validation against test accuracy, and each variant's curve."""
    figure, (bars, points, curves) = new_figure(17, bar_height(comparison), 1, 3)
    draw_bars(bars, comparison, "test_accuracy", "test_std", "{:.1%}", beside="valid_accuracy")
    bars.set(title=bar_title(comparison, "Test accuracy", "valid_accuracy"), xlabel="accuracy")
    known = [run for run in comparison.runs if run.results.get("valid_accuracy") is not None]
    draw_points(points, comparison, {label: list(map(_both, runs)) for label, runs in variants_of(known).items()})
    low, high = points.get_xlim()
    points.plot([low, high], [low, high], color="grey", linewidth=0.8, linestyle="--")
    points.set(title="Validation against test, a point a run", xlabel="valid accuracy", ylabel="test accuracy")
    draw_courses(curves, comparison, "accuracy")
    curves.set(title=titled(comparison, "Validation accuracy"), xlabel="epoch", ylabel="accuracy")
    add_legends(figure, [curves, points], comparison)
    for panel in (bars, points, curves):
        panel.grid(alpha=0.3)
    return figure


def _both(run: Finished) -> tuple[float, float]:
    return run.results["valid_accuracy"], run.results["test_accuracy"]


def run_cells(run: Finished) -> dict[str, str]:
    """What the table of runs says of one."""
    return {f"{part} accuracy": formatted(run.results.get(f"{part}_accuracy"), "{:.2%}") for part in ("test", "valid")}


GAIN = ("test_accuracy", "test accuracy")
MEASURE = Measure("test_accuracy", "test_std", apart)
RANKING = Ranking(
    read, rows, COLUMNS, verdict, draw, NOTE, run_cells, ("accuracy", "Accuracy"), gain=GAIN, measure=MEASURE
)
