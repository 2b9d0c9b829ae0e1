"""Detectors side by side: average precision with its interval, size and speed, from the files of their runs alone."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.errors import RunError
from learnerkit.core.files import sha256
from learnerkit.core.finished import (
    Comparison,
    Finished,
    common_groups,
    mean_of,
    settings_of,
    spread_of,
    valid_figure,
)
from learnerkit.core.members import groups_of
from learnerkit.core.power import error_p
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.statistics import drawn_groups, holm
from learnerkit.core.tensors import read_npz
from learnerkit.core.text import both, formatted, p_text, some
from learnerkit.detect.matching import as_tensors
from learnerkit.detect.metrics import FIGURES
from learnerkit.detect.resampled import resampled_map
from learnerkit.pages.choice import choice_text, in_order
from learnerkit.pages.comparison import (
    add_legends,
    bar_height,
    draw_courses,
    draw_points,
    names_of,
    styles_of,
    titled,
)
from learnerkit.pages.detectable import Measure
from learnerkit.pages.figure import new_figure
from learnerkit.pages.ranking import ALONE, Column, Ranking, Variants, base_row

RESAMPLES = 500  # of the images, for the intervals
RANKS = (("rank_speed", "ms_per_image", 1), ("rank_size", "parameters", 1))
COLUMNS = (
    Column("variant", "variant", brief="variant"),
    Column("n", "runs", brief="runs"),
    Column("valid_mAP", "valid mAP", "{:.4f}", brief="valid", brief_form="{:.3f}"),
    Column("mAP", "mAP", "{:.4f}", brief="mAP", brief_form="{:.3f}"),
    Column("mAP_std", "std over seeds", "{:.4f}", optional=True),
    Column("mAP50", "mAP50", "{:.4f}", brief="mAP50", brief_form="{:.3f}"),
    Column("mAP75", "mAP75", "{:.4f}"),
    Column("difference", "behind the first", "{:.4f}", brief="behind", brief_form="{:.3f}", optional=True),
    Column(("ci_low", "ci_high"), "95 % interval", "{0[0]:.4f} to {0[1]:.4f}", optional=True),
    Column("holm_p", "Holm p", p_text, optional=True),
    Column("rank_accuracy", "place by valid mAP"),
    Column("ms_per_image", "ms/image", "{:.1f}", brief="ms", brief_form="{:.0f}"),
    Column("fps", "FPS", "{:.2f}"),
    Column("rank_speed", "place by speed"),
    Column("parameters", "parameters", "{:,.0f}", brief="params", brief_form=lambda n: f"{n / 1e6:.1f} M"),
    Column("megabytes", "megabytes", "{:,.1f}", brief="MB", brief_form="{:,.0f}"),
    Column("rank_size", "place by size"),
    Column("seconds", "training s", "{:,.0f}"),
)
NAMED = 4  # variants that the verdict calls by name
NOTE = """Figures are means over the runs of a variant. The order is that of mAP on valid, equal ones by the lower
loss there, then by fewer parameters: the test part chooses nothing. Average precision is COCO's (101 recalls; mAP is
the mean over overlaps of .5 to .95). The time is the model's for one image at a time, median, measured at the end of
each run on its own device: compare it within one machine alone. "Behind the first" is the difference in mAP on the part
named above, below 0 where a variant is ahead of the first, with the paired percentile bootstrap interval over the
images (500 resamples, the same for all variants; images that belong together are drawn together where the runs say
which they are; not corrected for the number of variants). "Holm p" is that of the difference by its standard error over
the same resamples, corrected for the number of variants by Holm's method. Both say what other images would change; what
another seed would change, only runs of several seeds say."""


def read(run: RunFolder, described: dict[str, Any]) -> Finished:
    """A finished run with detections [N,D,6] and truth [N,M,5] on test, or on valid where the set has no test part."""
    arrays = read_npz(run.file("predictions.npz"))
    part = "test" if "test" in set(arrays["part"].tolist()) else "valid"
    chosen = arrays["part"] == part
    if not chosen.any():
        raise RunError(f"was not evaluated; `learnerkit evaluate {run.path}` does so")
    truth = arrays["targets"][chosen]
    names = "\n".join([part, *arrays["ids"][chosen].tolist()]).encode("utf-8", "surrogateescape")
    samples = sha256(names + np.ascontiguousarray(truth[truth[..., 4] >= 0]).tobytes())[:12]
    boxes = {"detections": arrays["detections"][chosen], "truth": truth}
    n, settings = int(chosen.sum()), settings_of(described)
    groups = groups_of(run.path, part, arrays["ids"][chosen].tolist())
    return Finished(run, described, run.results(), run.history(), part, n, samples, boxes, settings, groups=groups)


def rows(variants: Variants) -> list[dict[str, Any]]:
    """One row a variant in the order of the choice; beside its difference to the first the bootstrap interval."""
    found = rank([_row(label, members) for label, members in variants.items()])
    best, *others = found
    if not others or best["mAP"] is None:
        return found
    for row in others:
        row["difference"] = best["mAP"] - row["mAP"]
    runs = [run for members in variants.values() for run in members]
    counts = drawn_groups(runs[0].n, RESAMPLES, common_groups(runs))
    if (counts == 1).all():  # the images are of one group: there is nothing to draw
        return found
    first = _resampled(variants[best["variant"]], counts)
    for row in others:
        behind = first - _resampled(variants[row["variant"]], counts)
        row["ci_low"], row["ci_high"] = np.nanpercentile(behind, [2.5, 97.5]).tolist()
        row["difference_se"] = float(np.nanstd(behind, ddof=1))
    corrected = holm([error_p(row["difference"], row["difference_se"]) for row in others])
    for row, p in zip(others, corrected, strict=True):
        row["holm_p"] = p
    return found


def apart(first: dict[str, Any], row: dict[str, Any]) -> int:
    """1 where the first variant is better on the images beyond luck, -1 where the other is, 0 where nothing tells.

    The interval and the p that is corrected for the number of variants have to say so.
    """
    if row["ci_low"] is None or row["holm_p"] >= 0.05:
        return 0
    return int(row["ci_low"] > 0) - int(row["ci_high"] < 0)


def _resampled(members: list[Finished], counts: np.ndarray) -> np.ndarray:
    """mAP, mean over a variant's runs, on resamples of the images that all runs share [R]."""
    pairs = ((as_tensors(run.arrays["detections"]), as_tensors(run.arrays["truth"])) for run in members)
    return np.mean([resampled_map(found, truth, counts) for found, truth in pairs], axis=0)


