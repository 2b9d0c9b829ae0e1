"""What a detector's page shows of single frames: truth and detections side by side, and a matrix that leads to them."""

from collections import Counter

import numpy as np
import torch
from PIL import Image

from learnerkit.core.run_folder import RunFolder
from learnerkit.detect.boxes import rescale, scores_of, unpack_boxes
from learnerkit.detect.draw import with_packed
from learnerkit.detect.error_kinds import KINDS, RIGHT, Judged, judge
from learnerkit.detect.error_list import SCORE
from learnerkit.detect.matching import box_confusion
from learnerkit.detect.samples import Sample, read_samples
from learnerkit.detect.seen import Evaluation
from learnerkit.pages.blocks import Block, Card, Gallery, Matrix

NOTHING = "nothing"
WIDE, HIGH, GAP = 640, 420, 8  # pixels of a card's picture at most, and between its halves
TITLES = {"worst": "Images with most errors", "spread": "Images evenly spaced over the part"}
NOTE = (
    f"Left the truth, right what was found with a score of {SCORE} and more, dashed; a colour a class. All errors, "
    "one a line, stand in errors.csv."
)


def blocks(seen: Evaluation | None, run: RunFolder) -> list[Block]:
    """The confusion as a matrix, and a gallery of the frames that the run kept, each where the run has it."""
    if seen is None:
        return []
    counts = box_confusion(seen.detections, seen.targets, len(seen.vocab), SCORE)
    names = [*seen.vocab, NOTHING]
    title = f"Objects and what they were found as ({seen.part}, score {SCORE} and more)"
    note = f"'{NOTHING}' as a row: boxes on no object; as a column: objects that were not found."
    found: list[Block] = [Matrix(title, counts, names, names, note=note)]
    for kind, samples in read_samples(run, seen.ids).items():
        numbers = [one.number for one in samples]
        judged = judge([seen.detections[n] for n in numbers], [seen.targets[n] for n in numbers], SCORE)
        cards = [card_of(one, judged, place, seen.vocab) for place, one in enumerate(samples)]
        found.append(Gallery(f"{TITLES[kind]} ({seen.part})", cards, NOTE, wide=True))
    return found


def card_of(one: Sample, judged: Judged, place: int, vocab: list[str]) -> Card:
    """A frame with what is wrong on it; where that is one thing, or all is of one class, with the classes concerned.

    judged: of several frames, this one's at `place`.
    """
    here = judged.image == place
    wrong = here & (judged.kind != RIGHT)
    numbers = Counter(KINDS[kind] for kind in judged.kind[wrong])
    said = ", ".join(f"{numbers[kind]} {kind}" for kind in KINDS if numbers[kind])
    sure, objects = one.sure(), unpack_boxes(one.truth)[0]
    pairs = {
        (vocab[meant] if meant >= 0 else NOTHING, vocab[code] if found >= 0 else NOTHING)
        for meant, code, found in zip(judged.meant[wrong], judged.code[wrong], judged.found[wrong], strict=True)
    } or {(vocab[code], vocab[code]) for code in judged.code[here]}
    truth, found = pairs.pop() if len(pairs) == 1 else ("", "")
    scores = scores_of(sure)
    return Card(
        side_by_side(one, vocab),
        one.id,
        (said or "nothing wrong", f"{len(objects)} objects, {len(scores)} boxes"),
        truth,
        found,
        right=not said,
        confidence=float(scores.mean()) if len(scores) else None,
    )


def side_by_side(one: Sample, vocab: list[str]) -> np.ndarray:
    """Truth and detections of a frame in one picture, uint8 [h,w,3], at most `WIDE` pixels wide."""
    height, width = one.frame.shape[1:]
    scale = min((WIDE - GAP) / 2 / width, HIGH / height)
    size = max(1, round(height * scale)), max(1, int(width * scale))
    pixels = Image.fromarray(one.colours.permute(1, 2, 0).contiguous().numpy())
    small = torch.from_numpy(np.array(pixels.resize(size[::-1], Image.Resampling.LANCZOS))).permute(2, 0, 1)
    halves = [
        with_packed(small, rescale(boxes, (height, width), size), vocab, least_side=1)
        for boxes in (one.truth, one.sure())
    ]
    gap = torch.full((3, size[0], GAP), 255, dtype=torch.uint8)
    return torch.cat([halves[0], gap, halves[1]], dim=2).permute(1, 2, 0).contiguous().numpy()
