"""`replay_step`: one training batch of a run once more, as the model saw it, and what each of its samples weighed."""

import csv
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from learnerkit.callbacks.mix import Mixer
from learnerkit.callbacks.resume import read_state
from learnerkit.callbacks.witness import Witness
from learnerkit.core.checkpoint import candidates, check
from learnerkit.core.digits import has_few
from learnerkit.core.environment import threads_of, versions
from learnerkit.core.errors import DataError, RunError, differing
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.core.record import step_losses
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.warn import warn
from learnerkit.learner.kit import KitLearner
from learnerkit.runs.again import built_again, check_data
from learnerkit.runs.settled import check_settled
from learnerkit.tasks import task_of

OF_SIX_DIGITS = 5e-6
SAME = 1e-6  # of a loss, beside the greater of it and 1: float32 in another order


@dataclass
class Replayed:
    """One training step of a run, gone through once more.

    step, epoch, batch: its place, all from 1; lr: its rate.
    loss: as it was computed again; recorded: as the run has it; same: whether they are equal to 1e-6.
    begun: the checkpoint that was gone on from, '' for the beginning; trained: steps from there to this one.
    tolerance: of it; more where the file has six digits alone, as those of earlier versions.
    samples: a row each, in the order of the batch: id, loss, gradient_norm and, where the batch was mixed, mixed_with
        and kept, the share of its own.
    xb, yb: the batch as the model saw it; learn: in the state before the step.
    """

    run: RunFolder
    step: int
    epoch: int
    batch: int
    lr: float
    recorded: float
    begun: str
    trained: int
    loss: float = math.nan
    tolerance: float = SAME
    samples: list[dict[str, Any]] = field(default_factory=list)
    xb: tuple[Tensor, ...] = ()
    yb: tuple[Tensor, ...] = ()
    learn: KitLearner | None = None

    @property
    def same(self) -> bool:
        """Whether the loss is the recorded one."""
        return abs(self.loss - self.recorded) <= self.tolerance * max(1.0, abs(self.recorded))

    def facts(self) -> dict[str, Any]:
        """All of it but the tensors."""
        named = ("step", "epoch", "batch", "lr", "loss", "recorded", "same", "begun", "trained", "samples")
        return {"run": str(self.run.path), **{name: getattr(self, name) for name in named}}


@checked
def replay_step(path: PathLike, step: AtLeastOne, data: PathLike | None = None) -> Replayed:
    """Go through one training step of a run again.

    Order, augmentation and dropout are functions of the position, so the newest checkpoint before the step, or the
    beginning, is trained on to it with the recorded number of threads; nothing of the run is written to.

    path: the run folder; step: as batch_metrics.csv counts it, from 1; data: where the data are now.
    Raises RunError for a step that the run has not, a history that contradicts itself, or a script of which not all
    is recorded; DataError where the data are others than it was trained on.
    """
    run = RunFolder.open(path)
    described = run.described()
    check_settled(run)
    row = _recorded(run, step)
    state, begun = _before(run, step)
    first = state["position"]["step"] if state else 0
    n_epoch = _epochs_then(run, described, step, first)
    found = Replayed(
        run,
        step,
        int(row["epoch"]),
        int(float(row["batch"])),
        float(row["lr"]),
        float(row["loss"]),
        begun,
        step - 1 - first,
    )
    found.tolerance = OF_SIX_DIGITS if has_few(step_losses(run).astype(str).astype(float).tolist()) else SAME
    witness = Witness(step, lambda learn: _look(learn, found), state)
    _say_other_versions(run, described)
    threads = (described.get("device") or {}).get("threads")
    with threads_of(threads), tempfile.TemporaryDirectory() as place:
        again = built_again(described, run.path, [witness], data, n_epoch)
        check_data(described, run.path, again.learn)
        again.learn.path = Path(place)  # for what callbacks keep
        with again.learn.no_bar(), again.learn.no_logging():
            again.fit()
    if not found.samples:
        raise RunError(f"{run.path}: step {step:,} was passed over (by the guard, or a callback), so it has no loss")
    return found


