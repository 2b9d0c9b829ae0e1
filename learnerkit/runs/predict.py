"""`predict_run`: what a run says of files without labels, written beside it or where one says."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from learnerkit import __version__
from learnerkit.core.calibrated import Calibration, read_calibration
from learnerkit.core.calls import check_options
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder, read_json, sha256, to_json, write_json
from learnerkit.core.ranges import Count, Flag, Inner, Until, checked
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.stamp import stamp
from learnerkit.core.tensors import weights_file
from learnerkit.core.text import some, words
from learnerkit.core.warn import warn
from learnerkit.data.inputs import FACTS, Inputs, Wanted, find_inputs
from learnerkit.learner.kit import KitLearner
from learnerkit.runs.evaluate import NOT_NEEDED
from learnerkit.runs.evaluations import fitted_until, said
from learnerkit.runs.load import load_run
from learnerkit.runs.settled import WEIGHTS, check_settled
from learnerkit.tasks import task_of

OURS = {FACTS, *words("predictions.csv submission.csv left_out.csv predictions.json images.json pictures")}
USUAL = 0.9  # coverage of the sets of classes, where it is not said


@checked
def predict_run(
    path: PathLike,
    files: PathLike | Sequence[PathLike],
    out: PathLike | None = None,
    *,
    tta: Count = 0,
    until: Until | None = None,
    coverage: Inner | None = None,
    codes: Flag = False,
    weights: Literal["best", "final"] = "best",
    bad: Literal["refuse", "skip"] = "refuse",
    drawn: Count = 50,
) -> tuple[Path, dict[str, Any]]:
    """Predict files with a finished run; neither its data nor labels are needed.

    Of classes predictions.csv has the three likeliest, their probabilities (by the run's temperature where one was
    fitted, and the columns then say so) and, where thresholds were fitted, the set of classes that holds the true one
    with the stated coverage; submission.csv has `ID,Labels`. Of boxes predictions.csv has a line a box in pixels of the
    stored frame; predictions.json and images.json are COCO's, and pictures/ has frames with their boxes.

    path: the run folder.
    files: pictures, files of pairs or frames, or folders that hold some; labels beside them are left aside, and so are
        folders below them that hold earlier predictions.
    out: the folder that is written; predictions/NAME in the run when None. One that predictions were written to before
        is replaced whole, and nothing else is; RunError for one that is one of the inputs, or holds one.
    tta: test-time views, 0 for none.
    until: views are taken of samples less sure than that alone; 'auto' takes what was fitted on the run's valid part.
    coverage: of the sets of classes, one of those that were fitted; .9 where there is that one when None.
    codes: class indices instead of names in submission.csv, in predictions.csv of boxes.
    weights: 'best', those that the monitor chose, or 'final'.
    bad: 'refuse' lists every file that cannot be read and predicts none; 'skip' predicts the others and lists those in
        left_out.csv.
    drawn: frames that are drawn with their boxes at most, evenly spaced.
    Returns the folder written to, and what prediction.json there says.

    Examples:
        >>> import numpy as np
        >>> from PIL import Image
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Run("runs", "first", report=False))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> Image.fromarray(np.random.randint(0, 256, (32, 32), np.uint8)).save("digit.png")
        >>> folder, said = predict_run("runs/first", "digit.png", out="predicted")
        >>> (folder / "submission.csv").read_text().splitlines()[0]
        'ID,Labels'
    """
    run = RunFolder.open(path)
    check_settled(run)
    described = run.described()
    task = task_of(described, run.path)
    predict = task.verb("predict")
    inputs = find_inputs(files, task.verb("inputs"), bad)
    how = said(weights, {"tta": tta, "until": until})
    if until is not None:
        check_options(task.evaluate, ["until"], f"task '{task.name}': predict")
    until = fitted_until(run, weights, tta) if until == "auto" and tta else until
    known, covered = _calibration(run, weights, tta, until, coverage)
    wanted = Wanted(tta, codes, known, covered, drawn, until)
    place = _place(run, inputs, out, how)
    learn = predicting(run, WEIGHTS[weights])
    facts = {
        "run": str(run.path.resolve()),
        "task": task.name,
        "weights": stamp(weights_file(run.path, WEIGHTS[weights])),
        "tta_views": tta,
        "tta_until": until,
        "temperature": known.temperature if known else None,
        "coverage": covered,
        "threshold": known.thresholds[str(covered)] if known and covered else None,
        "learnerkit": __version__,
        "files": [str(given) for given in inputs.given],
    }
    with written_whole(place) as target:
        facts |= predict(learn, described, inputs, wanted, target)
        if inputs.faults:
            rows = [{"file": fault.file, "reason": fault.reason} for fault in inputs.faults]
            atomic_write(target.file("left_out.csv"), csv_text(rows))
        facts |= {"left_out": len(inputs.faults)}
        write_json(target.file(FACTS), facts)
    return place, facts


def told(facts: dict[str, Any]) -> list[str]:
    """What was predicted, in lines for a terminal."""
    boxes = f", {facts['boxes']:,} boxes, {facts['frames_without_boxes']:,} without any" if "boxes" in facts else ""
    lines = [f"{'predicted':<20} {facts['samples']:,} samples{boxes}"]
    counts = sorted(facts.get("predicted", {}).items(), key=lambda item: -item[1])
    if counts:
        lines.append(f"{'as':<20} {some([f'{name}: {count:,}' for name, count in counts], 6)}")
        how = f"logits divided by {facts['temperature']:.3f}" if facts["temperature"] else "not calibrated"
        sets = f"; sets with coverage {facts['coverage']}" if facts["coverage"] else ""
        lines.append(f"{'probabilities':<20} {how}{sets}")
    if facts["left_out"]:
        lines.append(f"{'left out':<20} {facts['left_out']:,} that cannot be read: left_out.csv")
    return lines


def predicting(run: RunFolder, weights: str | None = None) -> KitLearner:
    """The Learner of a run without its data, and without what only a training or a measurement needs.

    weights: name of the file without its suffix; the best ones when None and there are any.
    """
    lost = (run.described()["recipe"]["learner"] or {}).get("lost", ())
    if "loss_func" in lost:
        warn(f"{run.path}: was trained with a loss of a script, which is not recorded; its task's own is taken")
    given = {name: value for name, value in NOT_NEEDED.items() if name in lost}
    return load_run(run.path, data=False, weights=weights, **{**given, "metrics": [], "limit_batches": None})


def _said_views(n: int, until: float | None) -> str:
    """So many views, in words."""
    return f"{n} views{'' if until is None else f' of samples less sure than {until:.4f}'}"


def _calibration(
    run: RunFolder, weights: str, tta: int, until: float | None, coverage: float | None
) -> tuple[Calibration | None, float | None]:
    """What was fitted for the weights and views, and the coverage of the sets; None for what was not."""
    chosen = weights_file(run.path, WEIGHTS[weights])
    known = read_calibration(run.path, tta > 0) if chosen == weights_file(run.path) else None
    views = (known.views or run.results().get("tta_views") or tta) if known else tta
    if known and tta and (views, known.until) != (tta, until):
        warn(
            f"{run.path}: its probabilities were calibrated with {_said_views(views, known.until)}, and "
            f"{_said_views(tta, until)} are taken; they may be off"
        )
    thresholds = known.thresholds if known else {}
    covered = USUAL if coverage is None and str(USUAL) in thresholds else coverage
    if covered is not None and str(covered) not in thresholds:
        fitted = ", ".join(thresholds) or "none"
        raise DataError(
            f"coverage={covered} (--coverage): none was fitted for these weights{' with views' if tta else ''};"
            f" fitted are: {fitted}"
        )
    return known, covered


def _place(run: RunFolder, inputs: Inputs, out: PathLike | None, how: str) -> Path:
    """The folder of the predictions; RunError where it holds anything else, so that nothing is lost."""
    if out is None:
        first, files = inputs.given[0], [str(given) for given in inputs.given]
        several = f"-and-{len(files) - 1}" if len(files) > 1 else ""
        name = f"{(first.name if first.is_dir() else first.stem) or 'files'}{several}{how}"
        place = run.file("predictions") / name
        said = read_json(place / FACTS).get("files") if (place / FACTS).exists() else files
        place = place if said == files else place.with_name(f"{name}-{sha256(to_json(files).encode())[:8]}")
    else:
        place = Path(out) if Path(out).name else Path(out).resolve()
    if place.exists() and not place.is_dir():
        raise RunError(f"{place}: is a file; give a folder (--out)")
    held = {entry.name for entry in place.iterdir()} if place.exists() else set()
    if others := sorted(held - OURS if FACTS in held else held):
        what = "is a run" if (place / "run.json").exists() else f"holds other files, such as {some(others, 2)}"
        raise RunError(f"{place}: {what}, and nothing of it is overwritten; give a folder of its own (--out)")
    if inside := [given for given in inputs.given if given.resolve().is_relative_to(place.resolve())]:
        raise RunError(f"{place}: holds what is to be predicted ({some(inside, 2)}); give a folder of its own (--out)")
    return place


@contextlib.contextmanager
def written_whole(place: Path) -> Iterator[RunFolder]:
    """A folder that takes the place of an earlier one once its block has ended well; nothing is left otherwise."""
    made_folder(place.parent)
    beside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    target = RunFolder(made_folder(beside / "new"))
    try:
        yield target
        if place.exists():
            os.replace(place, beside / "former")
        os.replace(target.path, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
