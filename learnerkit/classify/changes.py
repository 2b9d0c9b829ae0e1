"""What two classifiers say otherwise of the same samples: figures, classes, and which samples flipped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerkit.classify.evaluation import Evaluation, evaluations_of
from learnerkit.classify.kept import as_rgb, read_samples, small
from learnerkit.classify.metrics import MEASURES, figures_of
from learnerkit.core.members import groups_of
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.statistics import mcnemar, paired_interval
from learnerkit.pages.blocks import Card, Gallery
from learnerkit.pages.changes import Changes, ClassChange, Loaders, Measured, corrected, none_of

TITLES = {"A": "A right, B wrong", "B": "B right, A wrong"}
LOWER = ("log_loss",)


@dataclass(frozen=True)
class Paired:
    """A part of two runs on the samples that both have with one truth, in the order of the first.

    first, second: the evaluations; rows: of each those samples [2,N]; truth: names of their classes [N].
    said: names of the predicted classes [2,N]; right: whether they are the truth, bool [2,N].
    other: how many samples both have under another truth; groups: of the samples, None where each stands alone.
    """

    first: Evaluation
    second: Evaluation
    rows: np.ndarray
    truth: np.ndarray
    said: np.ndarray
    right: np.ndarray
    other: int
    groups: np.ndarray | None

    @property
    def confidence(self) -> np.ndarray:
        """The probability of what each run predicts [2,N]."""
        return np.stack([self.first.confidence[self.rows[0]], self.second.confidence[self.rows[1]]])


def paired(first: Evaluation, second: Evaluation, groups: Sequence[dict[str, int]] = ()) -> Paired:
    """Two evaluations of one part on what they share.

    groups: of each run that says any, the group of each sample by its id; those that leave the fewest to draw count.
    """
    places = {str(name): row for row, name in enumerate(second.ids)}
    pairs = [(row, places[str(name)]) for row, name in enumerate(first.ids) if str(name) in places]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    seen = (first, second)
    vocabs = [np.array(one.vocab, dtype=object) for one in seen]
    truth = [vocab[one.targets[own]] for vocab, one, own in zip(vocabs, seen, rows, strict=True)]
    same = truth[0] == truth[1]
    rows = rows[:, same]
    said = np.stack([vocab[one.predicted[own]] for vocab, one, own in zip(vocabs, seen, rows, strict=True)])
    names = [str(name) for name in first.ids[rows[0]]]
    known = [np.array([of[name] for name in names]) for of in groups if names and all(name in of for name in names)]
    fewest = min(known, key=lambda codes: len(np.unique(codes)), default=None)
    held = truth[0][same]
    return Paired(first, second, rows, held, said, said == held, int((~same).sum()), fewest)


def changes(first: RunFolder, second: RunFolder, most: int, dls: Loaders) -> Changes:
    """What two runs predict otherwise, see `learnerkit.task.Task`."""
    found = Changes()
    both = evaluations_of(first), evaluations_of(second)
    for part in ("valid", "test"):
        seen = [one.get(part) for one in both]
        if None in seen:
            continue
        groups = [codes for run, one in zip((first, second), seen, strict=True) if (codes := _groups(run, one))]
        pair = paired(*seen, groups)
        found.shared[part] = (len(seen[0].targets), len(seen[1].targets), len(pair.truth))
        found.notes += [f"{part}: {pair.other:,} samples have another class in B and are left out"] * bool(pair.other)
        if len(pair.truth):
            found.part, last = part, pair
            found.figures += figures(part, pair)
    if not found.part:
        found.notes.append("no sample was measured in both runs: figures, classes and flips cannot be compared")
        return found
    found.classes = class_changes(last)
    found.flips = flips(last, found.part)
    wrong = ~last.right[0] & ~last.right[1]
    found.counts = {title: sum(row["right"] == which for row in found.flips) for which, title in TITLES.items()}
    found.counts["both right"] = int((last.right[0] & last.right[1]).sum())
    found.counts["both wrong, of one class"] = int((wrong & (last.said[0] == last.said[1])).sum())
    found.counts["both wrong, of other classes"] = int((wrong & (last.said[0] != last.said[1])).sum())
    found.galleries = galleries(found, last, most, lambda ids: _pictures(ids, (first, second), last, dls))
    return found


def _groups(run: RunFolder, seen: Evaluation) -> dict[str, int] | None:
    ids = [str(name) for name in seen.ids]
    codes = groups_of(run.path, seen.part, ids)
    return None if codes is None else dict(zip(ids, codes.tolist(), strict=True))


def figures(part: str, pair: Paired) -> list[Measured]:
    """The measures of both runs; an interval and a test where a sample has a value of its own."""
    taken = [(one.probabilities[own], one.targets[own]) for one, own in _each(pair)]
    said = [figures_of(*arrays) for arrays in taken]
    losses = [one.losses[own] for one, own in _each(pair)]
    values = {"accuracy": pair.right, "log_loss": losses}
    found = []
    for name in MEASURES:
        known: dict[str, Any] = {}
        if name in values:
            old, new = values[name]
            _, low, high = paired_interval(new, old, pair.groups)
            known = {"low": none_of(low), "high": none_of(high)}
        if name == "accuracy":
            known |= {"p": mcnemar(pair.right[1], pair.right[0], pair.groups), "test": "McNemar"}
        known["lower"] = name in LOWER
        found.append(Measured(part, name, len(pair.truth), said[0][name], said[1][name], **known))
    return found


def _each(pair: Paired) -> list[tuple[Evaluation, np.ndarray]]:
    return [(pair.first, pair.rows[0]), (pair.second, pair.rows[1])]


def class_changes(pair: Paired) -> list[ClassChange]:
    """The recall of each class with the paired interval of its difference, McNemar's p and that by Holm's method."""
    found = []
    for name in dict.fromkeys([*pair.first.vocab, *pair.second.vocab]):
        own = np.flatnonzero(pair.truth == name)
        if not len(own):
            continue
        old, new = pair.right[:, own]
        groups = None if pair.groups is None else pair.groups[own]
        _, low, high = paired_interval(new, old, groups)
        p = mcnemar(new, old, groups)
        ends = none_of(low), none_of(high)
        found.append(ClassChange(str(name), len(own), float(old.mean()), float(new.mean()), *ends, p))
    return corrected(found)


def flips(pair: Paired, part: str) -> list[dict[str, Any]]:
    """A row a sample that one run has right and the other wrong, first where the less sure of both is surest."""
    flipped = np.flatnonzero(pair.right[0] != pair.right[1])
    sure = pair.confidence
    order = flipped[np.argsort(-sure[:, flipped].min(axis=0), kind="stable")]
    return [
        {
            "id": str(pair.first.ids[pair.rows[0, row]]),
            "part": part,
            "right": "A" if pair.right[0, row] else "B",
            "truth": str(pair.truth[row]),
            "A": str(pair.said[0, row]),
            "A_confidence": round(float(sure[0, row]), 5),
            "B": str(pair.said[1, row]),
            "B_confidence": round(float(sure[1, row]), 5),
        }
        for row in order
    ]


def galleries(
    found: Changes, pair: Paired, most: int, pictures: Callable[[list[str]], dict[str, np.ndarray]]
) -> list[Gallery]:
    """The surest flips of each way as cards, as many as are asked for and have a picture.

    pictures: of samples by their ids, uint8 [C,H,W]; those that there are.
    """
    chosen = {way: [row for row in found.flips if row["right"] == way][:most] for way in TITLES}
    held = pictures([row["id"] for rows in chosen.values() for row in rows])
    made = []
    for way, rows in chosen.items():
        cards = [_card(row, held[row["id"]]) for row in rows if row["id"] in held]
        if cards:
            number = found.counts[TITLES[way]]
            note = (
                f"{len(cards):,} of {number:,}, first where the less sure of both is surest; all stand in flips.csv. "
                "'predicted' is what the wrong one of both said."
            )
            made.append(Gallery(f"{TITLES[way]} ({found.part})", cards, note))
    asked = sum(map(len, chosen.values()))
    if missing := asked - sum(len(gallery.cards) for gallery in made):
        found.notes.append(
            f"{missing:,} of {asked:,} flipped samples have no picture kept in either run: their names stand in "
            "flips.csv; --data DIR says where the data are"
        )
    return made


def _card(row: dict[str, Any], picture: np.ndarray) -> Card:
    lines = [f"true: {row['truth']}"] + [f"{run}: {row[run]} {row[f'{run}_confidence']:.1%}" for run in "AB"]
    wrong = "B" if row["right"] == "A" else "A"
    sure = min(row["A_confidence"], row["B_confidence"])
    return Card(as_rgb(picture), row["id"], tuple(lines), row["truth"], row[wrong], confidence=sure)


def _pictures(ids: list[str], runs: Sequence[RunFolder], pair: Paired, dls: Loaders) -> dict[str, np.ndarray]:
    """Pictures of samples: those that either run kept, else out of the data where they can be read."""
    wanted, held = set(ids), {}
    for run, seen in zip(runs, (pair.first, pair.second), strict=True):
        held |= {str(seen.ids[row]): picture for row, picture in read_samples(run, seen).items()}
    held = {name: picture for name, picture in held.items() if name in wanted}
    missing = [name for name in ids if name not in held]
    loaders = dls() if missing else None
    if loaders is None or not hasattr(loaders.source, "pictures"):
        return held
    rows = {str(name): row for row, name in enumerate(loaders.source.ids)}
    known = [name for name in missing if name in rows]
    if known:
        pictures = small(loaders.source.pictures(np.array([rows[name] for name in known])))
        held |= dict(zip(known, pictures, strict=True))
    return held
