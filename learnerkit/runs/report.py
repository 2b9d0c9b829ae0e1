"""report.html: one self-contained page about a run of any task, made from its files."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from learnerkit.callbacks.mlflow_store import mirrored
from learnerkit.core.described import title_of
from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.files import PathLike, atomic_write, read_json
from learnerkit.core.record import content_of, record_of
from learnerkit.core.run_folder import RunFolder
from learnerkit.pages.curves import curve_figures, run_charts
from learnerkit.pages.figure import save_figures
from learnerkit.pages.page import RUN_HEADLINES, Picture, embedded, headline_texts, json_text, render
from learnerkit.pages.shown_blocks import shown_blocks
from learnerkit.runs import report_parts as parts
from learnerkit.runs.explained import explained_of
from learnerkit.tasks import task_of

FAULTS = (LearnerkitError, OSError, ValueError, LookupError, TypeError, AttributeError)  # of files that are not a run's
UNREAD: Any = object()  # in the place of predictions that there are, and that cannot be read
Made = TypeVar("Made")
log = logging.getLogger(__name__)


class Attempts:
    """What of a page could not be made, in words: one damaged file is not to cost the whole page."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def made(self, what: str, make: Callable[[], Made], instead: Made) -> Made:
        """What `make` gives, or `instead` where that fails. what: how it is called."""
        try:
            return make()
        except FAULTS as error:
            told = str(error) if isinstance(error, LearnerkitError) else f"{type(error).__name__}: {error}"
            self.failed.append(f"{what}: {told}")
            return instead


def write_report(path: PathLike | RunFolder) -> Path:
    """Draw the figures and write report.html of a run; needs its files alone, not the model or the data.

    path: the run folder. What cannot be read is said on the page; RunError or DataError where run.json is damaged.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Run("runs", "first", report=False))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> write_report("runs/first").name
        'report.html'
    """
    run = path if isinstance(path, RunFolder) else RunFolder.open(path)
    described = run.described()
    task = task_of(described, run.path)
    tried = Attempts()
    status = tried.made("the state", lambda: _status(run), {})
    results = tried.made("the results", lambda: _optional(run, "results.json"), {})
    history = tried.made("the epochs", run.history, [])
    seen = tried.made("the predictions", lambda: task.evaluation(run), UNREAD)
    readable = seen is not UNREAD
    explained, explained_tables = tried.made("the explanations", lambda: explained_of(run), ([], []))
    drawn = tried.made("the curves", lambda: curve_figures(run, history), {})
    if readable:
        drawn |= tried.made("the pictures", lambda: task.figures(seen, run, history), {})
    files = save_figures(run, drawn)
    charts = tried.made("the charts", lambda: run_charts(run, history), {})
    pictures = [
        Picture(title, embedded(files[name]), charts.get(name, [])) for name, title in task.pictures if name in files
    ]
    cost_pictures, cost_tables = tried.made("the cost", lambda: parts.cost(run), ([], []))
    for title, file in [*cost_pictures, *explained]:
        if address := tried.made(f"the picture {file.name}", lambda file=file: parts.checked_address(file), ""):
            pictures.append(Picture(title, address))
    tables = tried.made("the tables", lambda: task.tables(seen, results), []) if readable else []
    tables += [
        *cost_tables,
        *explained_tables,
        *tried.made("further evaluations", lambda: parts.evaluations(run, task), []),
    ]
    tables += parts.epochs(history)
    blocks = tried.made("galleries and matrices", lambda: shown_blocks(task.blocks(seen, run)), []) if readable else []
    made, folded = tried.made("the recipe", lambda: parts.recipe_tables(described, task), ([], []))
    made += tried.made("the surroundings", lambda: parts.surroundings(described), [])
    for line in tried.failed:
        log.warning("%s: the page is made without %s", run.path, line)
    place = run.path.resolve()
    page = render(
        "report.html.j2",
        pictures,
        name=f"{place.parent.name}/{place.name}",
        title=title_of(described) or f"{place.parent.name}/{place.name}",
        state=parts.state_text(status, history, described),
        about=parts.about(described, place),
        run=described,
        run_json=json_text(described),
        record=tried.made("the record for a reproduction", lambda: content_of(record_of(run)), {}),
        version=(described.get("versions") or {}).get("learnerkit"),
        status=status,
        warnings=parts.warnings(described, status, results, tried.failed, run.path),
        headlines=headline_texts(results, task.headlines + RUN_HEADLINES),
        tables=tables,
        blocks=blocks,
        commands=parts.commands(described),
        made=made,
        folded=folded,
    )
    written = atomic_write(run.file("report.html"), page)
    mirrored(run)
    return written


def headlines_of(run: RunFolder) -> list[tuple[str, str]]:
    """(label, figure) of what is told of a run when its training ends."""
    task = task_of(run.described(), run.path)
    return headline_texts(run.results(), task.headlines + RUN_HEADLINES)


def _status(run: RunFolder) -> dict[str, Any]:
    """status.json, with 'killed' of a run whose process is gone."""
    said = _optional(run, "status.json")
    return {**said, "state": run.standing()} if said else said


def _optional(run: RunFolder, name: str) -> dict[str, Any]:
    """A JSON file that a run may not have yet; DataError where there is one that is no JSON object."""
    if not run.file(name).exists():
        return {}
    content = read_json(run.file(name))
    if not isinstance(content, dict):
        raise DataError(f"{run.file(name)}: is damaged, it is no JSON object")
    return content
