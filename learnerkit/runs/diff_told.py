"""A difference as lines of text, and as plain values."""

from collections import Counter
from typing import Any

from learnerkit.core.changed import BOOKKEEPING, FOLLOWS, Change
from learnerkit.core.parted import ROUNDING, Course, Step
from learnerkit.core.text import one_line, some
from learnerkit.pages.changes import class_text, figure_text, shared_text
from learnerkit.runs.diff import Difference, Side

MOST = 8  # lines of one kind on the command line
FEW_IDS = 1000  # names of samples of one kind in the JSON document


def told(found: Difference) -> list[str]:
    """The difference in a screenful, its headline first."""
    lines = [one_line(found.headline)]
    lines += [f"{side.name}: {side.run.path}, {standing(side)}" for side in found.sides]
    if len(found.telling) > 4:
        lines += [f"  {_change(change)}" for change in found.telling[:MOST]]
    for kind, text in ((FOLLOWS, "follows from that"), (BOOKKEEPING, "bookkeeping")):
        lines += _listed(text, [change for change in found.settings if change.kind == kind])
    lines += _listed("environment", found.environment) or ["environment: the same"]
    lines += [data_text(found)]
    lines += [f"course: {line}" for line in course_text(found.course)]
    lines += [figure_text(one) for one in found.changes.figures[:MOST]]
    lines += shared_text(found.changes)
    lines += [text] if (text := class_text(found.changes)) else []
    if found.changes.counts:
        counted = "; ".join(f"{what} {number:,}" for what, number in found.changes.counts.items())
        lines.append(f"{found.changes.part}: {counted}")
    return [*lines, *(f"note: {one_line(note)}" for note in found.notes)]


def standing(side: Side) -> str:
    """The state of a run, its epochs and its seed."""
    return f"{side.state or 'of no state'}, {len(side.history)} epochs, seed {side.described.get('seed')}"


def _change(change: Change) -> str:
    return one_line(f"{change.key} {' -> '.join(change.words)}")


def _listed(what: str, changes: list[Change]) -> list[str]:
    return [f"{what}: {some([_change(change) for change in changes], 4)}"] if changes else []


def data_text(found: Difference) -> str:
    """What of the data differs, in a line."""
    changed = [_change(change) for change in found.data]
    members = [f"{len(ids):,} samples {text}" for text, ids in found.members.lines()] if found.members else []
    return (
        f"data: {some([*members, *changed], 5)}" if changed or members else "data: the same samples in the same parts"
    )


def course_text(course: Course) -> list[str]:
    """The first step at which the losses part, and from which on by more than rounding."""
    if not course.shared:
        return []
    of = f"{course.shared:,} shared steps" + (
        "" if course.steps[0] == course.steps[1] else f" ({course.steps[0]:,} of A, {course.steps[1]:,} of B)"
    )
    if course.parted is None:
        return [f"the losses are equal in all {of}"]
    text = f"the losses part at {_step_text(course.parted)}"
    if course.beyond is None:
        text += f"; by no more than rounding ({ROUNDING:.2%}) in all {of}"
    elif course.beyond.step == course.parted.step:
        text += f", by more than rounding; {of}"
    else:
        text += f", by more than rounding ({ROUNDING:.2%}) at {_step_text(course.beyond)}; {of}"
    return [text + ("" if course.rates is None else f"; the learning rates at step {course.rates:,}")]


def _step_text(step: Step) -> str:
    size = f"{step.difference:+.2g} or {step.share:.2%}"
    return f"step {step.step:,} of epoch {step.epoch} ({step.first:.6g} and {step.second:.6g}, {size})"


def content(found: Difference, samples: int) -> dict[str, Any]:
    """The difference as plain values, under the keys of nbs/json.md.

    samples: flips of each way that are listed.
    """
    course, listed, seen = found.course, [], Counter()
    for row in found.changes.flips:
        seen[row["right"]] += 1
        if seen[row["right"]] <= samples:
            listed.append(row)
    members = found.members
    return {
        "first": _side(found.first),
        "second": _side(found.second),
        "task": found.task.name,
        "headline": found.headline,
        "settings": [{**_plain(change), "kind": change.kind} for change in found.settings],
        "environment": [_plain(change) for change in found.environment],
        "data": [_plain(change) for change in found.data],
        "members": None
        if members is None
        else {
            "added": members.added[:FEW_IDS],
            "gone": members.gone[:FEW_IDS],
            "changed": members.changed[:FEW_IDS],
            "moved": [{"from": old, "to": new, "ids": ids[:FEW_IDS]} for (old, new), ids in members.moved.items()],
            "same": members.same,
        },
        "course": {
            "steps": list(course.steps),
            "shared": course.shared,
            "parted": _plain_step(course.parted),
            "beyond_rounding": _plain_step(course.beyond),
            "rates_part": course.rates,
        },
        "figures": [{**vars(one), "difference": one.difference} for one in found.changes.figures],
        "class_figure": found.changes.of,
        "classes": [{**vars(one), "difference": one.difference} for one in found.changes.classes],
        "part": found.changes.part,
        "shared": {
            part: dict(zip(("first", "second", "both"), numbers, strict=True))
            for part, numbers in found.changes.shared.items()
        },
        "counts": found.changes.counts,
        "flips": listed,
        "notes": found.notes,
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "path": str(side.run.path),
        "state": side.state,
        "epochs": len(side.history),
        "seed": side.described.get("seed"),
    }


def _plain(change: Change) -> dict[str, Any]:
    first, second = change.words if change.key == "data" else (change.first, change.second)
    return {"key": change.key, "first": first, "second": second}


def _plain_step(step: Step | None) -> dict[str, Any] | None:
    return None if step is None else {**vars(step), "difference": step.difference}
