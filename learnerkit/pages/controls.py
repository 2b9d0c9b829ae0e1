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
CHANCE = "random"  # what the mean of the random orders is called among the curves
BETTER = {"deletion": "lower is better", "insertion": "higher is better"}
TITLES = {"spearman": "rank correlation", "ssim": "SSIM", "overlap": "overlap of the top pixels"}


def draw_curves(fractions: np.ndarray, curves: Mapping[str, Mapping[str, np.ndarray]], score: str = "score") -> Figure:
    """The mean deletion and insertion curve of each map, beside that of random orders.

    fractions: of the pixels [S+1]; curves: by kind and map [N,S+1], 'random' among them, nan in rows that are n/a.
    score: what is followed.
    A band is the 95 % bootstrap interval of the difference from random orders, image by image: where it leaves their
    line the map does better or worse than chance. How the images differ from one another is no part of it.
    """
    figure, panels = new_figure(5.6 * len(curves), 4.6, 1, len(curves))
    panels = np.atleast_1d(panels)
    for panel, (kind, by_name) in zip(panels, curves.items(), strict=True):
        by_chance = by_name[CHANCE]
        ground = by_chance.mean(axis=0)
        panel.plot(fractions, ground, color="black", linestyle="--", linewidth=1.2, label="random orders")
        for number, name in enumerate(name for name in by_name if name != CHANCE):
            color, known = look_of(number)["color"], ~np.isnan(by_name[name]).any(axis=1)
            label = plain_text(name, 40) + ("" if known.all() else f" ({known.sum()} of {len(known)} images)")
            difference = (by_name[name] - by_chance)[known]
            mean = ground + difference.mean(axis=0) if known.any() else np.full_like(ground, np.nan)
            panel.plot(fractions, mean, color=color, linewidth=1.6, label=label)
            if known.any():
                low, high = band(difference)
                panel.fill_between(fractions, ground + low, ground + high, color=color, alpha=0.2, linewidth=0)
        panel.set(title=f"{kind} ({BETTER.get(kind, '')})", xlabel="part of the pixels", ylabel=plain_text(score))
        panel.grid(alpha=0.3)
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=min(4, len(lines)), fontsize=8)
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
            said = f"{formatted(row['mean'], two_places)}\n({formatted(row['other_images'], two_places)})"
            panel.text(across, down, said, ha="center", va="center", fontsize=9, color=ink)
    shown = panel.imshow(table, cmap="viridis", vmin=0, vmax=1)
    ticks = [plain_text(name, 40) for name in names]
    panel.set_xticks(range(len(names)), ticks, rotation=40, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(names)), ticks)
    panel.set_title(f"{TITLES.get(measure, measure)} (with other images' maps)", fontsize=10)
    figure.colorbar(shown, ax=panel, shrink=0.8)
    return figure


def two_places(value: float) -> str:
    """A number as 0.25; what rounds to 0 has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"


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
