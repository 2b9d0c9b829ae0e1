"""Whether a run can be used already, and by which weights."""

from learnerkit.core.run_folder import RunFolder
from learnerkit.core.warn import warn

WEIGHTS = {"best": None, "final": "final_model"}  # a word to the name of a file, see `core.tensors.weights_file`


def check_settled(run: RunFolder) -> None:
    """RunError where a run's training goes on; a warning where it never came to its end."""
    state = run.status().get("state", "") if run.file("status.json").exists() else "done"
    if state in ("created", "running"):
        run.lock()  # whose owner is alive where it cannot be had
        run.unlock()
    if state != "done":
        warn(f"{run.path}: was not trained to its end ({state}); its weights so far are taken")