def _row(label: str, members: list[Finished]) -> dict[str, Any]:
    """One variant's figures, means over its seeds."""
    part, row = members[0].part, base_row(label, members)
    row |= {name: mean_of(members, f"{part}_{name}") for name in FIGURES}
    row |= {name: mean_of(members, name) for name in ("megabytes", "ms_per_image", "fps")}
    row |= {"valid_mAP": valid_figure(members, "valid_mAP"), "mAP_std": spread_of(members, f"{part}_mAP")}
    return {**row, **dict.fromkeys(("difference", "difference_se", "ci_low", "ci_high", "holm_p"))}


def rank(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in the order of the choice, with their places by accuracy, speed and size; equal values share a place."""
    for name, key, sign in RANKS:
        values = [None if row[key] is None else sign * row[key] for row in rows]
        known = [value for value in values if value is not None]
        for row, value in zip(rows, values, strict=True):
            row[name] = None if value is None else 1 + sum(other < value for other in known)
    ordered = in_order(rows, "valid_mAP", "mAP")
    return [{**row, "rank_accuracy": row["place"]} for row in ordered]


def verdict(comparison: Comparison) -> str:
    """The variant that valid chooses, the fastest and the smallest, and what of that other images could change."""
    best = comparison.rows[0]
    if best["mAP"] is None:
        return f"No object stands on the {comparison.n:,} {comparison.part} images; there is nothing to rank by."
    place = {name: both([row["variant"] for row in comparison.rows if row[name] == 1]) for name, _, _ in RANKS}
    fastest = min(row["ms_per_image"] for row in comparison.rows)
    smallest = min(row["parameters"] for row in comparison.rows)
    measured = [row for row in comparison.rows if row["ci_low"] is not None]
    ahead = [row["variant"] for row in measured if row["ci_low"] > 0]
    behind = [row["variant"] for row in measured if row["ci_high"] < 0]
    alike = [row["variant"] for row in measured if row["ci_low"] <= 0 <= row["ci_high"]]
    luck = f"; ahead of {some(ahead, NAMED)} on other images too (interval above 0)" if ahead else ""
    luck += f"; behind {some(behind, NAMED)} on other images too (interval below 0)" if behind else ""
    luck += f"; not to be told apart from {some(alike, NAMED)}" if alike else ""
    luck += "; runs of more seeds would say what a seed changes" if measured and best["n"] == 1 else ""
    luck += "" if comparison.rows[1:] else f"; {ALONE}"
    return (
        f"{choice_text(comparison, 'valid_mAP', 'mAP', 'mAP {:.4f}')}{luck}; "
        f"fastest: {place['rank_speed']}, {fastest:.1f} ms/image; "
        f"smallest: {place['rank_size']}, {smallest:,.0f} parameters."
    )


def draw(comparison: Comparison) -> Figure:
    """Average precision, its price in time and in parameters, and each variant's curve."""
    variants, styles = comparison.rows, styles_of(comparison)
    figure, ((bars, speed), (size, curves)) = new_figure(14, 2 * bar_height(comparison), 2, 2)
    places = np.arange(len(variants))[::-1]
    for offset, (key, shade) in enumerate((("mAP50", 0.45), ("mAP", 1.0))):
        values = [row[key] or 0 for row in variants]
        heights = places + 0.2 - 0.4 * offset
        bars.barh(heights, values, 0.4, color=[styles[row["variant"]]["color"] for row in variants], alpha=shade)
        for height, value in zip(heights, values, strict=True):
            bars.text(value, height, f" {key} {value:.3f}", va="center", fontsize=8)
    bars.set_yticks(places, list(names_of(comparison).values()))
    bars.set(title=f"Average precision ({comparison.part})", xlabel="AP")
    bars.margins(x=0.25)
    for panel, key, name, unit in (
        (speed, "ms_per_image", "ms/image", 1),
        (size, "parameters", "million parameters", 1e6),
    ):
        known = [row for row in variants if row[key] is not None and row["mAP"] is not None]
        draw_points(panel, comparison, {row["variant"]: [(row[key] / unit, row["mAP"])] for row in known})
        panel.set(title=f"mAP against {name}", xlabel=name, ylabel="mAP")
    draw_courses(curves, comparison, "mAP")
    curves.set(title=titled(comparison, "Validation mAP"), xlabel="epoch", ylabel="mAP")
    add_legends(figure, [curves, speed, size], comparison)
    for panel in (bars, speed, size, curves):
        panel.grid(alpha=0.3)
    return figure


def run_cells(run: Finished) -> dict[str, str]:
    """What the table of runs says of one."""
    return {key: formatted(run.results.get(f"{run.part}_{key}"), "{:.4f}") for key in ("mAP", "mAP50")}


RANKING = Ranking(
    read, rows, COLUMNS, verdict, draw, NOTE, run_cells, ("mAP", "mAP"), measure=Measure("mAP", "mAP_std", apart)
)
