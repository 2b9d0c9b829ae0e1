"""Classifiers side by side: accuracy, the interval of its difference, and whether they err on the same samples."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.errors import RunError
from learnerkit.core.files import sha256
from learnerkit.core.finished import Comparison, Finished, mean_of, settings_of, spread_of
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.statistics import holm, mcnemar, paired_interval
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import formatted, p_text
from learnerkit.pages.comparison import bar_height, colors_of, draw_bars, draw_courses
from learnerkit.pages.figure import new_figure
from learnerkit.pages.ranking import Column, Ranking, Variants, base_row

HEAD = "95 % interval"
COLUMNS = (
    Column("variant", "variant", brief="variant"),
    Column("n", "runs", brief="runs"),
    Column("test_accuracy", "test accuracy", "{:.2%}", brief="test", brief_form="{:.1%}"),
    Column("test_std", "std over seeds", "{:.2%}", brief="std", brief_form="{:.1%}", optional=True),
    Column("valid_accuracy", "valid accuracy", "{:.2%}", brief="valid", brief_form="{:.1%}"),
    Column("test_macro_f1", "macro F1", "{:.4f}"),
    Column("difference", "behind the best", "{:.2%}", brief="behind", brief_form="{:.1%}", optional=True),
    Column(("ci_low", "ci_high"), HEAD, "{0[0]:.2%} to {0[1]:.2%}", HEAD, "{0[0]:.1%} to {0[1]:.1%}", optional=True),
    Column("mcnemar_p", "McNemar p", p_text, optional=True),
    Column("holm_p", "Holm p", p_text, brief="Holm p", optional=True),
    Column("parameters", "parameters", "{:,.0f}"),
    Column("seconds", "seconds", "{:,.0f}"),
)
NOTE = """Accuracies are means over the runs of a variant. "Behind the best" is the difference of the means with the
percentile bootstrap interval over the test samples (9,999 resamples). McNemar's exact test compares the predictions of
the probabilities averaged over a variant's seeds; Holm's method corrects for the number of variants. The best is the
one that is best on these test samples, which favours it a little: choose by validation, and read this page for the size
of the differences."""


def read(run: RunFolder, described: dict[str, Any]) -> Finished:
    """A finished run with its targets [N] and probabilities [N,K] on the test part."""
    arrays = read_npz(run.file("predictions.npz"))
    test = arrays["part"] == "test"
    if not test.any():
        raise RunError("was not evaluated on a test part")
    targets = arrays["targets"][test]
    names = "\n".join(f"{name} {code}" for name, code in zip(arrays["ids"][test], targets, strict=True))
    kept = {"targets": targets, "probabilities": arrays["probabilities"][test]}
    samples = sha256(names.encode("utf-8", "surrogateescape"))[:12]
    settings = settings_of(described)
    return Finished(run, described, run.results(), run.history(), "test", len(targets), samples, kept, settings)


def rows(variants: Variants) -> list[dict[str, Any]]:
    """One row a variant, best test accuracy first, each with its difference to the best and the tests of it."""
    found = [_row(label, members) for label, members in variants.items()]
    found.sort(key=lambda row: (-row["test_accuracy"], row["variant"]))
    best, *others = found
    first = variants[best["variant"]]
    p_values = []
    for row in others:
        second = variants[row["variant"]]
        measured = paired_interval(_share_right(first), _share_right(second))
        row["difference"], row["ci_low"], row["ci_high"] = (round(value, 6) for value in measured)
        p_values.append(mcnemar(_averaged_right(first), _averaged_right(second)))
    for row, p, corrected in zip(others, p_values, holm(p_values), strict=True):
        row["mcnemar_p"], row["holm_p"] = p, corrected
    return found


def _row(label: str, members: list[Finished]) -> dict[str, Any]:
    row = {**base_row(label, members), "test_std": spread_of(members, "test_accuracy")}
    keys = ("test_accuracy", "valid_accuracy", "test_macro_f1", "test_log_loss")
    row |= {key: mean_of(members, key) for key in keys}
    row |= dict.fromkeys(("difference", "ci_low", "ci_high", "mcnemar_p", "holm_p"))
    return {**row, "ensemble_accuracy": float(_averaged_right(members).mean())}


def _share_right(members: list[Finished]) -> np.ndarray:
    """For each test sample the share of the runs that are right [N]."""
    right = [run.arrays["probabilities"].argmax(axis=1) == run.arrays["targets"] for run in members]
    return np.mean(right, axis=0)


def _averaged_right(members: list[Finished]) -> np.ndarray:
    """Whether the probabilities averaged over the runs are right on each test sample, bool [N]."""
    averaged = np.mean([run.arrays["probabilities"] for run in members], axis=0)
    return averaged.argmax(axis=1) == members[0].arrays["targets"]


def is_apart(best: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether the best variant is better beyond luck: the test and the interval say so, in the same direction."""
    same_direction = best["ensemble_accuracy"] > row["ensemble_accuracy"]
    return row["holm_p"] < 0.05 and row["ci_low"] > 0 and same_direction


def verdict(comparison: Comparison) -> str:
    """One sentence: the best variant, and from which others it can be told apart."""
    best, *others = comparison.rows
    text = f"Best: {best['variant']}, {best['test_accuracy']:.2%} of {comparison.n:,} test samples"
    if not others:
        return text + "; there is no other to compare it with."
    apart = [row["variant"] for row in others if is_apart(best, row)]
    alike = [row["variant"] for row in others if not is_apart(best, row)]
    parts = [f"better than {', '.join(apart)} (Holm p < .05, interval above 0)"] if apart else []
    parts += [f"not to be told apart from {', '.join(alike)}"] if alike else []
    return f"{text}; {'; '.join(parts)}."


def draw(comparison: Comparison) -> Figure:
    """Test accuracy with its spread, validation against test accuracy, and each run's curve."""
    colors = colors_of(comparison)
    figure, (bars, points, curves) = new_figure(17, bar_height(comparison), 1, 3)
    draw_bars(bars, comparison, "test_accuracy", "test_std", "{:.1%}")
    bars.set(title="Test accuracy, spread over seeds", xlabel="accuracy")
    for run in comparison.runs:
        pair = run.results.get("valid_accuracy"), run.results["test_accuracy"]
        if pair[0] is not None:
            points.scatter(*pair, color=colors[run.label], s=36)
    low, high = points.get_xlim()
    points.plot([low, high], [low, high], color="grey", linewidth=0.8, linestyle="--")
    points.set(title="Validation against test", xlabel="valid accuracy", ylabel="test accuracy")
    draw_courses(curves, comparison, "accuracy")
    curves.set(title="Validation accuracy of each run", xlabel="epoch", ylabel="accuracy")
    for panel in (bars, points, curves):
        panel.grid(alpha=0.3)
    return figure


def run_cells(run: Finished) -> dict[str, str]:
    """What the table of runs says of one."""
    return {f"{part} accuracy": formatted(run.results.get(f"{part}_accuracy"), "{:.2%}") for part in ("test", "valid")}


RANKING = Ranking(read, rows, COLUMNS, verdict, draw, NOTE, run_cells, ("accuracy", "Accuracy"))
