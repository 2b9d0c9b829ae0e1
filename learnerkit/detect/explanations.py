"""The explanations of a detector's run as its page shows them: what each detection came from, by modality."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from learnerkit.core.errors import DataError
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.statistics import mean_interval
from learnerkit.core.text import formatted, some
from learnerkit.detect.explain import (
    ExplainedBox,
    best_detections,
    detections_of,
    explain_detection,
    facts,
    frame_of,
    modality_groups,
)
from learnerkit.detect.learner import DetectionLearner
from learnerkit.explain.grid import Cell, draw_cells
from learnerkit.explain.methods import Asked, Explained
from learnerkit.pages.figure import look_of, new_figure
from learnerkit.pages.letters import plain_text
from learnerkit.pages.page import Table

FRAMES, A_FRAME = 8, 2  # frames that are explained where no number is asked for, detections of each
SHOWN = 8  # detections in the picture
AROUND = 1.0  # of a box's longer side, that is shown around it


def explain(learn: DetectionLearner, run: RunFolder, asked: Asked, at_size: Callable[[int], Any]) -> Explained:
    """How much of a run's detections came from each modality, and where: in frames of the test part, drawn by a seed.

    asked: without methods, sizes and a layer; every map is by integrated gradients. at_size: is not used.
    """
    split, source = learn.dls.split, learn.dls.source
    part = "test" if len(split.test) else "valid"
    rows, groups = getattr(split, part), modality_groups(source)
    if asked.at or asked.methods or asked.layer != Asked.layer:
        raise DataError(
            "explain: sizes, methods and layers are a classifier's; a detection is shared among its modalities by "
            "Shapley values, and its maps are integrated gradients. Leave --sizes, --methods and --layer out"
        )
    wanted, seen, missing = asked.images or FRAMES, [], []
    for row in _in_turn(rows, asked.seed):
        frame, picture = frame_of(learn, int(row))
        try:
            found = best_detections(detections_of(learn.model, frame), str(source.ids[row]), asked.score, A_FRAME)
        except DataError:
            missing.append(str(source.ids[row]))
            continue
        seen += [(str(source.ids[row]), picture, explain_detection(learn.model, frame, one, groups)) for one in found]
        if len({name for name, *_ in seen}) == wanted:
            break
    if not seen:
        raise DataError(
            f"{run.path}: none of the {len(rows)} frames of its {part} part has a detection of a score of "
            f"{asked.score:g} or more; ask for a lower one (--score), or train it longer"
        )
    return _told(seen, missing, part, [str(name) for name in learn.dls.vocab], source.colours)


def _in_turn(rows: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(rows)


def _told(seen: list, missing: list[str], part: str, vocab: list[str], colours: int) -> Explained:
    """Pictures, tables and files of explained detections: (frame's name, pictures, ExplainedBox) each."""
    found = Explained([name for name, *_ in seen], [one.code for *_, one in seen])
    found.rows["detections"] = [facts(one, name, vocab) for name, _, one in seen]
    found.facts = {"part": part, "frames": len(set(found.names)), "detections": len(seen)}
    if missing:
        found.notes = [f"{len(missing)} frames: have no detection of that score, such as {some(missing)}"]
    shown = [_cells(name, pictures, one, vocab) for name, pictures, one in seen[:SHOWN]]
    heads = ("detection", *(plain_text(name, 18) for name in seen[0][2].names))
    small = "shares of what speaks for the class in the box; maps of integrated gradients, of one scale a row"
    found.draw("modalities", "What each detection came from", draw_cells(shown, heads, "", small))
    found.draw("shares", "How much came from each modality", _draw_shares([one for *_, one in seen], vocab))
    found.tables.append(share_table([one for *_, one in seen], vocab))
    return found


def _cells(name: str, pictures: list[np.ndarray], one: ExplainedBox, vocab: list[str]) -> list[Cell]:
    """The surroundings of a box in the colours, then each modality with its map and its share."""
    top, bottom, left, right = _around(one.box, pictures[0].shape[1:])
    cut = [picture[:, top:bottom, left:right] for picture in pictures]
    title = f"{plain_text(vocab[one.code], 18)} {one.score:.0%}\n{plain_text(name, 24)}"
    cells = [Cell(_framed(cut[0], one.box - torch.tensor([left, top, left, top])), None, title, bare=True)]
    speaking = one.maps.clamp_min(0)
    greatest = float(speaking.max()) or None
    for picture, heat, share in zip(cut, speaking, one.shares.tolist(), strict=True):
        text = formatted(share, "{:.0%}")
        cells.append(Cell(picture, heat[top:bottom, left:right].numpy(), text, greatest=greatest))
    return cells


def _around(box: Tensor, sides: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a square around a box, as far as the frame goes."""
    x1, y1, x2, y2 = box.tolist()
    reach = (0.5 + AROUND / 2) * max(x2 - x1, y2 - y1)
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    high, wide = sides
    reach = min(reach, high / 2, wide / 2)
    top = int(min(max(0, middle_y - reach), high - 2 * reach))
    left = int(min(max(0, middle_x - reach), wide - 2 * reach))
    return top, int(top + 2 * reach), left, int(left + 2 * reach)


def _framed(picture: np.ndarray, box: Tensor) -> np.ndarray:
    """A picture with the outline of a box, one pixel wide."""
    picture = picture.copy()
    high, wide = picture.shape[1:]
    x1, y1, x2, y2 = (round(value) for value in box.tolist())
    x1, x2, y1, y2 = max(0, x1), min(wide - 1, x2), max(0, y1), min(high - 1, y2)
    colour = np.array([[60], [255], [60]], np.uint8)
    picture[:, [y1, y2], x1 : x2 + 1] = colour[:, :, None]
    picture[:, y1 : y2 + 1, [x1, x2]] = colour[:, :, None]
    return picture


def _draw_shares(found: list[ExplainedBox], vocab: list[str]) -> Figure:
    """The shares of every detection as points, and their mean with its interval, for each modality."""
    names = found[0].names
    figure, panel = new_figure(1.6 + 1.3 * len(names), 4)
    shares = torch.stack([one.shares for one in found]).numpy()
    spread = np.random.default_rng(0).uniform(-0.16, 0.16, len(shares))
    for number in range(len(names)):
        color = look_of(number)["color"]
        panel.scatter(number + spread, shares[:, number], s=14, alpha=0.5, color=color)
        mean, low, high = mean_interval(shares[:, number])
        if np.isfinite(mean):
            panel.errorbar(number + 0.3, mean, [[mean - low], [high - mean]], color=color, marker="D", capsize=3)
    panel.set_xticks(range(len(names)), [plain_text(name, 18) for name in names])
    panel.set(ylim=(-0.03, 1.03), ylabel="share of what speaks for the class")
    panel.set_title(f"{len(found)} detections, mean and 95 % interval", fontsize=10)
    panel.grid(axis="y", alpha=0.3)
    return figure


def share_table(found: list[ExplainedBox], vocab: list[str]) -> Table:
    """The mean share of each modality, of all detections and of each class."""
    names = found[0].names
    kinds = {"all": found, **{vocab[code]: [one for one in found if one.code == code] for code in _codes(found)}}
    rows = []
    for kind, those in kinds.items():
        shares = torch.stack([one.shares for one in those]).numpy()
        texts = []
        for column in shares.T:
            mean, low, high = mean_interval(column)
            texts.append(f"{mean:.0%} ({low:.0%} to {high:.0%})" if np.isfinite(low) else formatted(mean, "{:.0%}"))
        rows.append((kind, *texts, str(len(those)), str(int(np.isnan(shares[:, 0]).sum()))))
    note = (
        "Shapley values of the class's log-odds in the box: what the object's pixels in a modality add, over every "
        "set of the other modalities from which the object is erased. n/a: detections that no modality speaks for."
    )
    return Table("Shares of the modalities", ("class", *names, "detections", "n/a"), rows, note, long=len(rows) > 12)


def _codes(found: list[ExplainedBox]) -> list[int]:
    return sorted({one.code for one in found})
