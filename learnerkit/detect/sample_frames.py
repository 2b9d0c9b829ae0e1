"""Frames of a set to be looked at: some whole with boxes and modalities, and some objects of each class cut out."""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure

from learnerkit.data.looks import LEVELS, Look, brightness
from learnerkit.data.split import evenly
from learnerkit.detect.data.channels import some_of
from learnerkit.detect.data.frames import scaled, stored_frame
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.draw import channel_pictures, with_boxes
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text

SHOWN = 6  # whole frames
COLUMNS = 3  # of frames that are colours alone
AROUND = 0.15  # of a box's longer side that is shown around an object
A_CLASS = 8  # objects of a class
MEASURED = 200  # frames whose brightness is measured
MOST_BOXED = 40  # boxes of a frame up to which their classes are written


def frame_looks(source: FrameSource, most: int = MEASURED) -> tuple[list[int], list[Look]]:
    """Rows of at most so many frames, evenly spaced, and the size, type and brightness of each one's colours."""
    rows = some_of(np.arange(len(source)), most)
    return rows, [_look_at(source, row) for row in rows]


def _look_at(source: FrameSource, row: int) -> Look:
    frame = stored_frame(source.frames[row].files[0])  # the colours are of the first file
    height, width = frame.shape[1:]
    return Look(width, height, *brightness(_shown(scaled(frame)[: source.colours])), mode=str(frame.dtype))


def picture_of(source: FrameSource, row: int) -> np.ndarray:
    """The colours of a frame as uint8 [C,H,W], one channel or three."""
    return _shown(source.stored(row)[: source.colours])


def _shown(colours: np.ndarray) -> np.ndarray:
    return (colours * LEVELS).round().clip(0, LEVELS).astype(np.uint8)


def draw_frames(source: FrameSource) -> Figure:
    """Some frames with their boxes: a row a frame with its modalities, or frames beside one another without any.

    Those with boxes come first; they are spread evenly over the set.
    """
    full = [row for row in range(len(source)) if len(source.boxes[row])] or list(range(len(source)))
    rows = [full[place] for place in evenly(len(full), SHOWN)]
    views = 1 + len(source.modalities)
    columns = views if views > 1 else min(COLUMNS, len(rows))
    lines = -(-len(rows) * views // columns)
    height, width = np.median(source.sizes[rows], axis=0)
    wide = 10.5 / columns
    figure, axes = new_figure(10.5, (wide * height / width + 0.3) * lines + 0.2, lines, columns)
    panels = np.ravel(axes)
    for panel in panels:
        panel.set_axis_off()
    for number, row in enumerate(rows):
        frame = torch.from_numpy(source.frame(row))
        names = (source.ids[row], *source.modalities)
        for view, (picture, name) in enumerate(zip(channel_pictures(frame, source.colours), names, strict=True)):
            panel = panels[number * views + view]
            panel.imshow(_boxed(source, row, picture).permute(1, 2, 0).numpy())
            panel.set_title(plain_text(name, 44 if columns < 4 else 26), fontsize=8)
    return figure


def _boxed(source: FrameSource, row: int, picture: torch.Tensor) -> torch.Tensor:
    codes = source.codes[row]
    texts = [source.vocab[code] if len(codes) <= MOST_BOXED else "" for code in codes]
    return with_boxes(picture, torch.from_numpy(source.boxes[row]).float(), texts, codes=codes)


def objects_of(source: FrameSource) -> tuple[list[int], Callable[[int], list[np.ndarray]]]:
    """The classes that stand on some frame, and a function from a place among them to some of their objects' pictures.

    Frames are read when the pictures are asked for, one a time.
    """
    places: dict[int, list[tuple[int, int]]] = {}
    for row, codes in enumerate(source.codes):
        for number, code in enumerate(codes.tolist()):
            places.setdefault(code, []).append((row, number))
    present = sorted(places)

    def pictures(place: int) -> list[np.ndarray]:
        every = places[present[place]]
        chosen = [every[spot] for spot in evenly(len(every), A_CLASS)]
        return [cut_out(picture_of(source, row), source.boxes[row][number]) for row, number in chosen]

    return present, pictures


def cut_out(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A box of a picture with some of what is around it, [C,h,w]. picture: [C,H,W]; box: x1 y1 x2 y2 in pixels."""
    around = AROUND * max(box[2] - box[0], box[3] - box[1]) + 1
    left, top = np.floor(box[:2] - around).clip(0).astype(int)
    right, bottom = np.ceil(box[2:] + around).astype(int)
    return picture[:, top:bottom, left:right]
