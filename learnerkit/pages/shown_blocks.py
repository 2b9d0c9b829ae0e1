"""Galleries and matrices as the page's templates and scripts take them: addresses of pictures, and few numbers."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from learnerkit.core.text import one_line
from learnerkit.pages.blocks import Block, Card, Gallery, Matrix

SMALL = 96  # pixels of a side up to which a picture is enlarged by whole pixels
MOST_CLASSES = 200  # of a matrix that is shown class by class
PART = 60  # classes of the most confused part of a larger one


def shown_blocks(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Each gallery and matrix as plain values."""
    return [_gallery(block) if isinstance(block, Gallery) else _matrix(block) for block in blocks]


def address_of(pixels: np.ndarray) -> str:
    """A picture, uint8 [H,W,3] or [H,W], as a data address: PNG where it is small, else JPEG, a tenth as large."""
    file, kind = io.BytesIO(), "PNG" if max(pixels.shape[:2]) <= SMALL else "JPEG"
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, **({"quality": 88} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def _gallery(gallery: Gallery) -> dict[str, Any]:
    cards = [_card(card) for card in gallery.cards]
    return {
        "kind": "gallery",
        "title": gallery.title,
        "note": gallery.note,
        "wide": gallery.wide,
        "apart": gallery.apart,
        "cards": cards,
    }


def _card(card: Card) -> dict[str, Any]:
    height, width = card.picture.shape[:2]
    says = [f"true {card.truth}"] * bool(card.truth) + [f"predicted {card.found}"] * bool(card.found)
    return {
        "address": address_of(card.picture),
        "width": width,
        "height": height,
        "small": max(height, width) <= SMALL,
        "alt": ": ".join(filter(None, [card.name, ", ".join(says)])) or "sample",
        "name": card.name,
        "lines": card.lines or says,
        "truth": card.truth,
        "found": card.found,
        "right": {True: "right", False: "wrong", None: ""}[None if card.right is None else bool(card.right)],
        "confidence": None if card.confidence is None else round(float(card.confidence), 4),
    }


def _matrix(matrix: Matrix) -> dict[str, Any]:
    """As it is up to `MOST_CLASSES`; a larger one by the sums of its groups, or its most confused part."""
    notes = [matrix.note] if matrix.note else []
    groups, of, label = matrix.groups, {}, "classes"
    counts, rows, columns = np.asarray(matrix.counts), [*matrix.rows], [*matrix.columns]
    if max(counts.shape) > MOST_CLASSES and 1 < len(set(groups)) <= MOST_CLASSES:
        of = dict(zip(map(one_line, rows), map(one_line, groups), strict=False))
        own = dict(zip(rows, groups, strict=False))
        column_groups = [own.get(name, name) for name in columns]
        notes.append(f"{counts.shape[0]:,} classes are too many to be told apart: each cell is the sum of two groups.")
        counts, rows, columns = _summed(counts, groups, column_groups)
        of |= {one_line(name): one_line(name) for name in columns if name not in rows}
        groups, label = [], "groups of classes"
    elif max(counts.shape) > MOST_CLASSES:
        notes.append(
            f"{counts.shape[0]:,} classes are too many for a page: these are the {PART} that are confused most, and "
            "what is counted of the others stands in predictions.csv."
        )
        counts, rows, columns, groups = _most_confused(counts, rows, columns, groups)
    down, across = _by_group(rows, groups), _by_group(columns, groups, dict(zip(rows, groups, strict=False)))
    counts = counts[np.ix_(down, across)]
    own = dict(zip(rows, groups, strict=False))
    cells = [[int(row), int(column), int(counts[row, column])] for row, column in zip(*np.nonzero(counts), strict=True)]
    shown_rows, shown_columns = [rows[place] for place in down], [columns[place] for place in across]
    content = {
        "rows": [one_line(name) for name in shown_rows],
        "columns": [one_line(name) for name in shown_columns],
        "row_groups": [one_line(own.get(name, "")) for name in shown_rows] if groups else [],
        "column_groups": [one_line(own.get(name, "")) for name in shown_columns] if groups else [],
        "cells": cells,
        "of": of or None,
        "label": label,
    }
    return {"kind": "matrix", "title": matrix.title, "notes": notes, "content": content}


def _summed(counts: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> tuple[np.ndarray, list[str], list[str]]:
    """Counts by the groups of the rows and of the columns, with the names of both, in the order they come."""
    down, across = list(dict.fromkeys(rows)), list(dict.fromkeys(columns))
    row, column = np.nonzero(counts)
    of_row, of_column = (
        np.array([down.index(name) for name in rows]),
        np.array([across.index(name) for name in columns]),
    )
    summed = np.zeros((len(down), len(across)), np.int64)
    np.add.at(summed, (of_row[row], of_column[column]), counts[row, column])
    return summed, down, across


def _most_confused(
    counts: np.ndarray, rows: list[str], columns: list[str], groups: list[str]
) -> tuple[np.ndarray, list[str], list[str], list[str]]:
    """The rows and columns of the `PART` classes with the most counts off the diagonal."""
    row, column = np.nonzero(counts)
    place = {name: number for number, name in enumerate(rows)}
    of_column = np.array([place.get(name, -1) for name in columns])
    wrong = of_column[column] != row
    errors = np.bincount(row[wrong], counts[row[wrong], column[wrong]], len(rows))
    known = wrong & (of_column[column] >= 0)
    errors += np.bincount(of_column[column[known]], counts[row[known], column[known]], len(rows))
    kept = np.sort(np.argsort(-errors, kind="stable")[:PART])
    names = {rows[number] for number in kept}
    across = [number for number, name in enumerate(columns) if name in names]
    groups = [groups[number] for number in kept] if groups else []
    return (
        counts[np.ix_(kept, across)],
        [rows[number] for number in kept],
        [columns[number] for number in across],
        groups,
    )


def _by_group(names: Sequence[str], groups: Sequence[str], own: dict[str, str] | None = None) -> list[int]:
    """Places of names, those of a group side by side, the groups in the order they come; what is of none last."""
    if not groups:
        return list(range(len(names)))
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    group_of = groups if own is None else [own.get(name, "") for name in names]
    return sorted(range(len(names)), key=lambda place: order.get(group_of[place], len(order)))
