"""Whether a run can be used already, and by which weights."""

from learnerkit.core.errors import RunError
from learnerkit.core.run_folder import GOING_ON, RunFolder
from learnerkit.core.warn import warn

GO_ON = "`learnerkit train --resume {}` goes on with it"
WEIGHTS = {"best": None, "final": "final_model"}  # a word to the name of a file, see `core.tensors.weights_file`


def check_settled(run: RunFolder) -> None:
    """RunError where a run's training goes on; a warning where it never came to its end."""
    state = run.standing() or "done"
    if state in GOING_ON:
        raise RunError(f"{run.path}: is in use, its training goes on. Wait for it, or choose another run.")
    if state != "done":
        warn(
            f"{run.path}: was not trained to its end ({state}); its weights so far are taken. {GO_ON.format(run.path)}"
        )
