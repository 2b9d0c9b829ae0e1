"""The tables of a detector's page: kinds of errors, classes, sizes, what each modality is worth."""

from typing import Any

import numpy as np

from learnerkit.core.text import formatted
from learnerkit.detect.error_kinds import KINDS, ErrorKinds
from learnerkit.detect.error_list import SCORE
from learnerkit.detect.seen import Evaluation
from learnerkit.pages.page import Table

WORDS = {
    "class": "a box on an object of another class",
    "localisation": "a box beside an object of its class",
    "both": "a box beside an object of another class",
    "duplicate": "a box on an object that a surer box has",
    "background": "a box on no object",
    "missed": "an object without any box of the first two kinds",
}
KINDS_NOTE = (
    "The kinds are those of TIDE (Bolya et al., ECCV 2020). What a kind costs is the AP50 that would be gained if it "
    "alone were mended; costs do not add up, since one error often hides another. AP counts all boxes, the unsure too; "
    f"sure are those of {SCORE} and more."
)


def tables(seen: Evaluation | None, results: dict[str, Any]) -> list[Table]:
    """Those for which there are figures."""
    part = "test" if "test_mAP" in results else "valid"
    if f"{part}_per_class" not in results:
        return [kind_table(seen)] if seen is not None else []
    found = [] if seen is None else [kind_table(seen)]
    found.append(class_table(seen, results[f"{part}_per_class"], part))
    sizes = [(name, formatted(results.get(f"{part}_mAP_{name}"), "{:.3f}")) for name in ("small", "medium", "large")]
    found.append(Table("By size of the object", ("COCO's bounds: 32 and 96 pixels", "mAP"), sizes))
    if ablation := results.get("ablation"):
        rows = [
            (name, *(formatted(row[key], "{:.4f}") for key in ("mAP", "mAP50")))
            for name, row in ablation["rows"].items()
        ]
        title = f"What each modality is worth ({ablation['part']}, {ablation['images']} images)"
        note = (
            "A modality is switched off by putting its channels to their mean over the training part; the model was "
            "not trained again."
        )
        found.append(Table(title, ("channels", "mAP", "mAP50"), rows, note))
    return found


def kind_table(seen: Evaluation) -> Table:
    """The six kinds with what they cost and how many there are."""
    rows = [
        (kind, WORDS[kind], formatted(row["cost"], "{:.4f}"), f"{row['sure']:,}", f"{row['boxes']:,}")
        for kind, row in seen.kind_rows.items()
    ]
    heads = ("kind", "what it is", "AP50 that it costs", "sure boxes", "all boxes")
    ap50 = formatted(seen.kinds.ap50, "{:.4f}")
    return Table(f"What goes wrong ({seen.part}, AP50 {ap50})", heads, rows, KINDS_NOTE)


def class_table(seen: Evaluation | None, averages: dict[str, float | None], part: str) -> Table:
    """Each class with its average precision, worst first, and with what costs it most where that is known.

    averages: AP of each class by its name; seen: of the same part, or None.
    """
    classes = sorted(averages.items(), key=lambda item: (item[1] is None, item[1] or 0))
    title, head = f"Average precision ({part})", "class, worst first"
    if seen is None or seen.part != part or list(averages) != seen.vocab:
        return Table(title, (head, "AP"), [(name, formatted(value, "{:.3f}")) for name, value in classes], long=True)
    objects = np.bincount(
        np.concatenate([rows[rows[:, 4] >= 0, 4].numpy().astype(int) for rows in seen.targets]),
        minlength=len(seen.vocab),
    )
    rows = []
    for name, value in classes:
        code = seen.vocab.index(name)
        area = formatted(float(seen.kinds.per_class[code]), "{:.3f}")
        rows.append((name, f"{objects[code]:,}", formatted(value, "{:.3f}"), area, worst_kind(seen.kinds, code)))
    return Table(title, (head, "objects", "AP", "AP50", "what costs it most AP50"), rows, long=True)


def worst_kind(kinds: ErrorKinds, code: int) -> str:
    """The kind of error that costs a class most, such as 'missed (.120)'; '' where none costs it anything."""
    gains = kinds.gains[:, code]
    if np.isnan(gains).any() or gains.max() < 5e-4:
        return ""
    return f"{KINDS[int(gains.argmax())]} ({gains.max():.3f})"
