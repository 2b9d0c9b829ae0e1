"""Boxes with names on pictures, to be read: lines as thick as the picture asks for, names on a ground of their colour.

torchvision draws boxes, but dashes none, and writes names at one corner, over each other and past the edge.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor

from learnerkit.detect.boxes import scores_of, unpack_boxes
from learnerkit.detect.palette import class_colour, text_colour
from learnerkit.pages.letters import in_one_font

LEAST_SIDE = 480  # pixels of the longer side that a picture is enlarged to before it is drawn on
LETTERS, LINES = 30, 170  # of the longer side's length for the height of a letter, and for the width of a line
LEAST_LETTER = 11  # pixels
MANY, SMALLER = 12, 0.7  # boxes past which letters are smaller, and how much
Rectangle = tuple[int, int, int, int]


def with_boxes(
    picture: Tensor,
    boxes: Tensor,
    texts: Sequence[str],
    color: str = "lime",
    codes: Sequence[int] | None = None,
    dashed: bool = False,
    least_side: int = LEAST_SIDE,
) -> Tensor:
    """A picture uint8 [3,H,W], enlarged where it is small, with boxes and a text at each; '' for none.

    boxes: [n,4], x1 y1 x2 y2 in its pixels; those without an area are left out.
    color: of all of them; codes: their classes, for one colour a class instead.
    dashed: lines with gaps, for what was found beside what is true.
    least_side: pixels of the longer side that the picture gets at least.
    """
    factor = max(1, -(-least_side // max(picture.shape[1:])))
    pixels = picture.permute(1, 2, 0).cpu().numpy()
    size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    plain = [ImageColor.getrgb(color)[:3]] * len(boxes)
    colours = plain if codes is None else [class_colour(int(code)) for code in codes]
    places = [tuple(round(value) for value in box) for box in (boxes.double().cpu() * factor).tolist()]
    drawn = [number for number, box in enumerate(places) if box[2] > box[0] and box[3] > box[1]]
    width = max(2, round(max(size) / LINES))
    for number in drawn:
        _draw_box(draw, places[number], colours[number], width, dashed)
    taken: list[Rectangle] = []
    height = max(LEAST_LETTER, round(max(size) / LETTERS * (SMALLER if len(drawn) > MANY else 1)))
    for number in drawn:
        if texts[number]:
            taken.append(_draw_label(draw, places[number], texts[number], colours[number], height, taken))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def with_packed(picture: Tensor, packed: Tensor, vocab: Sequence[str], least_side: int = LEAST_SIDE) -> Tensor:
    """A picture with the boxes of an image in the colours of their classes; detections are dashed, with their scores.

    packed: [M,5] of truth or [D,6] of detections, see `detect.boxes`, in its pixels; vocab: class names.
    picture, least_side: as in `with_boxes`.
    """
    packed = packed.as_subclass(Tensor)
    (boxes, codes), found = unpack_boxes(packed), packed.shape[1] > 5
    texts = [str(vocab[code]) for code in codes.tolist()]
    if found:
        texts = [f"{text} {score:.2f}" for text, score in zip(texts, scores_of(packed).tolist(), strict=True)]
    return with_boxes(picture, boxes, texts, codes=codes.tolist(), dashed=found, least_side=least_side)


def _draw_box(draw: ImageDraw.ImageDraw, box: Rectangle, colour: tuple, width: int, dashed: bool) -> None:
    """A box in its colour with a thin dark line around, so that it is seen on any ground."""
    x1, y1, x2, y2 = box
    if not dashed:
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0), width=width + 2)
        draw.rectangle(box, outline=colour, width=width)
        return
    for edge, grown in ((box, 1), (box, 0)):
        for piece in _dashes(edge, 4 * width):
            low, high = 1 - (width // 2) - 1 - grown, (width - 1) // 2 + grown
            sides = (piece[0] + low, piece[1] + low, piece[2] + high, piece[3] + high)
            draw.rectangle(sides, fill=(0, 0, 0) if grown else colour)


def _dashes(box: Rectangle, length: int) -> Iterator[Rectangle]:
    """The pieces of a box's four sides, a gap of their length between two; each side begins and ends with one."""
    x1, y1, x2, y2 = box
    for start, stop, across in ((x1, x2, False), (y1, y2, True)):
        n = max(1, (stop - start) // (2 * length))
        edges = np.linspace(start, stop, 2 * n + 2).round().astype(int)
        for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            for side in (x1, x2) if across else (y1, y2):
                yield (side, low, side, high) if across else (low, side, high, side)


def _draw_label(
    draw: ImageDraw.ImageDraw, box: Rectangle, text: str, colour: tuple, height: int, taken: list[Rectangle]
) -> Rectangle:
    """Write a text on a ground of its box's colour; returns its rectangle.

    taken: rectangles of the texts that stand there already.
    """
    room, longest = draw.im.size, 40
    written, file = in_one_font(text, longest)
    font = ImageFont.truetype(file, height)
    while draw.textlength(written, font) > room[0] - 6 and longest > 4:
        longest -= 2
        written = in_one_font(text, longest)[0]
    wide = min(room[0], round(draw.textlength(written, font)) + 6)
    high = min(room[1], sum(font.getmetrics()) + 2)
    place = label_place(box, (wide, high), room, taken)
    draw.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=colour)
    draw.text((place[0] + 3, place[1] + 1), written, fill=text_colour(colour), font=font)
    return place


def label_place(box: Rectangle, label: tuple[int, int], room: tuple[int, int], taken: list[Rectangle]) -> Rectangle:
    """Where the label of a box stands: whole inside the picture, and where it covers least of other labels.

    box: in pixels; label, room: width and height of the label and of the picture; taken: rectangles of other labels.
    Above the box, below it, inside at its corners, then beside it: the first place that covers nothing.
    """
    (x1, y1, x2, y2), (wide, high) = box, label
    corners = [(x1, y1 - high), (x2 - wide, y1 - high), (x1, y2 + 1), (x2 - wide, y2 + 1)]
    corners += [(x1, y1), (x2 - wide, y1), (x1, y2 - high), (x2 - wide, y2 - high)]
    corners += [(x2 + 1, y1), (x1 - wide, y1), (x2 + 1, y2 - high), (x1 - wide, y2 - high)]
    corners += [(x1, y1 + step * high) for step in range(-3, 4)]
    inside = [(min(max(0, x), room[0] - wide), min(max(0, y), room[1] - high)) for x, y in corners]
    places = [(x, y, x + wide, y + high) for x, y in inside]
    moved = [abs(x - at[0]) + abs(y - at[1]) for (x, y), at in zip(corners, inside, strict=True)]
    covered = [sum(_shared(place, other) for other in taken) for place in places]
    return places[min(range(len(places)), key=lambda number: (covered[number], moved[number] > 0, number))]


def _shared(first: Rectangle, second: Rectangle) -> int:
    """Pixels that two rectangles share."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    return max(0, wide) * max(0, high)


def channel_pictures(frame: Tensor, n_rgb: int) -> list[Tensor]:
    """A frame in 0..1 [C,H,W] as uint8 pictures [3,H,W]: the colours, then each further channel in grey."""
    shown = (frame.clamp(0, 1) * 255).to(torch.uint8)
    colours = shown[:n_rgb] if n_rgb == 3 else shown[:1].expand(3, -1, -1)
    return [colours, *(channel.expand(3, -1, -1) for channel in shown[n_rgb:])]
