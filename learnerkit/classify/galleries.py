"""The matrix and the samples of a classifier's page, from the run folder's files alone."""

import numpy as np
import pandas as pd

from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.figures import counts_of, most_confused_classes
from learnerkit.classify.kept import as_rgb, read_samples
from learnerkit.classify.superclasses import grouped_order
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.pages.blocks import Block, Card, Gallery, Matrix

MOST_DENSE = 2000  # classes of which a matrix is laid on a page


def blocks(seen: Evaluation | None, run: RunFolder) -> list[Block]:
    """The confusion matrix and the samples whose pictures are kept."""
    if seen is None or not len(seen.targets):
        return []
    found: list[Block] = []
    order, said = np.arange(len(seen.vocab)), ""
    if len(order) > MOST_DENSE:
        order = most_confused_classes(seen)
        said = f"{len(order)} of {len(seen.vocab):,} classes, those of the most confused pairs."
    if seen.groups:
        order = order[grouped_order([seen.groups[code] for code in order])]
    names = [seen.vocab[code] for code in order]
    groups = [seen.groups[code] for code in order] if seen.groups else []
    found.append(Matrix(f"Confusion ({seen.note})", counts_of(seen, order), names, names, groups, said))
    pictures = read_samples(run, seen)
    if pictures:
        note = (
            f"{len(pictures):,} of {len(seen.targets):,} samples are kept: the greatest losses, the surest mistakes, "
            "some of each confused pair, the least sure, and others evenly spaced over the part."
        )
        order = sorted(pictures, key=lambda row: -seen.losses[row])
        found.append(Gallery(f"Samples ({seen.note})", [_card(seen, row, pictures[row]) for row in order], note))
    return [*found, *suspect_gallery(run)]


def suspect_gallery(run: RunFolder) -> list[Gallery]:
    """The samples whose label is probably wrong, as `learnerkit suspects` has left them; none before that."""
    file = run.file("suspects") / "suspects.csv"
    if not file.exists():
        return []
    table = pd.read_csv(file, dtype={"id": str, "label": str, "suggested": str}, keep_default_na=False)
    arrays = read_npz(file.with_name("samples.npz"))
    images = dict(zip(arrays["ids"].tolist(), arrays["images"], strict=True))
    cards = [
        Card(
            as_rgb(images[row.id]),
            row.id,
            (f"label: {row.label} {row.label_probability:.1%}", f"rather {row.suggested}", f"of {row.part}"),
            row.label,
            row.suggested,
            confidence=float(row.suggested_probability),
        )
        for row in table.itertuples()
        if row.id in images
    ]
    note = (
        f"{len(table):,} labels in suspects/suspects.csv, found by confident learning from predictions of models that "
        "were not trained on the sample. They are suspected, not wrong: look at them."
    )
    return [Gallery("Suspected labels", cards, note, apart=True)]


def _card(seen: Evaluation, row: int, picture: np.ndarray) -> Card:
    likeliest = ", ".join(f"{name} {chance:.1%}" for name, chance in seen.top(row)[1:])
    found, truth = seen.vocab[seen.predicted[row]], seen.vocab[seen.targets[row]]
    lines = (f"{found} {seen.confidence[row]:.1%}", f"true: {truth}", f"then {likeliest}")
    twin = ("has a twin in train",) if seen.twins is not None and seen.twins[row] else ()
    return Card(
        as_rgb(picture),
        str(seen.ids[row]),
        lines + twin,
        truth,
        found,
        bool(seen.right[row]),
        float(seen.confidence[row]),
    )