def _recorded(run: RunFolder, step: int) -> dict[str, str]:
    """The row of a step in batch_metrics.csv; RunError where there is none, or where the ledger says otherwise."""
    file, history = run.file("batch_metrics.csv"), run.history()
    with file.open(encoding="utf-8", newline="") if file.exists() else _missing(file) as lines:
        rows = list(csv.DictReader(lines))
    last = int(history[-1]["step"]) if history else 0
    numbers = [row.get("step") for row in rows]
    if numbers != [str(number) for number in range(1, len(rows) + 1)] or (last and len(rows) < last):
        raise RunError(
            f"{file}: has {len(rows):,} rows and history.jsonl {last:,} steps, or its steps are not 1, 2, 3 ...: the "
            "history was edited, so what a step had as its loss is not known. Restore both files as they were written"
        )
    if step > len(rows):
        raise RunError(f"step {step:,}: {run.path} has the steps 1 to {len(rows):,}; give one of them")
    row = rows[step - 1]
    try:
        _ = float(row["loss"]), float(row["lr"]), int(row["epoch"]), float(row["batch"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file}: the row of step {step:,} is damaged ({error!r}): the history was edited") from error
    return row


def _missing(file: Path) -> Any:
    raise RunError(f"{file}: is missing; what the losses of the steps were is not known")


def _before(run: RunFolder, step: int) -> tuple[dict[str, Any] | None, str]:
    """The newest whole state before a step and its name; None where there is none, so that all is trained again."""
    for path in candidates(run.checkpoints):
        try:
            checkpoint = check(path)
        except DataError as error:
            warn(f"checkpoint passed over: {error}")
            continue
        if checkpoint.step < step:
            state = read_state(path)
            state.pop("run")
            return state, path.name
    return None, ""


def _epochs_then(run: RunFolder, described: dict[str, Any], step: int, first: int) -> int:
    """The epochs that the training was to have at a step; RunError where they became others on the way to it."""
    ends = {row["epoch"]: row["step"] for row in run.history()}
    n_epoch = described["n_epoch"]
    for change in reversed(described.get("continued", [])):
        end = ends.get(change["from"], 0)
        if first < end < step:
            raise RunError(
                f"step {step:,}: {run.path} was to have {change['from']} epochs and then {change['to']}, and no "
                f"checkpoint between step {end:,} and this one is kept; give a step up to {end:,}, or one after a "
                "kept checkpoint"
            )
        if step <= end:
            n_epoch = change["from"]
    return n_epoch


def _look(learn: KitLearner, found: Replayed) -> None:
    """Enter what the learner has at the step."""
    weigh = task_of(found.run.described(), found.run.path).weigh
    found.loss, found.learn = float(learn.loss), learn
    found.xb, found.yb = (tuple(part.detach().cpu() for part in parts) for parts in (learn.xb, learn.yb))
    losses, norms = weigh(learn)
    ids = learn.dls.batch_ids(learn.dl, learn.iter)
    mixer = next((cb for cb in learn.cbs if isinstance(cb, Mixer) and cb.lam != 1.0), None)
    for number, (name, loss, norm) in enumerate(zip(ids, losses.tolist(), norms.tolist(), strict=True)):
        row = {"id": name, "loss": loss, "gradient_norm": norm}
        if mixer is not None:
            row |= {"mixed_with": ids[mixer.partners[number]], "kept": float(mixer.lam)}
        found.samples.append(row)


def _say_other_versions(run: RunFolder, described: dict[str, Any]) -> None:
    recorded, now = described.get("versions") or {}, versions()
    if recorded != now:
        warn(f"{run.path}: was trained with other versions ({differing(recorded, now)}); its losses may differ")
