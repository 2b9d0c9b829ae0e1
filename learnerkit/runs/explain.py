"""`explain_runs`: what finished runs looked at, written into each run and onto its page, and how far they agree."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from learnerkit._fastai import DataLoaders
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder, write_json
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.stamp import stamp
from learnerkit.core.tensors import weights_file, write_npz
from learnerkit.explain.consistency import consistency_of
from learnerkit.explain.methods import Asked, Explained
from learnerkit.pages.controls import draw_agreement
from learnerkit.pages.figure import write_figures
from learnerkit.runs.explained import FILE, FOLDER
from learnerkit.runs.load import load_run, rebuild_dls
from learnerkit.runs.report import write_report
from learnerkit.tasks import task_of


def explain_runs(
    paths: Sequence[PathLike],
    asked: Asked | None = None,
    data: PathLike | DataLoaders | None = None,
    out: PathLike | None = None,
) -> tuple[Path, list[Explained]]:
    """Explain the same samples with the best weights of each run; write explanations/ into it and its page anew.

    paths: finished runs of one task; data: where the data are now, where they have moved, or the DataLoaders.
    out: where the agreement of several runs goes; `explanations/` in what holds them all without it.
    Returns the folder that says most: a single run's, or that of the agreement.
    """
    runs, asked = [RunFolder.open(path) for path in paths], asked or Asked()
    _check(runs)
    found: list[Explained] = []
    for run in runs:
        task = task_of(run.described(), run.path)
        explain = task.verb("explain")
        learn = load_run(run.path, data)

        def at_size(side: int, run: RunFolder = run) -> Any:
            if isinstance(data, DataLoaders):
                raise DataError("the DataLoaders that were given have a size of their own; leave further sizes out")
            return rebuild_dls(run.path, data, size=side)

        again = replace(asked, names=found[0].names, classes=found[0].classes) if found else asked
        found.append(explain(learn, run, again, at_size))
        _write(run, found[-1], asked)
        write_report(run)
        if len(runs) > 1 and not found[-1].heat:
            raise RunError(f"{run.path}: explanations of the task '{task.name}' are not compared; explain each alone")
    if len(runs) == 1:
        return runs[0].file(FOLDER), found
    return _write_together(runs, found, out), found


def _check(runs: Sequence[RunFolder]) -> None:
    """RunError where a run is not finished or is given twice, or they are of several tasks or other classes."""
    places = [run.path.resolve() for run in runs]
    if twice := next((run for run, place in zip(runs, places, strict=True) if places.count(place) > 1), None):
        raise RunError(f"{twice.path}: is given twice; each run is explained once")
    for run in runs:
        if not run.is_done:
            raise RunError(
                f"{run.path}: is {run.status().get('state')}; the weights that are explained are chosen when a "
                "training ends. Finish it: learnerkit train --resume"
            )
    described = [run.described() for run in runs]
    names = {str(each.get("task")) for each in described}
    if len(names) > 1:
        raise RunError(f"runs of {', '.join(sorted(names))}: explanations are compared within one task")
    for run, each in zip(runs, described, strict=True):
        if each.get("classes") != described[0].get("classes"):
            raise RunError(
                f"{run.path}: has other classes than {runs[0].path}; the same class is explained of each run"
            )


def _write(run: RunFolder, found: Explained, asked: Asked) -> None:
    """Pictures, tables of numbers and maps of one run; explanations.json comes last and says what the page shows."""
    folder = made_folder(run.file(FOLDER))
    for old in [file for kind in ("png", "pdf", "csv") for file in folder.glob(f"*.{kind}")]:
        old.unlink()
    write_figures(folder, found.figures)
    for name, rows in found.rows.items():
        atomic_write(folder / f"{name}.csv", csv_text(rows))
    if found.arrays:
        write_npz(folder / "maps.npz", **found.arrays)
    content = {
        "weights": stamp(weights_file(run.path)),
        "asked": {key: value for key, value in vars(asked).items() if key not in ("names", "classes")},
        **found.facts,
        "notes": found.notes,
        "pictures": [[f"{name}.png", title] for name, title in found.titles.items()],
        "tables": [vars(table) for table in found.tables],
    }
    write_json(folder / FILE, content)


def _write_together(runs: Sequence[RunFolder], found: Sequence[Explained], out: PathLike | None) -> Path:
    """How far runs agree on the same samples and classes, a method at a time: consistency.csv and a picture each."""
    places = [run.path.resolve() for run in runs]
    common = Path(os.path.commonpath([place.parent for place in places]))
    names = [place.relative_to(common).as_posix() for place in places]
    folder, rows, pictures = made_folder(common / FOLDER if out is None else out), [], {}
    for variant in [name for name in found[0].heat if all(name in one.heat for one in found)]:
        agreement = consistency_of({name: one.heat[variant] for name, one in zip(names, found, strict=True)})
        rows += [{"method": variant, **row} for row in agreement]
        pictures[f"agreement_{variant.replace(' ', '_')}"] = draw_agreement(agreement)
    if not rows:
        raise DataError("the runs have no method in common that could explain them: " + "; ".join(found[0].notes))
    atomic_write(folder / "consistency.csv", csv_text(rows))
    write_figures(folder, pictures)
    return folder
