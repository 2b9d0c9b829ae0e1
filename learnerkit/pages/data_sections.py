"""What the examinations of several tasks share, as sections of one report: faults, classes, copies, pictures."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.levels import Line
from learnerkit.pages.data_figures import draw_brightness, draw_class_distribution, draw_sizes, draw_split_comparison
from learnerkit.pages.data_tables import class_table, fault_table, pair_table, size_table
from learnerkit.pages.examined import Examined
from learnerkit.pages.samples import Pair, Shown, draw_pairs, draw_samples, sample_sheets

Rows = Sequence[dict[str, Any]]
SIDES = (("name", "part"), ("other", "other_part"))


def begin_section(kind: str, samples: int, faults: Sequence[Any], lines: Sequence[Line]) -> Examined:
    """What a set is and the faults of its files.

    kind: its format; samples: how many it has, the bad ones included; faults: `data.faults.Fault` each; lines: as told.
    """
    told = [{key: getattr(fault, key) for key in ("file", "place", "reason", "samples")} for fault in faults]
    facts = {"kind": kind, "samples": samples, "faults": told}
    tables = fault_table(told) if len(told) > len(lines) else []  # else the lines name each
    return Examined(list(lines), facts, [("faults", f"{len(told):,}")], tables)


def parts_section(counts: dict[str, int], by: str) -> Examined:
    """The parts as a training would deal them. counts: samples of each; by: who decided."""
    shown = " / ".join(f"{n:,}" for n in counts.values())
    return Examined([], {"parts": {"counts": counts, "by": by}}, [(" / ".join(counts), shown)])


def class_section(classes: Rows, imbalance: dict[str, Any] | None, lines: Sequence[Line], things: str) -> Examined:
    """The classes: how many there are of each, in each part.

    classes: rows of `data.balance.class_counts`; imbalance, lines: see there; things: what is counted: 'images'.
    """
    figures: dict[str, Any] = {
        "class_distribution": (
            f"{things.capitalize()} of each class",
            partial(draw_class_distribution, classes, things),
        ),
        "split_comparison": ("The classes in the parts", partial(draw_split_comparison, classes, things)),
    }
    facts = {"counted": things, "classes": list(classes), "imbalance": imbalance}
    return Examined(list(lines), facts, [("classes", f"{len(classes):,}")], [class_table(classes, things)], figures)


def look_section(
    facts: dict[str, Any],
    lines: Sequence[Line],
    means: np.ndarray,
    parts: np.ndarray,
    by_class: Rows,
    widths: np.ndarray,
    heights: np.ndarray,
) -> Examined:
    """How the pictures are stored, and how large and bright they are.

    facts: of `data.look_facts.look_facts`; lines: of it; means: brightness of each picture [N]; parts: of each.
    by_class: rows of `data.look_facts.class_brightness`; widths, heights: in pixels, of each.
    """
    figures: dict[str, Any] = {
        "brightness": ("Brightness", partial(draw_brightness, means, parts, by_class)),
        "sizes": ("Sizes", partial(draw_sizes, widths, heights)),
    }
    facts = {**facts, "brightness": {**facts["brightness"], "classes": list(by_class)}}
    return Examined(list(lines), facts, [], size_table(facts["sizes"]), figures)


def pairs_section(equal: Rows, near: Rows | None, lines: Sequence[Line], shown: Callable[[str], Shown]) -> Examined:
    """Samples that show what others show.

    equal, near: see `data.alike`, None where near copies cannot be looked for; lines: of both.
    shown: a sample's name to its picture.
    """
    kinds: dict[str, tuple[str, Rows | None, str]] = {
        "copies": ("Equal samples", equal, "equal to another"),
        "near_copies": ("Near copies", near, "near copies"),
    }
    found = Examined(list(lines))
    for name, (title, pairs, label) in kinds.items():
        if pairs is not None:
            found.headlines.append((label, f"{len(pairs):,}"))
            found.facts[name] = list(pairs)
        if pairs:
            found.tables += pair_table(title, _texts(pairs), "Pairs across parts stand before those inside one.")
            found.figures[name] = (title, partial(_draw_pairs, pairs, shown))
    return found


def samples_section(
    names: Sequence[str],
    counts: Sequence[int],
    shown: Callable[[int], list[Shown]],
    title: str = "Samples of each class",
    widest: float = 1.0,
) -> Examined:
    """Sheets of sample pictures, a row a class.

    names: of the classes that have any; counts: how many there are of each; shown: a place in `names` to its pictures.
    title: of the sheets; widest: width to height of the room that a picture has.
    """
    figures: dict[str, Any] = {}
    for number, (places, said) in enumerate(sample_sheets(names, title), 1):
        labels = [f"{names[place]} ({counts[place]:,})" for place in places]
        figures[f"samples_{number}"] = (said, partial(_draw_sheet, places, labels, shown, widest))
    return Examined(figures=figures)


def _draw_sheet(places: list[int], labels: list[str], shown: Callable[[int], list[Shown]], widest: float) -> Figure:
    return draw_samples([shown(place) for place in places], labels, widest=widest)


def _draw_pairs(pairs: Rows, shown: Callable[[str], Shown]) -> Figure | None:
    def pictures(pair: dict[str, Any]) -> tuple[Shown, Shown]:
        return shown(pair["name"]), shown(pair["other"])

    return draw_pairs(
        [
            Pair(partial(pictures, pair), tuple(f"{pair[a]} ({pair[b] or 'no part'})" for a, b in SIDES), pair["kind"])
            for pair in pairs
        ]
    )


def _texts(pairs: Rows) -> list[tuple[str, ...]]:
    return [(pair["name"], pair["part"], pair["other"], pair["other_part"], pair["kind"]) for pair in pairs]
