"""Pictures of how far explanations can be trusted: curves beside chance, agreement of variants, loss of likeness."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.statistics import drawn_groups
from learnerkit.core.text import formatted
from learnerkit.pages.figure import legend_below, look_of, new_figure
from learnerkit.pages.letters import plain_text

Row = dict[str, Any]
RESAMPLES = 999  # of a band, which is looked at; the figures in rows have more
BETTER = {"deletion": "lower is better", "insertion": "higher is better"}
TITLES = {"spearman": "rank correlation", "ssim": "SSIM", "overlap": "overlap of the top pixels"}


def draw_curves(fractions: np.ndarray, curves: Mapping[str, Mapping[str, np.ndarray]], score: str = "score") -> Figure:
    """The mean of deletion and insertion curves with 95 % bootstrap bands, a line a map.

    fractions: of the pixels [S+1]; curves: by kind and map [N,S+1], nan in rows that are n/a; score: what is followed.
    """
    figure, panels = new_figure(5.6 * len(curves), 4.6, 1, len(curves))
    names = list(next(iter(curves.values())))
    for panel, (kind, by_name) in zip(np.atleast_1d(panels), curves.items(), strict=True):
        for number, name in enumerate(names):
            known = by_name[name][~np.isnan(by_name[name]).any(axis=1)]
            if len(known):
                low, high = band(known)
                color = look_of(number)["color"]
                panel.plot(fractions, known.mean(axis=0), color=color, linewidth=1.6)
                panel.fill_between(fractions, low, high, color=color, alpha=0.2, linewidth=0)
        panel.set(title=f"{kind} ({BETTER.get(kind, '')})", xlabel="part of the pixels", ylabel=plain_text(score))
        panel.grid(alpha=0.3)
    legend_below(figure, [plain_text(name, 40) for name in names])
    return figure


def band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95 % bootstrap interval of the mean of curves [N,S], at each place [S]."""
    means = drawn_groups(len(values), RESAMPLES) @ values / len(values)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def draw_agreement(rows: Sequence[Row], measure: str = "spearman") -> Figure:
    """How alike the maps of each two variants are, with that of other images' maps below, in a square of cells.

    rows: of `explanation_consistency`; measure: which of theirs.
    """
    rows = [row for row in rows if row["measure"] == measure]
    names = list(dict.fromkeys(name for row in rows for name in (row["first"], row["second"])))
    table = np.full((len(names), len(names)), np.nan)
    side = 2.2 + 1.05 * len(names)
    figure, panel = new_figure(side + 1.2, side)
    panel.set_facecolor("#eeeeee")
    for row in rows:
        first, second = names.index(row["first"]), names.index(row["second"])
        for down, across in ((first, second), (second, first)):
            table[down, across] = row["mean"]
            ink = "black" if row["mean"] > 0.6 or row["mean"] != row["mean"] else "white"
            said = f"{formatted(row['mean'], '{:.2f}')}\n({formatted(row['other_images'], '{:.2f}')})"
            panel.text(across, down, said, ha="center", va="center", fontsize=9, color=ink)
    shown = panel.imshow(table, cmap="viridis", vmin=0, vmax=1)
    ticks = [plain_text(name, 24) for name in names]
    panel.set_xticks(range(len(names)), ticks, rotation=40, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(names)), ticks)
    panel.set_title(f"{TITLES.get(measure, measure)} (with other images' maps)", fontsize=10)
    figure.colorbar(shown, ax=panel, shrink=0.8)
    return figure


def draw_depths(rows: Mapping[str, Sequence[Row]], measure: str = "spearman") -> Figure:
    """How alike maps stay as weights are drawn anew from the head down; dotted: with maps of other images.

    rows: of `randomisation_control` by method; measure: which of theirs.
    """
    figure, panel = new_figure(6.4, 4.6)
    for number, each in enumerate(rows.values()):
        shown, color = [row for row in each if row["measure"] == measure], look_of(number)["color"]
        depths = [0, *(row["depth"] for row in shown)]
        panel.plot(depths, [1, *(row["mean"] for row in shown)], color=color, marker="o", markersize=4)
        ends = ([1, *(row[key] for row in shown)] for key in ("low", "high"))
        panel.fill_between(depths, *ends, color=color, alpha=0.2, linewidth=0)
        panel.plot(depths[1:], [row["other_images"] for row in shown], color=color, linestyle=":")
    panel.axhline(0, color="black", linewidth=0.6)
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.set(title="Maps beside those of redrawn weights", xlabel="layers drawn anew, from the head down")
    panel.set_ylabel(TITLES.get(measure, measure))
    panel.grid(alpha=0.3)
    legend_below(figure, [plain_text(name, 40) for name in rows])
    return figure
