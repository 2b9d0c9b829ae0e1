"""`reproduce_run`: a run trained again from its page or folder alone, and whether the same came out."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.callbacks.run import RunKeeper
from learnerkit.core.digits import alike
from learnerkit.core.environment import threads_of
from learnerkit.core.errors import DataError, RunError, differing
from learnerkit.core.files import PathLike, write_json
from learnerkit.core.members import read_members
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.core.record import Record, read_record, record_of
from learnerkit.core.run_folder import WEIGHTS, RunFolder
from learnerkit.core.text import formatted, some
from learnerkit.runs.again import built_again, recorded_recipe
from learnerkit.runs.train import train
from learnerkit.tasks import get_task

DEVICE = ("type", "name", "capability", "threads")
TAKEN = 1e-6  # a loss that differs by no more than this has another order of its sums as its cause


@dataclass
class Reproduction:
    """A run trained again, beside what was recorded of it.

    source: the page or folder; folder: of the training again; identical: whether the weights are the same, bit for bit.
    weights: (recorded, now) sha256 by file; step: the first at which the losses differ, None where none does; of a page
        that keeps every n-th loss the last of those in which it lies.
    losses: (recorded, now) at that step; n_steps: of the run.
    causes: what else is not as it was recorded, the likeliest first, as (what, how).
    results: (recorded, now) by the names of results.json; notes: on the record.
    """

    source: str
    folder: Path
    identical: bool
    weights: dict[str, tuple[str, str]]
    n_steps: int
    step: int | None = None
    losses: tuple[float, float] | None = None
    causes: list[tuple[str, str]] = field(default_factory=list)
    results: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@checked
def reproduce_run(
    source: PathLike,
    data: PathLike | None = None,
    out: PathLike = Path("runs") / "reproduced",
    name: str | None = None,
    threads: AtLeastOne | None = None,
) -> Reproduction:
    """Train a finished run again, and compare weights, steps, results and surroundings.

    source: its report.html, which carries all that is needed, or its folder; data: where the data are now.
    out, name: where the training again goes, as a run of its own.
    threads: of a CPU; those that were recorded when None.
    RunError for a run that did not come to its end, or of a script of which not all is recorded; DataError where the
    data cannot be read.
    """
    record = read_record(source)
    if record.state != "done" or "final_model" not in record.weights:
        raise RunError(
            f"{source}: is of a run that was not trained to its end ({record.state or 'no state'}), so there is "
            "nothing that could come out again; reproduce a finished one"
        )
    extra = {"reproduces": {"source": str(source), "weights": record.weights}}
    with threads_of(threads or (record.run.get("device") or {}).get("threads")):
        try:
            if record.run.get("resolved"):
                folder = train(recorded_recipe(record.run, source, data), out, name, extra=extra)
            else:
                folder = _train_script(record, source, data, RunKeeper(out, name, extra=extra, **_chosen_by(record)))
        except DataError as error:
            where = "" if data is not None else " Where the data have moved, say where they are: --data DIR"
            raise DataError(f"{source}: its data cannot be read: {str(error).rstrip('.')}.{where}") from error
    found = compared(str(source), record, record_of(folder), folder, Path(source))
    write_json(folder.file("reproduction.json"), facts_of(found))
    return found


def _chosen_by(record: Record) -> dict[str, Any]:
    return {"monitor": record.run.get("monitor"), "mode": record.run.get("mode")}


def _train_script(record: Record, source: PathLike, data: PathLike | None, keeper: RunKeeper) -> RunFolder:
    """Train what a script had trained, into a run of its own; the test part is not touched."""
    built_again(record.run, source, [keeper], data).fit()
    return keeper.folder


def facts_of(found: Reproduction) -> dict[str, Any]:
    """A reproduction as JSON has it."""
    return {**asdict(found), "causes": [{"what": what, "how": how} for what, how in found.causes]}


def compared(source: str, then: Record, now: Record, folder: RunFolder, path: Path) -> Reproduction:
    """What became of a training again.

    then, now: what was recorded and what is; folder: of the training again; path: of the source.
    """
    weights = {
        name: (then.weights.get(name, ""), now.weights.get(name, "")) for name in WEIGHTS if name in then.weights
    }
    found = Reproduction(
        source, folder.path, all(before == after for before, after in weights.values()), weights, then.n_steps
    )
    place = next((n for n, pair in enumerate(_pairs(then, now)) if pair[0] != pair[1]), None)
    if place is not None:
        found.step, found.losses = (place + 1) * then.every, _pairs(then, now)[place]
        if then.every > 1:
            found.notes.append(f"the page keeps the loss of every {then.every:,}th step alone")
    elif now.n_steps != then.n_steps:
        found.step = min(now.n_steps, then.n_steps) + 1
        found.notes.append(f"{then.n_steps:,} steps were recorded, {now.n_steps:,} were trained")
    if then.edited:
        found.notes.append("the record of the page was changed since it was written")
    if then.run.get("allowed"):
        found.notes.append(f"at a resume these were allowed to differ: {', '.join(then.run['allowed'])}")
    found.causes = list(_causes(then.run, now.run, path, folder))
    measures = get_task(then.run["task"]).measures
    for part in ("valid", "test"):
        for key in (f"{part}_{name}" for name in measures):
            if then.results.get(key) is not None and now.results.get(key) is not None:
                found.results[key] = then.results.get(key), now.results.get(key)
    return found


def _pairs(then: Record, now: Record) -> list[tuple[float, float]]:
    """The losses of the steps that both know, as (recorded, now)."""
    kept = then.losses, now.losses[then.every - 1 :: then.every]
    pair = alike(*(losses.astype(str).astype(float).tolist() for losses in kept))  # as float32 is written
    return list(zip(*pair, strict=False))


def _causes(then: dict[str, Any], now: dict[str, Any], source: Path, folder: RunFolder) -> Any:
    """(what, how) of each thing that was recorded otherwise, in the order in which it is likely to be the cause."""
    if then.get("seed") != now.get("seed"):
        yield "seed", f"{then.get('seed')} recorded, {now.get('seed')} now"
    for key, what in (("fingerprint", "data"), ("split", "split"), ("classes", "classes")):
        if then.get(key) != now.get(key):
            changed = _changed_samples(source, folder) if key == "fingerprint" else ""
            yield what, changed or f"{key} {differing(then.get(key), now.get(key))}"
    if then.get("n_epoch") != now.get("n_epoch"):
        yield "epochs", f"{then.get('n_epoch')} recorded, {now.get('n_epoch')} now"
    before, after = then.get("versions") or {}, now.get("versions") or {}
    for key in {**before, **after}:
        if before.get(key) != after.get(key):
            yield f"version of {key}", f"{before.get(key)} recorded, {after.get(key)} now"
    before, after = then.get("device") or {}, now.get("device") or {}
    for key in DEVICE:
        if key in before and before[key] != after.get(key):
            what = "threads" if key == "threads" else f"device, {key}"
            yield what, f"{before[key]} recorded, {after.get(key)} now"
    if then.get("platform") != now.get("platform"):
        yield "platform", f"{then.get('platform')} recorded, {now.get('platform')} now"


def _changed_samples(source: Path, folder: RunFolder) -> str:
    """Which samples are others, where a run folder says who was in it."""
    then, now = read_members(source) if source.is_dir() else None, read_members(folder.path)
    if then is None or now is None:
        return ""
    contents = {part: dict(zip(now.ids[part], now.contents[part], strict=True)) for part in now.ids}
    ids = {name: content for part in contents.values() for name, content in part.items()}
    changed = then.changed(list(ids), list(ids.values()))
    return f"{len(changed):,} samples are others than recorded: {some(changed)}" if changed else ""


def told(found: Reproduction) -> list[str]:
    """What is printed of a reproduction."""
    before, after = found.weights["final_model"]
    if found.identical:
        lines = [f"identical            final weights {after[:16]}, all {found.n_steps:,} steps"]
        lines += [f"differed, and made no difference: {what}: {how}" for what, how in found.causes]
    else:
        likely, *further = [f"{what}: {how}" for what, how in found.causes] or [_unknown(found)]
        lines = [f"differs              final weights {before[:16]} recorded, {after[:16]} now"]
        lines += [f"first                {_first(found)}", f"likely cause         {likely}"]
        lines += [f"differs as well      {one}" for one in further]
    lines += [f"note                 {note}" for note in found.notes]
    return lines + [
        f"{key:<20} {formatted(then, '{:.6g}')} recorded, {formatted(now, '{:.6g}')} now"
        for key, (then, now) in found.results.items()
    ]


def _first(found: Reproduction) -> str:
    if found.step is None:
        return "no step: the losses are equal and the weights are not; another order of sums in the last step"
    if found.losses is None:
        return f"step {found.step:,} of {found.n_steps:,}, which one of both has not"
    before, after = found.losses
    return f"step {found.step:,} of {found.n_steps:,}: loss {before:.9g} recorded, {after:.9g} now"


def _unknown(found: Reproduction) -> str:
    small = found.losses is not None and math.isclose(*found.losses, rel_tol=TAKEN)
    if small:
        return "sums in another order: another processor or GPU, or kernels that are not deterministic"
    return "nothing that was recorded is another; a file that the recipe names (weights), or kernels not deterministic"
