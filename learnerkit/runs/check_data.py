"""What `learnerkit check` asks of data: the parts, whether pixels tell the labels, and what augmentation leaves."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from learnerkit._fastai import order_of_pass
from learnerkit.data.loaders import KitLoaders
from learnerkit.data.probe import chance_of, sure_above, told_by_pixels
from learnerkit.data.twins import twins_in_train
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import plain_text
from learnerkit.runs.checked import Line
from learnerkit.task import Task

SAMPLES = 2000  # of the training part that the plain model is given, each time
SIDE = 8  # pixels that a picture has for it
LEAST = 40  # samples with which it says anything
KEPT = 0.25  # of what the plain model knows beyond chance: strong augmentation leaves a plain model less than half
FEW_NEAR = 0.01  # of a part: more near copies than that move a figure by more than its error
SHOWN = 8  # samples in the picture


def check_parts(dls: KitLoaders) -> list[Line]:
    """Whether a sample that is measured is trained on, or nearly equal to one that is."""
    source, split, lines = dls.source, dls.split, []
    if split.valid_is_test:
        text = "the valid part is the test part (split='test'): the best epoch is chosen on the test samples"
        lines.append(Line("parts", True, text))
    for part in ("valid",) if split.valid_is_test else ("valid", "test"):
        rows = getattr(split, part)
        if not len(rows):
            continue
        contents = None if source.contents is None else np.asarray(source.contents)
        equal = 0 if contents is None else int(np.isin(contents[rows], contents[split.train]).sum())
        equal = max(equal, len(np.intersect1d(rows, split.train)))
        if equal:
            text = f"{equal:,} of {len(rows):,} {part} samples are trained on as well"
            lines.append(Line("parts", False, text, "leave them out of the training part: `learnerkit doctor DATA`"))
            continue
        near = int(twins_in_train(source, split, part).sum())
        good = None if near > FEW_NEAR * len(rows) else True
        text = f"no {part} sample of {len(rows):,} is trained on"
        text += f"; {near:,} are nearly equal to a training sample" if near else ""
        lines.append(Line("parts", good, text, "" if good else "`learnerkit doctor DATA` shows the pairs"))
    return lines


def batches(dl: Any, task: Task, n: int) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Pictures [N,C,H,W] and class numbers [N] of the first samples of a loader, as its task looks at them."""
    pictures, codes, seen = [], [], 0
    for batch in dl:
        looked, labels = task.looks(tuple(_plain(batch)))
        pictures.append(looked)
        codes.append(labels)
        seen += len(labels)
        if seen >= n:
            break
    if not seen:
        return None
    return torch.cat(pictures)[:n].cpu(), torch.cat(codes)[:n].long().cpu()


def _plain(batch: Any) -> Iterator[torch.Tensor]:
    return (part.as_subclass(torch.Tensor) for part in batch)


def plain_loader(dls: KitLoaders, n: int) -> Any:
    """A loader of training samples as they are measured, without augmentation, evenly spaced."""
    rows = dls.split.train[np.linspace(0, len(dls.split.train) - 1, min(n, len(dls.split.train))).astype(int)]
    return dls.test_dl([int(row) for row in rows], with_labels=True, num_workers=0)


def features(pictures: torch.Tensor) -> np.ndarray:
    """Small pictures as rows of numbers [N,D]."""
    return torch.nn.functional.adaptive_avg_pool2d(pictures.float(), SIDE).flatten(1).double().numpy()


def check_looks(dls: KitLoaders, task: Task) -> tuple[list[Line], Figure | None]:
    """Whether a plain model tells the labels by the pixels, and still does so once they are augmented."""
    if task.looks is None:
        return [], None
    plain = batches(plain_loader(dls, SAMPLES), task, SAMPLES)
    trained = batches(dls.train, task, SAMPLES)
    if plain is None or trained is None or min(len(plain[1]), len(trained[1])) < LEAST:
        return [Line("labels", True, "too few labelled samples for a plain model of the pixels")], None
    pictures, labels = features(plain[0]), plain[1].numpy()
    known, chance, n = told_by_pixels(pictures, labels), chance_of(labels), len(labels)
    figures = f"a plain model of {n:,} small pictures is right on {known:.1%} of those that it has not seen"
    text = f"{figures}; always the greatest class is {chance:.1%}"
    drawn = _picture(*(_first_batch(dls, task, trained) or (plain, trained)), dls)
    if not sure_above(known, chance, n):
        remedy = "look whether each label belongs to its picture (a list read off by a row): dls.show_batch()"
        return [Line("labels", None, f"{text}: the pixels say nothing of the labels", remedy)], drawn
    lines = [Line("labels", True, text)]
    changed, codes = features(trained[0]), trained[1].numpy()
    left = told_by_pixels(changed, codes)
    kept = (left - chance) / (known - chance)
    said = f"as they are trained on, a plain model is right on {left:.1%} of them; as they are stored on {known:.1%}"
    good = True if kept >= KEPT else (None if sure_above(left, chance, len(codes)) else False)
    remedy = "" if good else "look at the picture (--out), and take augmentations away one by one"
    return [*lines, Line("augmentation", good, said, remedy)], drawn


def _first_batch(dls: KitLoaders, task: Task, trained: tuple) -> tuple[tuple, tuple] | None:
    """The samples of the first training batch as they are measured, and as they were trained on; None where
    augmentation has left other labels.

    trained: pictures and labels of the pass over the training part that has just been made.
    """
    rows = [dls.train.items[place] for place in order_of_pass(dls.train)[: dls.train.bs]]
    stored = batches(dls.test_dl(rows, with_labels=True, num_workers=0), task, SAMPLES)
    if stored is None or not torch.equal(stored[1], trained[1][: len(stored[1])]):
        return None
    return stored, tuple(part[: len(stored[1])] for part in trained)


def _picture(plain: tuple, trained: tuple, dls: KitLoaders) -> Figure:
    """Samples as they are measured above the same ones, or others of their class, as they are trained on."""
    vocab, places, alike = [str(name) for name in dls.source.vocab], [], torch.equal(plain[1], trained[1])
    for place, code in enumerate(plain[1].tolist()):
        other = [place] if alike else (trained[1] == code).nonzero().flatten().tolist()
        if other and code not in [plain[1][a].item() for a, _ in places]:
            places.append((place, other[0]))
        if len(places) == SHOWN:
            break
    figure, panels = new_figure(1.3 * max(3, len(places)), 3.4, 2, max(1, len(places)), squeeze=False)
    for panel in panels.ravel():
        panel.set_axis_off()
    for column, pair in enumerate(places):
        for row, (pictures, _) in enumerate((plain, trained)):
            panels[row, column].imshow(_pixels(pictures[pair[row]]))
        name = vocab[int(plain[1][pair[0]])] if int(plain[1][pair[0]]) < len(vocab) else "?"
        panels[0, column].set_title(plain_text(name), fontsize=8)
    below = "the same samples" if alike else "samples of the same class"
    figure.suptitle(f"above as they are measured, below {below} as they are trained on", fontsize=9)
    return figure


def _pixels(picture: torch.Tensor) -> np.ndarray:
    """A picture between its least and its greatest value: what normalised values look like."""
    picture = picture[:3] if len(picture) >= 3 else picture[:1].expand(3, -1, -1)
    low, high = picture.amin(), picture.amax()
    return ((picture - low) / (high - low).clamp_min(1e-6)).permute(1, 2, 0).numpy()
