"""What a resume asks of a run folder: that it is the same run, and the newest state that can be trusted."""

import logging
from pathlib import Path
from typing import Any

from fastai.learner import Learner

from learnerkit.callbacks.identity import identity
from learnerkit.core import ranks
from learnerkit.core.calls import NOT_THE_WEIGHTS
from learnerkit.core.checkpoint import Checkpoint, candidates, newest, tidy
from learnerkit.core.environment import command_line, environment
from learnerkit.core.errors import RunError, differing
from learnerkit.core.files import write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import load_state, load_weights
from learnerkit.core.text import now

log = logging.getLogger(__name__)
SAME_ON_RESUME = ("task", "recipe", "classes", "fingerprint", "split", "versions", "threads")


def check_same(learn: Learner, folder: RunFolder, allow: tuple[str, ...]) -> None:
    """RunError naming each of `SAME_ON_RESUME` in which a learner differs from the run, unless allowed by name."""
    described, this = folder.described(), identity(learn) | environment(next(learn.model.parameters()).device)
    for facts in (described, this):
        facts["threads"], facts["recipe"] = facts["device"]["threads"], _of_the_weights(facts["recipe"])
    wrong = [key for key in SAME_ON_RESUME if described.get(key) != this[key] and key not in allow]
    if wrong:
        detail = "; ".join(f"{key} was {differing(described.get(key), this[key])}" for key in wrong)
        raise RunError(
            f"{folder.path}: cannot be resumed, since {detail}. Resume with what the run began with, or pass "
            f"allow={wrong} (--allow {','.join(wrong)}) to go on all the same."
        )


def go_on_after_a_fit(learn: Learner, folder: RunFolder) -> tuple[int, int]:
    """Let a further fit of a script go on in the folder of the first; epochs and batches that were trained into it."""
    folder.lock()
    rows = folder.history()
    folder.cut_history(len(rows))  # a torn last line would spoil the next
    described = folder.described()  # of the first fit, which a resume compares
    further = {"after": len(rows), "n_epoch": learn.n_epoch, "fit": learn.current.call}
    fits = [*described.get("further_fits", []), further]
    write_json(folder.file("run.json"), {**described, "further_fits": fits})
    return len(rows), rows[-1]["step"] if rows else 0


def nothing_to_train(folder: RunFolder, what: str = "trained") -> str:
    """Words for a resume of a run that was trained to its end.

    what: has been done with it.
    """
    return (
        f"{folder.path}: is {what} already ({len(folder.history())} epochs), and nothing is left to do. To train it "
        "further, resume with more epochs (--epochs MORE; in a script allow=('epochs',)); "
        "`learnerkit evaluate` measures it again."
    )


def longer(learn: Learner, folder: RunFolder, before: int, extra: dict[str, Any]) -> None:
    """Write into run.json that a run goes on to another number of epochs, and let go of what was measured of it.

    before: epochs that it was to have; extra: what run.json holds besides.
    """
    described = folder.described()
    continued = [*described.get("continued", []), {"from": before, "to": learn.n_epoch, "time": now()}]
    said = {"n_epoch": learn.n_epoch, "fit": learn.current.call, **extra, "continued": continued}
    write_json(folder.file("run.json"), {**described, **said})
    folder.file("predictions.npz").unlink(missing_ok=True)  # with it a run counts as measured
    folder.log(f"goes on to {learn.n_epoch} epochs, from {before}")


def write_resume(folder: RunFolder, checkpoint: str, ranks_differ: str | None = None) -> None:
    """Add to run.json and to the log when and by which command a run went on.

    checkpoint: name of the one that it went on from.
    ranks_differ: what to say where the number of ranks is another.
    """
    more = {} if ranks_differ is None else {"ranks": ranks.world()}
    described = folder.described()
    resumes = [*described.get("resumes", []), {"time": now(), "command": command_line(), "from": checkpoint, **more}]
    write_json(folder.file("run.json"), {**described, "resumes": resumes})
    folder.log(f"resumed from {checkpoint}")
    log.warning("%s: goes on from %s", folder.path, checkpoint)
    if ranks_differ is not None:
        folder.log(ranks_differ)
        log.warning("%s", ranks_differ)


def _of_the_weights(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recorded calls without the learner's arguments that change no weight."""
    call = recipe["learner"]
    if call is None:
        return recipe
    args = {key: value for key, value in call["args"].items() if key not in NOT_THE_WEIGHTS}
    return {**recipe, "learner": {**call, "args": args, "lost": [key for key in call["lost"] if key in args]}}


def newest_state(folder: RunFolder, done: bool) -> tuple[dict[str, Any], Checkpoint] | None:
    """The state of the newest valid checkpoint, announcing those passed over; None when the run has none yet.

    folder: locked by this process; done: whether the run was trained to its end, RunError then without checkpoints.
    """
    tidy(folder.checkpoints)
    if not candidates(folder.checkpoints):
        if done:
            raise RunError(
                f"{folder.path}: is done and its checkpoints were removed (keep_checkpoints=False, "
                "--no-keep-checkpoints): there is nothing to resume. load_run gives its learner; train further under "
                "another name."
            )
        log.warning("%s: holds no checkpoint yet; it begins anew", folder.path)
        folder.log("begins anew: there was no checkpoint")
        return None
    checkpoint, faults = newest(folder.checkpoints)
    for fault in faults:
        folder.log(f"checkpoint passed over: {fault}")
        log.warning("checkpoint passed over: %s; going on from %s", fault, checkpoint.path.name)
    return read_state(checkpoint.path), checkpoint


def read_state(path: Path) -> dict[str, Any]:
    """The complete state that a checked checkpoint holds, its weights included."""
    return {**load_state(path / "state.pt"), "model": load_weights(path / "model.safetensors")}
