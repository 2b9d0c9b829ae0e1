"""`compare_runs`: finished runs side by side, from their files alone; the table, the pictures and the page of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder
from learnerkit.core.finished import Comparison, label_runs, variants_of, without_repeats
from learnerkit.core.run_folder import csv_text
from learnerkit.pages.choice import leaders
from learnerkit.pages.comparison import draw_all_courses
from learnerkit.pages.costs import add_costs, columns_of, draw_costs
from learnerkit.pages.course_charts import course_charts
from learnerkit.pages.detectable import detectable, detectable_text, limited_text
from learnerkit.pages.figure import write_figures
from learnerkit.pages.latex import latex_table
from learnerkit.pages.page import Picture, embedded, render
from learnerkit.pages.page import Table as PageTable
from learnerkit.pages.ranking import Column
from learnerkit.runs.candidates import comparable, find_candidates
from learnerkit.tasks import get_task

GAP = 2  # letters between two columns of the table on the command line
NARROWEST, LEAST_COLUMNS = 12, 4  # letters for a variant there, and columns that there are in any case


def compare_runs(root: PathLike | Sequence[PathLike]) -> Comparison:
    """Compare the finished runs below a folder, or several, on the samples that they share.

    root: a sweep's folder, any folder of runs, or a run; or a list of such.
    Each variant (runs that differ in the seed alone) has the mean and spread over its seeds. The variant that is best
    on valid stands first, and the others with their difference to it and what the task can say of that: intervals,
    tests. What is not finished, of another task or measured on other samples than the most is left out by name.
    Raises RunError when no run is finished, or when no two were measured on the same samples.

    Examples:
        >>> for width in (4, 8):
        ...     cbs, model_args = Run("runs", f"width {width}", report=False), {"width": width}
        ...     learn = image_learner(digits_dls(limit=64), "tiny_cnn", model_args=model_args, cbs=cbs)
        ...     with learn.no_bar(), learn.no_logging():
        ...         learn.fit(1, 0.1)
        ...     _ = evaluate_run(learn.run_folder.path)
        >>> [row["n"] for row in compare_runs("runs").rows]
        [1, 1]
    """
    roots = [Path(path) for path in ([root] if isinstance(root, (str, os.PathLike)) else root)]
    if not roots:
        raise RunError("which runs are to be compared? Give a folder of runs, such as a sweep's")
    found = find_candidates(roots)
    runs = comparable(found)
    varying = label_runs(runs)
    runs = without_repeats(runs, found.left_out)
    task = runs[0].described["task"]
    comparison = Comparison(found.root, task, runs, varying, left_out=found.left_out, unfinished=found.unfinished)
    comparison.rows = get_task(task).ranking.rows(variants_of(runs))
    add_costs(comparison)
    _add_power(comparison)
    return comparison


def _add_power(comparison: Comparison) -> None:
    """What difference the first two variants can show, as facts and as notes; which runs are quick trials."""
    ranking = get_task(comparison.task).ranking
    if ranking.measure is not None:
        (column,) = [column for column in ranking.columns if column.key == ranking.measure.figure]
        comparison.detectable = detectable(comparison.rows, ranking.measure, comparison.drawn)
        shown = detectable_text(comparison.detectable, comparison, lambda value: column.text({column.key: value}))
        comparison.notes += shown
    comparison.notes += limited_text(comparison)


def _fitting_columns(comparison: Comparison, width: int) -> tuple[list[Column], list[Column]]:
    """The columns that a table of so many letters has room for, and those that it has not, from the right."""
    columns = [column for column in _columns(comparison) if column.brief]
    aside: list[Column] = []
    while len(columns) > LEAST_COLUMNS and _room(comparison, columns, width) < NARROWEST:
        aside.insert(0, columns.pop())
    return columns, aside


def _room(comparison: Comparison, columns: list[Column], width: int) -> int:
    """Letters that are left for the names of the variants."""
    others = [column for column in columns if column.key != "variant"]
    texts = [[column.brief, *(column.text(row, brief=True) for row in comparison.rows)] for column in others]
    return width - sum(max(map(len, cells)) + GAP for cells in texts) - GAP


def _columns(comparison: Comparison) -> list[Column]:
    """Those of the task, and those of what the variants cost where that is known; none that is empty in every row."""
    columns = [*get_task(comparison.task).ranking.columns, *columns_of(comparison)]
    return [column for column in columns if any(column.text(row) for row in comparison.rows)]


def verdict(comparison: Comparison) -> str:
    """The comparison in a sentence; it says of how many runs it is where not all are finished."""
    text = get_task(comparison.task).ranking.verdict(comparison)
    if not comparison.unfinished:
        return text
    finished = len(comparison.runs)
    return f"Of {finished} finished of {finished + len(comparison.unfinished)} runs: {text}"


def write_comparison(comparison: Comparison, out: PathLike | None = None) -> Path:
    """Write comparison_table.csv and .tex, the pictures and comparison.html; returns the page.

    comparison: of `compare_runs`.
    out: the folder; the comparison's root when None.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Run("runs", "first", report=False))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> _ = evaluate_run("runs/first")
        >>> write_comparison(compare_runs("runs")).name
        'comparison.html'
    """
    out = made_folder(comparison.root if out is None else Path(out))
    atomic_write(out / "comparison_table.csv", csv_text(comparison.rows))
    ranking, runs, columns = get_task(comparison.task).ranking, comparison.runs, _columns(comparison)
    if ranking.measure is not None:
        atomic_write(out / "comparison_table.tex", latex_table(comparison, ranking))
    monitor = runs[0].described.get("monitor", "valid_loss")
    figures = {
        ranking.picture: ranking.draw(comparison),
        "all_training_curves": draw_all_courses(comparison, ranking.curve or (monitor, monitor)),
    }
    if ranking.gain and (costs := draw_costs(comparison, ranking.gain)):
        figures["cost"] = costs
    files, cells = write_figures(out, figures), [ranking.run_cells(run) for run in runs]
    charts = {"all_training_curves": course_charts(comparison, ranking.curve or (monitor, monitor))}
    page = render(
        "comparison.html.j2",
        [
            Picture(name.replace("_", " ").capitalize(), embedded(file), charts.get(name, []))
            for name, file in files.items()
        ],
        name=out.resolve().name,
        comparison=comparison,
        verdict=verdict(comparison),
        leading=len(leaders(comparison.rows)),
        variants=PageTable(
            "Variants",
            tuple(column.head for column in columns),
            [tuple(column.text(row) for column in columns) for row in comparison.rows],
            ranking.note,
        ),
        runs=PageTable(
            "Runs",
            ("run", "variant", "seed", *cells[0], "epochs"),
            [
                (run.name, run.label, str(run.seed), *texts.values(), str(len(run.history)))
                for run, texts in zip(runs, cells, strict=True)
            ],
        ),
    )
    return atomic_write(out / "comparison.html", page)


def facts_of(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON has it."""
    return {
        "root": comparison.root,
        "task": comparison.task,
        "part": comparison.part,
        "samples": comparison.n,
        "varying": comparison.varying,
        "variants": comparison.rows,
        "runs": [{"run": run.run.path, "variant": run.label, "seed": run.seed} for run in comparison.runs],
        "left_out": comparison.left_out,
        "notes": comparison.notes,
        "verdict": verdict(comparison),
    }


