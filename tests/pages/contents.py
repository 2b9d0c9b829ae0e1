"""Galleries and matrices of made-up classes, and runs that show them."""

from dataclasses import replace

import numpy as np

from learnerkit.pages.blocks import Card, Gallery, Matrix
from learnerkit.runs import report


def card(number, truth, found, confidence, side=8):
    picture = np.full((side, side, 3), 7 * number % 256, np.uint8)
    lines = (f"{found} {confidence:.0%}", f"true: {truth}")
    return Card(picture, f"sample {number}", lines, truth, found, truth == found, confidence)


def blocks_of(names, n=80, groups=()):
    """A gallery of n cards whose classes and confidences follow from their numbers, and a matrix of 5 of each pair."""
    cards = [card(k, names[k % len(names)], names[k // 2 % len(names)], (k * 37 % 100) / 100) for k in range(n)]
    counts = np.full((len(names), len(names)), 5)
    counts[-1, 0] = 0
    return [Matrix("Matrix", counts, list(names), list(names), list(groups)), Gallery("Samples", cards)]


def with_blocks(monkeypatch, blocks):
    """Let every task of a report show these blocks."""
    own = report.task_of
    monkeypatch.setattr(report, "task_of", lambda *said: replace(own(*said), blocks=lambda seen, run: blocks))
