"""Whether a run can be used already, by which weights, and how one goes on that did not come to its end."""

from pathlib import Path
from typing import Any

from learnerkit.core.errors import RunError
from learnerkit.core.run_folder import GOING_ON, RunFolder
from learnerkit.core.warn import warn

WEIGHTS = {"best": None, "final": "final_model"}  # a word to the name of a file, see `core.tensors.weights_file`


def check_settled(run: RunFolder) -> None:
    """RunError where a run's training goes on; a warning where it never came to its end."""
    state = run.standing() or "done"
    if state in GOING_ON:
        raise RunError(f"{run.path}: is in use, its training goes on. Wait for it, or choose another run.")
    if state != "done":
        further = go_on(run.described(), run.path)
        warn(f"{run.path}: was not trained to its end ({state}); its weights so far are taken. {further}")


def go_on(described: dict[str, Any], place: Path) -> str:
    """What goes on with a run that did not come to its end."""
    if described.get("resolved"):
        return f"`learnerkit train --resume {place}` goes on from its newest checkpoint"
    return f"its script goes on with Run({str(place.parent)!r}, {place.name!r}, resume=True)"
