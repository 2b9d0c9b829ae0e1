"""The folders of a run's evaluations: one each by data, views and weights, whole or absent."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learnerkit.core.errors import RunError
from learnerkit.core.files import made_folder, read_json, sha256, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.warn import warn


class Evaluation(RunFolder):
    """A folder into which a run is measured once more; it is described as its run.

    run: that run; path: the folder.
    weights_folder: where what is fitted for the measured weights is kept: the run, where its best weights are measured
        on its own parts.
    """

    def __init__(self, run: RunFolder, path: Path, weights_folder: Path | None = None) -> None:
        super().__init__(path)
        self.run, self.weights_folder = run, weights_folder or path

    def described(self) -> dict[str, Any]:
        """run.json of the run."""
        return self.run.described()


def said(weights: str, options: dict[str, Any]) -> str:
    """What the name of an evaluation's folder says of its views, its form and its weights.

    weights: 'best' or 'final'; options: of the task's evaluation.
    """
    views = f"-tta{options['tta']}" if options.get("tta") else ""
    views += f"-until{options['until']}" if options.get("until") else ""
    return views + ("-codes" if options.get("codes") else "") + ("-final" if weights == "final" else "")


def fitted_until(run: RunFolder, weights: str, tta: int) -> float | None:
    """The confidence that until='auto' was fitted to on a run's own valid part, for its weights and so many views.

    weights: 'best' or 'final'; tta: number of views.
    RunError where it was not fitted. None, with a warning, where no confidence was found from which on the plain pass
    is as good, so that all views are taken of all.
    """
    own = [run.results(), *map(read_json, sorted(run.path.glob("evaluations/own-*/results.json")))]
    asked = (True, tta, weights)
    known = [
        said["tta_until"]
        for said in own
        if (said.get("tta_until_fitted"), said.get("tta_views"), said.get("weights", "best")) == asked
    ]
    if not known:
        final = " --weights final" if weights == "final" else ""
        raise RunError(
            f"{run.path}: until='auto' is fitted on the run's own valid part, and was not yet for {tta} views of its "
            f"{weights} weights; measure that first (learnerkit evaluate {run.path} --tta {tta} --until auto{final}), "
            "or give a number"
        )
    if known[-1] <= 1:
        return known[-1]
    warn(f"{run.path}: no confidence was enough on its valid part; all views are taken of all samples")
    return None


@contextlib.contextmanager
def evaluation(run: RunFolder, data: str, how: str, facts: dict[str, Any]) -> Iterator[Evaluation]:
    """A folder to measure into, which takes the place of an earlier one of the same name once its block has ended well.

    data: the place of the data, or 'own'; how: as in `said`; facts: of results.json, a fingerprint of other data among
        them: another set of the same name gets a folder of its own.
    """
    name = _free_name(run, data, how, facts.get("fingerprint"))
    target = run.file("evaluations") / name
    beside = run.file("evaluations") / f".tmp-{os.getpid()}"
    own = data == "own" and facts.get("weights") == "best"
    measured = Evaluation(run, made_folder(beside / name), run.path if own else None)
    try:
        measured.write_results({"data": data, **facts}, anew=True)
        write_json(measured.file("class_names.json"), run.described()["classes"])
        yield measured
        if target.exists():
            os.replace(target, beside / "former")
        os.replace(measured.path, target)
        measured.path = target
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _free_name(run: RunFolder, data: str, how: str, fingerprint: str | None) -> str:
    """The name of the folder: of the data where nothing else has it, with what tells them apart where something has."""
    name = Path(data).name
    for apart in ("", f"-{sha256(data.encode())[:8]}", f"-{sha256(f'{data} {fingerprint}'.encode())[:8]}"):
        found = run.file("evaluations") / f"{name}{apart}{how}" / "results.json"
        if not found.exists():
            break
        before = read_json(found)
        if before.get("data") == data and before.get("fingerprint") == fingerprint:
            break
    return f"{name}{apart}{how}"
