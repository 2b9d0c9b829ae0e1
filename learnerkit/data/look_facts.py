"""What the looks at a set's pictures say of it: sizes, how they are stored, brightness, and what gives a class away."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from learnerkit.core.levels import Line
from learnerkit.core.text import some
from learnerkit.data.looks import Look

ONE_COLOUR = 2 / 255  # deviation in 0..1: below the noise of any camera
DARK, BRIGHT = 0.1, 0.9  # two deviations past the mean still are below, or above
APART = 2.0  # deviations between the brightness of a class and of the others: two thirds do not overlap
LEAST = 5  # pictures of a class that say what it is like
NEARLY_ALL, HARDLY_ANY = 0.8, 0.2  # of a class, and of the others, that are stored in one way
MOST_SIZES = 10  # that are listed


def look_facts(looks: Sequence[Look], names: Sequence[str]) -> dict[str, Any]:
    """Sizes, how pictures are stored, and brightness of a set as plain values.

    looks, names: one a picture.
    """
    return {
        "sizes": size_facts([look.width for look in looks], [look.height for look in looks]),
        "stored": {
            "formats": dict(Counter(look.format for look in looks if look.format).most_common()),
            "modes": dict(Counter(look.mode for look in looks if look.mode).most_common()),
            "turned": [name for name, look in zip(names, looks, strict=True) if look.turned],
        },
        "brightness": light_facts(looks, names),
    }


def size_facts(widths: Sequence[int], heights: Sequence[int]) -> dict[str, Any]:
    """The sizes of pictures: how many, the commonest, and the ends. widths, heights: in pixels, of each picture."""
    common = Counter(zip(widths, heights, strict=True)).most_common()
    return {
        "distinct": len(common),
        "common": [{"width": int(w), "height": int(h), "images": n} for (w, h), n in common[:MOST_SIZES]],
        "width": _range(np.asarray(widths)),
        "height": _range(np.asarray(heights)),
    }


def light_facts(looks: Sequence[Look], names: Sequence[str]) -> dict[str, Any]:
    """The brightness of pictures, and which of them show nothing. looks, names: one a picture."""
    means, deviations = _brightness(looks)
    plain = deviations < ONE_COLOUR
    dark, bright = means + 2 * deviations < DARK, means - 2 * deviations > BRIGHT
    return {
        "images": len(looks),
        "mean": _rounded(means.mean()),
        "deviation": _rounded(means.std()),
        "contrast": _rounded(deviations.mean()),
        "one_colour": _named(names, plain),
        "nearly_black": _named(names, dark & ~plain),
        "nearly_white": _named(names, bright & ~plain),
    }


def class_brightness(looks: Sequence[Look], codes: np.ndarray, vocab: Sequence[str]) -> list[dict[str, Any]]:
    """A row a class that has pictures: name, mean and deviation of their brightness in 0..1, and how far it lies off.

    apart: of the mean from that of the other classes, in deviations within both; None for fewer than `LEAST` pictures.
    """
    means, _ = _brightness(looks)
    rows = []
    for code in np.unique(codes):
        own, others = means[codes == code], means[codes != code]
        spread = np.sqrt((own.var() + others.var()) / 2) if len(others) else 0.0
        told = len(own) >= LEAST and len(others) >= LEAST
        apart = (own.mean() - others.mean()) / max(spread, 1e-6) if told else None
        row = {"name": vocab[code], "mean": _rounded(own.mean()), "deviation": _rounded(own.std())}
        rows.append(row | {"apart": None if apart is None else round(float(apart), 2)})
    return rows


def look_lines(facts: dict[str, Any]) -> list[Line]:
    """What there is to say of the facts of `look_facts`."""
    sizes, stored, light = facts["sizes"], facts["stored"], facts["brightness"]
    n, lines = light["images"], []
    for kind, shown in (("modes", "pixels"), ("formats", "format")):
        found = stored[kind]
        if len(found) > 1:
            told = some([f"{count:,} {name}" for name, count in found.items()], 6)
            lines.append((None if kind == "modes" else True, f"{shown} of several kinds: {told}"))
        elif found:
            lines.append((True, f"{shown}: {next(iter(found))}"))
    if "CMYK" in stored["modes"]:
        lines.append(
            (None, f"{stored['modes']['CMYK']:,} image(s) are in CMYK, whose colours shift as they are made RGB")
        )
    if stored["turned"]:
        lines.append(
            (
                None,
                f"{len(stored['turned']):,} image(s) are turned by their EXIF orientation, as is done here and "
                f"not by every program: {some(stored['turned'])}",
            )
        )
    if sizes["distinct"] > 1:
        w, h = sizes["width"], sizes["height"]
        lines.append((True, f"widths {w['least']:,} to {w['most']:,} pixels, heights {h['least']:,} to {h['most']:,}"))
    for kind in ("one_colour", "nearly_black", "nearly_white"):
        if names := light[kind]:
            lines.append((None, f"{len(names):,} of {n:,} images are {kind.replace('_', ' ')}: {some(names)}"))
    spread = f"deviation over the images {light['deviation']:.3f}, within one {light['contrast']:.3f}"
    lines.append((True, f"brightness of {n:,} images: {light['mean']:.3f} of 1, {spread}"))
    return lines


def shortcut_lines(looks: Sequence[Look], codes: np.ndarray, vocab: Sequence[str]) -> list[Line]:
    """A warning for each thing beside its content that tells a class: a brightness, size or format of its own."""
    lines: list[Line] = []
    far = [row for row in class_brightness(looks, codes, vocab) if abs(row["apart"] or 0) >= APART]
    if far:
        worst = max(far, key=lambda row: abs(row["apart"]))
        than = "brighter" if worst["apart"] > 0 else "darker"
        lines.append(
            (
                None,
                f"brightness alone tells {some([row['name'] for row in far])}: '{worst['name']}' is {than} than "
                f"the others by {abs(worst['apart']):.1f} deviations; a model may learn that",
            )
        )
    kinds = {
        "format": [look.format for look in looks],
        "mode": [look.mode for look in looks],
        "size": [f"{look.width}x{look.height}" for look in looks],
    }
    for kind, values in kinds.items():
        lines += _given_away(kind, np.array(values), codes, vocab)
    return lines


def _given_away(kind: str, values: np.ndarray, codes: np.ndarray, vocab: Sequence[str]) -> list[Line]:
    """A warning where nearly all pictures of a class, and hardly any of others, are stored in one way."""
    told = []
    common = Counter(values.tolist()).most_common(MOST_SIZES)
    for code in np.unique(codes) if len(common) > 1 else ():
        own = codes == code
        for value, _ in common if own.sum() >= LEAST and (~own).sum() >= LEAST else ():
            inside, outside = ((values[rows] == value).mean() for rows in (own, ~own))
            if inside >= NEARLY_ALL and outside <= HARDLY_ANY:
                told.append(f"{inside:.0%} of '{vocab[code]}' and {outside:.0%} of the others are {value}")
    return [(None, f"the {kind} of the files gives classes away: {some(told)}; a model may learn that")] if told else []


def _brightness(looks: Sequence[Look]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([look.mean for look in looks]), np.array([look.deviation for look in looks])


def _range(values: np.ndarray) -> dict[str, int]:
    return {"least": int(values.min()), "median": int(np.median(values)), "most": int(values.max())}


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _named(names: Sequence[str], chosen: np.ndarray) -> list[str]:
    return [names[row] for row in np.flatnonzero(chosen)]
