"""The shift between the modalities of a detection set: measured over its frames, told by `doctor`, drawn for people."""

import re
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from learnerkit.core.levels import Line
from learnerkit.detect.data.channels import some_of
from learnerkit.detect.data.shift import LEAST_FRAMES, MOST_FRAMES, Shift, aligned, edges, grey_of, shifts_of
from learnerkit.detect.data.source import FrameSource
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

FAR = 2.0  # pixels of a set's shift that are warned of
ALONE = 5.0  # pixels off the set's shift from which a single frame is listed
CLEAR = 5.0  # least height of a single frame's peak: it is only listed
LISTED, DRAWN = 5, 4  # frames
COLOURS = ((1.0, 0.35, 0.1), (0.1, 0.75, 1.0))  # of the edges of RGB and of the modality; both make white


@dataclass(frozen=True)
class Measured:
    """The shift of the further channels of a set.

    rows: frames that were looked at; together: of each channel over all of them; alone: of each frame, one a channel.
    """

    rows: list[int]
    together: list[Shift]
    alone: list[list[Shift]]

    def off(self, channel: int) -> list[tuple[int, Shift]]:
        """Frames that by themselves lie far from the set's shift, the farthest first, with theirs."""
        whole = self.together[channel]
        found = [
            (max(abs(shifts[channel].dy - whole.dy), abs(shifts[channel].dx - whole.dx)), row, shifts[channel])
            for row, shifts in zip(self.rows, self.alone, strict=True)
            if shifts[channel].height >= CLEAR
        ]
        return [(row, shift) for far, row, shift in sorted(found, key=lambda one: -one[0]) if far >= ALONE]

    def worst(self, channel: int) -> list[int]:
        """Frames to be looked at: those that are off, then those whose own clear shift is the greatest."""
        first = [row for row, _ in self.off(channel)]
        own = [
            (shifts[channel].height >= CLEAR, shifts[channel].most, row)
            for row, shifts in zip(self.rows, self.alone, strict=True)
        ]
        return [*first, *(row for _, _, row in sorted(own, reverse=True) if row not in first)][:DRAWN]


def measure_shift(source: FrameSource) -> Measured | None:
    """The shift of a set's modalities; None where it has none, or too few frames to tell it."""
    if not source.modalities or len(source) < LEAST_FRAMES:
        return None
    rows = some_of(np.arange(len(source)), MOST_FRAMES)
    found = shifts_of((source.stored(row) for row in rows), source.colours)
    return Measured(rows, found.together, found.alone)


def shift_lines(source: FrameSource, measured: Measured | None) -> list[Line]:
    """What `doctor` says of the shift: None in place of good is a warning."""
    if measured is None:
        few = f"the shift between modalities is told from {LEAST_FRAMES} frames on"
        return [(True, few)] if source.modalities else []
    lines, n = [], len(measured.rows)
    for number, (name, shift) in enumerate(zip(source.modalities, measured.together, strict=True)):
        if not shift.sure:
            lines.append((True, f"{name}: no shift against the colours can be told from {n} frames"))
            continue
        far = shift.most >= FAR
        remedy = "; combine_modalities(align=True) moves it, --out FOLDER draws it" if far else ""
        lines.append((None if far else True, f"{name}: lies off the colours by {shift}, over {n} frames{remedy}"))
        off = measured.off(number)
        if off:
            listed = ", ".join(f"{source.ids[row]} ({own})" for row, own in off[:LISTED])
            more = f" and {len(off) - LISTED} more" if len(off) > LISTED else ""
            lines.append((True, f"{name}: {len(off)} frame(s) lie otherwise than the set: {listed}{more}"))
    return lines


def draw_shift(source: FrameSource, measured: Measured) -> dict[str, Figure]:
    """A picture of each modality: edges of its worst frames over those of the colours, as stored and moved back."""
    figures = {}
    for number, (name, shift) in enumerate(zip(source.modalities, measured.together, strict=True)):
        rows = measured.worst(number)
        height, width = source.sizes[rows[0]].tolist()
        figure, axes = new_figure(10, 5 * height / width * len(rows) + 0.7, len(rows), 2)
        for line, row in zip(np.reshape(axes, (-1, 2)), rows, strict=True):
            frame, own = source.stored(row), measured.alone[measured.rows.index(row)][number]
            stored = plain_text(source.ids[row]) + (f", by itself off by {own}" if own.height >= CLEAR else "")
            moved = aligned(frame, source.colours, measured.together)
            for panel, shown, title in zip(
                line, (frame, moved), (stored, "moved back by the set's shift"), strict=True
            ):
                panel.imshow(overlay(grey_of(shown[: source.colours]), shown[source.colours + number]))
                panel.set_axis_off()
                panel.set_title(title, fontsize=8)
        told = f"off by {shift}" if shift.sure else "no shift can be told"
        title = "Edges of {0} (blue) over those of the colours (orange), white where both are\n{0}: {1}"
        figure.suptitle(title.format(plain_text(name), told), fontsize=10)
        figures[shift_name(name)] = figure
    return figures


def shift_name(modality: str) -> str:
    """The file name of a modality's picture, without its suffix."""
    return "shift_" + re.sub(r"[^\w-]+", "_", modality)


def overlay(colours: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """The edges of two channels [H,W] in two colours, float32 [H,W,3]."""
    shown = np.zeros((*colours.shape, 3), np.float32)
    for values, colour in zip((colours, channel), COLOURS, strict=True):
        strong = edges(values)
        strong = (strong / max(float(np.percentile(strong, 99)), 1e-6)).clip(0, 1) ** 2
        shown += strong[..., None] * np.array(colour, np.float32)
    return shown.clip(0, 1)
