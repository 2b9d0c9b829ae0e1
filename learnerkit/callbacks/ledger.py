"""The rows that a run keeps: one an epoch in its ledger, one a batch in batch_metrics.csv."""

import time
from typing import Any

from fastai.learner import Learner

from learnerkit.callbacks.able import able
from learnerkit.core.diagnosis import line_of
from learnerkit.core.files import write_json
from learnerkit.core.memory import forget_peak, peak_memory
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import now


def asked(learn: Learner, what: str) -> dict[str, Any]:
    """Columns that callbacks have for the run.

    what: 'batch_columns' (a value a batch) or 'epoch_columns'.
    """
    found: dict[str, Any] = {}
    for _, columns in able(learn.cbs, what):
        found |= columns()
    return found


def epoch_row(learn: Learner, epoch: int, step: int, better: bool, checkpoint: str | None) -> dict[str, Any]:
    """The ledger's row of the epoch that has just ended.

    epoch, step: epochs and batches trained into the run; better: whether its weights are the best so far.
    checkpoint: the folder, below checkpoints/, of the complete state that is made of it; None for none.
    """
    recorder, guard = learn.recorder, getattr(learn, "guard", None)
    row = {"epoch": epoch, **learn.monitored}
    row |= {**asked(learn, "epoch_columns"), "lr": float(recorder.lrs[-1]) if recorder.lrs else None, "step": step}
    row["seconds"] = round(time.time() - recorder.started, 3)
    device = next(learn.model.parameters()).device
    row |= {"samples_per_s": recorder.samples_per_s, "peak_memory_mb": round(peak_memory(device) / 1e6, 1)}
    forget_peak(device)
    if guard is not None and guard.policy != "stop":
        row["skipped"] = guard.skipped
    return {**row, "is_best": better, "checkpoint": checkpoint, "timestamp": now()}


def append_row(learn: Learner, folder: RunFolder, row: dict[str, Any]) -> None:
    """Append an epoch's row to the ledger and the log, and bring the diagnosis in run.json up to it."""
    folder.append_epoch(row)
    folder.log(" ".join(f"{key}={short(item)}" for key, item in row.items() if key != "timestamp"))
    write_diagnosis(learn, folder)


def write_diagnosis(learn: Learner, folder: RunFolder) -> None:
    """Write the signs of a bad training that callbacks have told so far into run.json, and the latest into the log."""
    for _, diagnosis in able(learn.cbs, "diagnosis"):
        records, described = diagnosis(), folder.described()
        before = described.get("diagnosis")
        if records == before:
            continue
        write_json(folder.file("run.json"), {**described, "diagnosis": records})
        known = [(record["epoch"], record["sign"]) for record in before or []]
        for record in records:
            if (record["epoch"], record["sign"]) not in known:
                folder.log(f"diagnosis: {line_of(record)}")


def append_batches(learn: Learner, folder: RunFolder, first: int, steps_before: int, epoch: int) -> int:
    """Append the batches of this fit from number `first` on; returns how many are written now.

    Each with its number in the epoch, and the seconds since the fit began.

    steps_before: batches of earlier fits into the run; epoch: of the run.
    """
    losses, rates, places = learn.recorder.batch_losses, learn.recorder.lrs, learn.recorder.places
    further = asked(learn, "batch_columns")
    path = folder.file("batch_metrics.csv")
    head = ["step,epoch,loss,lr,batch,seconds", *further]
    lines = [] if path.exists() and path.stat().st_size else [",".join(head) + "\n"]
    for step in range(first, len(losses)):
        values = [losses[step], float(rates[step]), *places[step], *(column[step] for column in further.values())]
        lines.append(f"{steps_before + step + 1},{epoch}," + ",".join(f"{value:.9g}" for value in values) + "\n")
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)
    return len(losses)


def short(value: Any) -> str:
    """A value of a row as training.log has it."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
