"""Tables of what tells an explanation from a picture: agreement, faithfulness, redrawn weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from learnerkit.core.text import formatted
from learnerkit.pages.page import Table

Row = dict[str, Any]
MEASURES = {"spearman": "rank correlation", "ssim": "SSIM", "overlap": "overlap of the top 20 %"}


def agreement_table(rows: Sequence[Row]) -> Table:
    """How alike the maps of each two variants are."""
    texts = [
        (
            row["first"],
            row["second"],
            MEASURES[row["measure"]],
            *_interval(row, "mean", "low", "high"),
            str(row["n"]),
            str(row["n_na"]),
        )
        for row in rows
    ]
    heads = ("maps", "beside", "measure", "mean", "95 % interval", "other images", "images", "n/a")
    texts = [
        (*text[:5], formatted(row["other_images"], "{:.2f}"), *text[5:]) for text, row in zip(texts, rows, strict=True)
    ]
    note = (
        "On maps of one size, the least of all. 'Other images' is what maps of different images have in common: "
        "an agreement that is no higher says nothing of the image. n/a: images of which a map is 0 everywhere."
    )
    return Table("Agreement of the maps", heads, texts, note, long=len(texts) > 15)


def group_table(parts: Mapping[str, Sequence[Row]]) -> Table:
    """The rank correlation of each two variants, of groups of images: right and wrong predictions, classes."""
    texts = [
        (
            name,
            row["first"],
            row["second"],
            *_interval(row, "mean", "low", "high"),
            formatted(row["other_images"], "{:.2f}"),
            str(row["n"]),
            str(row["n_na"]),
        )
        for name, rows in parts.items()
        for row in rows
        if row["measure"] == "spearman"
    ]
    heads = ("images", "maps", "beside", "rank correlation", "95 % interval", "other images", "n", "n/a")
    note = "Few images of a class say little: see the interval. All measures stand in explanations/consistency.csv."
    return Table("Agreement by prediction and class", heads, texts, note, long=len(texts) > 15)


def faithfulness_table(rows: Sequence[Row]) -> Table:
    """The area under each curve beside that of random orders."""
    texts = [
        (
            row["curve"],
            row["map"],
            *_interval(row, "area", "low", "high"),
            formatted(row["random"], "{:.3f}"),
            *_interval(row, "gain", "gain_low", "gain_high"),
            str(row["n"]),
            str(row["n_na"]),
        )
        for row in rows
    ]
    heads = ("curve", "map", "area", "95 % interval", "random", "gain", "95 % interval", "images", "n/a")
    note = (
        "The mean probability of the class while pixels are taken away (deletion: less is better) or put in "
        "(insertion: more is better), in lots by the map, or at random. A map whose gain's interval "
        "holds 0 is no better than chance."
    )
    return Table("Faithfulness", heads, texts, note)


def randomisation_table(depths: Mapping[str, Sequence[Row]]) -> Table:
    """How alike the maps stay when all weights are drawn anew."""
    texts = []
    for name, rows in depths.items():
        for row in rows:
            if row["measure"] == "spearman" and row["depth"] == max(each["depth"] for each in rows):
                other = formatted(row["other_images"], "{:.2f}")
                texts.append((name, *_interval(row, "mean", "low", "high"), other, str(row["n"]), str(row["n_na"])))
    heads = ("map", "rank correlation", "95 % interval", "other images", "images", "n/a")
    note = "With the maps of a twin whose weights are all drawn anew: near 0 where a map shows what was learnt."
    return Table("Randomised weights", heads, texts, note)


def _interval(row: Row, mean: str, low: str, high: str) -> tuple[str, str]:
    ends = [formatted(row[key], "{:.2f}") for key in (low, high)]
    return formatted(row[mean], "{:.2f}"), "n/a" if "n/a" in ends else " to ".join(ends)
