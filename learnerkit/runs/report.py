"""report.html: one self-contained page about a run of any task, made from its files."""

from pathlib import Path
from typing import Any

from learnerkit.callbacks.mlflow_store import mirrored
from learnerkit.core.errors import DataError
from learnerkit.core.files import PathLike, atomic_write, read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.pages.curves import curve_figures
from learnerkit.pages.figure import save_figures
from learnerkit.pages.page import RUN_HEADLINES, Table, embedded, headline_texts, render
from learnerkit.runs.explained import explained_of
from learnerkit.task import Task
from learnerkit.tasks import task_of


def write_report(path: PathLike | RunFolder) -> Path:
    """Draw the figures and write report.html of a run; needs its files alone, not the model or the data.

    path: the run folder.
    """
    run = path if isinstance(path, RunFolder) else RunFolder.open(path)
    described, results, history = run.described(), _optional(run, "results.json"), run.history()
    task = task_of(described, run.path)
    seen = task.evaluation(run)
    explained, explained_tables = explained_of(run)
    files = save_figures(run, {**curve_figures(run, history), **task.figures(seen, run, history)})
    place = run.path.resolve()
    page = render(
        "report.html.j2",
        name=f"{place.parent.name}/{place.name}",
        run=described,
        status=_optional(run, "status.json"),
        results=results,
        headlines=headline_texts(results, task.headlines + RUN_HEADLINES),
        pictures=[
            *((title, embedded(files[name])) for name, title in task.pictures if name in files),
            *((title, embedded(file)) for title, file in explained),
        ],
        tables=[*task.tables(seen, results), *explained_tables, *evaluations(run, task)],
        history=history,
    )
    written = atomic_write(run.file("report.html"), page)
    mirrored(run)
    return written


def evaluations(run: RunFolder, task: Task) -> list[Table]:
    """The table of what a run was measured on further, each with the most telling figure; none before the first."""
    rows = []
    for file in sorted(run.file("evaluations").glob("*/results.json")):
        found = read_json(file)
        figures = [
            f"{part} {key.replace('_', ' ')} {found[name]:.4f}{' (TTA)' if suffix else ''}"
            for part in ("valid", "test", "all")
            for key in task.measures[:1]
            for suffix in ("", "_tta")
            if found.get(name := f"{part}_{key}{suffix}") is not None
        ]
        data = "its own parts" if found.get("data") == "own" else str(found.get("data"))
        views = str(found.get("tta_views") or "plain")
        rows.append(
            (file.parent.name, data, views, found.get("weights", "best"), ", ".join(figures) or "predicted alone")
        )
    heads = ("evaluation", "data", "views", "weights", "figures")
    return (
        [Table("Further evaluations", heads, rows, "Each stands in evaluations/, in a folder of its own.")]
        if rows
        else []
    )


def headlines_of(run: RunFolder) -> list[tuple[str, str]]:
    """(label, figure) of what is told of a run when its training ends."""
    task = task_of(run.described(), run.path)
    return headline_texts(run.results(), task.headlines + RUN_HEADLINES)


def _optional(run: RunFolder, name: str) -> dict[str, Any]:
    """A JSON file that a run may not have yet."""
    try:
        return read_json(run.file(name))
    except DataError:
        return {}