def comparison_page(paths: Sequence[PathLike], name: str) -> str:
    """The page that compares some runs, made in a folder that is gone afterwards; RunError as `compare_runs`.

    paths: run folders; name: how the page is called.
    """
    with TemporaryDirectory() as folder:
        return write_comparison(compare_runs(paths), Path(folder) / name).read_text(encoding="utf-8")


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table, as wide as the console, what was left out and the verdict."""
    columns, aside = _fitting_columns(comparison, console.width)
    cells = [[column.text(row, brief=True) for column in columns] for row in comparison.rows]
    named = [column.key == "variant" for column in columns]
    short, unsaid = comparison.short_names(max(NARROWEST, _room(comparison, columns, console.width)))
    table = Table(box=None, padding=(0, GAP, 0, 0))
    for column, name in zip(columns, named, strict=True):
        table.add_column(column.brief, justify="left" if name else "right", no_wrap=True)
    for texts in cells:
        table.add_row(*(short[text] if name else text for text, name in zip(texts, named, strict=True)))
    console.print(table)
    if aside:
        console.print(f"  on the page alone, for want of room: {', '.join(column.brief for column in aside)}")
    if unsaid:
        console.print(f"  a variant is called by its {unsaid}")
    for line in comparison.notes:
        console.print(f"  {line}")
    for line in comparison.left_out:
        console.print(f"  left out: {line}")
    console.print(f"  {verdict(comparison)}")
