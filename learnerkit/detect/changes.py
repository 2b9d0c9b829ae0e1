"""What two detectors find otherwise on the same images: average precision, classes, objects and false boxes."""

from learnerkit.core.run_folder import RunFolder
from learnerkit.detect.change_cards import galleries
from learnerkit.detect.changed import figures, flips, paired
from learnerkit.detect.error_kinds import judge
from learnerkit.detect.error_list import SCORE
from learnerkit.detect.seen import FILE, read_boxes
from learnerkit.pages.changes import Changes, Loaders


def changes(first: RunFolder, second: RunFolder, most: int, dls: Loaders) -> Changes:
    """What two runs find otherwise, see `learnerkit.task.Task`."""
    found, runs = Changes(of="AP"), (first, second)
    vocabs = [list(run.described()["classes"]) for run in runs]
    both = [
        read_boxes(run, len(vocab)) if run.file(FILE).exists() else None
        for run, vocab in zip(runs, vocabs, strict=True)
    ]
    for part in ("valid", "test"):
        if None in both or not all(part in arrays["part"] for arrays in both):
            continue
        pair = paired(runs, both, vocabs, part)
        found.shared[part] = (*pair.sizes, len(pair.ids))
        found.notes += [f"{part}: {pair.other:,} images have another truth in B and are left out"] * bool(pair.other)
        if pair.ids:
            found.part, last = part, pair
            measured, found.classes = figures(part, pair, [run.results() for run in runs])
            found.figures += measured
    if not found.part:
        found.notes.append("no image was measured in both runs: figures, classes and boxes cannot be compared")
        return found
    judged = [judge(detections, last.targets, SCORE) for detections in last.detections]
    found.flips, found.counts = flips(last, found.part, judged)
    found.galleries = galleries(found, last, judged, runs, most, dls)
    return found
