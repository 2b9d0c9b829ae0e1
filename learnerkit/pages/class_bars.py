"""Bars of a figure of each class, with its interval."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

ALL = 40  # classes that are all drawn; of more the best and the worst are
ENDS = 15  # of either


def draw_class_bars(
    names: Sequence[str], values: np.ndarray, low: np.ndarray, high: np.ndarray, title: str, xlabel: str
) -> Figure:
    """A bar a class, the best on top; of more than 40 classes the 15 best and the 15 worst.

    names: of the classes; values: 0 to 1 [K], nan where a class has none, which is left out and counted below.
    low, high: the ends of their intervals [K]; title, xlabel: of the picture.
    """
    order = [code for code in np.argsort(-values, kind="stable") if not np.isnan(values[code])]
    few = len(order) <= ALL
    shown = order if few else [*order[:ENDS], *order[-ENDS:]]
    places = np.arange(len(shown), 0, -1, dtype=float)
    if not few:
        places[:ENDS] += 1  # a gap between the best and the worst
    figure, axes = new_figure(7.5, max(2.2, 0.24 * len(shown) + 1.4))
    held = values[shown]
    ends = np.stack([held - low[shown], high[shown] - held]).clip(0)
    axes.barh(places, held, 0.72, xerr=ends, color="#2b7bba", ecolor="0.3", error_kw={"linewidth": 1, "capsize": 2})
    axes.set_ylim(0.3, places.max(initial=1) + 0.7)
    axes.set_yticks(places, [plain_text(names[code], 28) for code in shown], fontsize=8)
    mean = float(np.nanmean(values)) if order else float("nan")
    if order:
        axes.axvline(mean, color="#b35c00", linewidth=1, linestyle="--", label=f"mean over classes {mean:.3f}")
        figure.legend(fontsize=8, loc="outside lower center")  # the worst bar may be as long as the best
    unsaid = [f"{ENDS} best and {ENDS} worst of {len(order):,}"] if not few else []
    unsaid += [f"{len(values) - len(order):,} classes without samples"] if len(order) < len(values) else []
    axes.set(title=title, xlim=(0, 1), xlabel=f"{xlabel}\n{'; '.join(unsaid)}" if unsaid else xlabel)
    axes.grid(alpha=0.3, axis="x")
    return figure
