"""The boxes of a set in numbers and as a picture: how many an image, how large, of which class in which part."""

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from learnerkit.detect.data.source import FrameSource
from learnerkit.pages.figure import new_figure
from learnerkit.pages.page import Table

SMALL, LARGE = (
    32.0**2,
    96.0**2,
)  # pixels of a box's area below which it is small, and from which it is large, as COCO has it
SIZES = ("small", "medium", "large")
COLOUR = "#4878a8"
TINY = 8.0  # pixels of a box's shorter side below which the finest level of a pyramid of stride 4 hardly sees it


def box_facts(source: FrameSource) -> dict[str, Any]:
    """The boxes of a set as plain values; 'side' is the shorter one in pixels, 'relative' the root of its share."""
    boxes, counts = np.concatenate(source.boxes), np.array([len(boxes) for boxes in source.boxes])
    facts: dict[str, Any] = {
        "boxes": len(boxes),
        "images": len(source),
        "without": int((counts == 0).sum()),
        "an_image": _ends(counts),
        "sizes": dict(zip(SIZES, np.bincount(_size_of(boxes), minlength=3).tolist(), strict=True)),
        "ignored": int(sum(map(len, source.ignored))),
    }
    if len(boxes):
        facts |= {"side": _ends(shorter_sides(boxes)), "relative": _ends(_relative(source))}
        facts["tiny"] = int((shorter_sides(boxes) < TINY).sum())
    return facts


def class_images(source: FrameSource) -> dict[str, int]:
    """On how many images each class stands."""
    seen = Counter(code for codes in source.codes for code in set(codes.tolist()))
    return {name: seen[code] for code, name in enumerate(source.vocab)}


def class_sizes(source: FrameSource) -> dict[str, dict[str, int]]:
    """Small, medium and large boxes of each class."""
    counts = np.zeros((len(source.vocab), 3), np.int64)
    np.add.at(counts, (np.concatenate(source.codes), _size_of(np.concatenate(source.boxes))), 1)
    return {name: dict(zip(SIZES, row.tolist(), strict=True)) for name, row in zip(source.vocab, counts, strict=True)}


def shorter_sides(boxes: np.ndarray) -> np.ndarray:
    """The shorter side of each box in pixels. boxes: [n,4], x1 y1 x2 y2."""
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def size_table(source: FrameSource) -> Table:
    """Images and sizes of boxes of each class that has any, the commonest first."""
    images, sizes = class_images(source), class_sizes(source)
    order = sorted((name for name in images if images[name]), key=lambda name: -images[name])
    rows = [(name, f"{images[name]:,}", *(f"{sizes[name][size]:,}" for size in SIZES)) for name in order]
    note = "small: an area below 32x32 pixels; large: 96x96 or more, as COCO has it"
    return Table("Where the boxes of each class are", ("class", "images", *SIZES), rows, note, long=len(rows) > 20)


def draw_boxes(source: FrameSource) -> Figure:
    """How large boxes are, in COCO's classes and beside their image, and how many stand on one."""
    facts, boxes = box_facts(source), np.concatenate(source.boxes)
    figure, (first, second, third) = new_figure(10.5, 3.4, 1, 3)
    bars = first.bar(range(3), list(facts["sizes"].values()), color=COLOUR, width=0.65)
    first.bar_label(bars, fontsize=8)
    first.set_xticks(range(3), ["small\n< 32x32", "medium", "large\n96x96 or more"], fontsize=8)
    first.set(ylabel="boxes", title="size in pixels")
    if len(boxes):
        second.hist(_relative(source), np.linspace(0, 1, 41), color=COLOUR)
    second.set(xlabel="root of the share of the image's area", xlim=(0, 1), title="size beside the image")
    counts = [len(boxes) for boxes in source.boxes]
    third.hist(counts, np.arange(min(max(counts), 60) + 2) - 0.5, color=COLOUR)
    third.set(xlabel="boxes on an image", ylabel="images", title="boxes on an image")
    third.xaxis.get_major_locator().set_params(integer=True)
    for panel in (first, second, third):
        panel.spines[["top", "right"]].set_visible(False)
        panel.title.set_fontsize(10)
    return figure


def _size_of(boxes: np.ndarray) -> np.ndarray:
    """0, 1 or 2 for each box: small, medium, large."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return np.searchsorted([SMALL, LARGE], areas, side="right")


def _relative(source: FrameSource) -> np.ndarray:
    """The root of the share of its image that each box takes, in 0..1."""
    areas = [
        (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / float(size[0] * size[1])
        for boxes, size in zip(source.boxes, source.sizes, strict=True)
    ]
    return np.sqrt(np.concatenate(areas))


def _ends(values: np.ndarray) -> dict[str, float]:
    return {
        name: round(float(of(values)), 3) for name, of in (("least", np.min), ("median", np.median), ("most", np.max))
    }
