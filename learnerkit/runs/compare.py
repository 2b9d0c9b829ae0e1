"""`compare_runs`: finished runs side by side, from their files alone; the table, the pictures and the page of it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder, read_json
from learnerkit.core.finished import Comparison, Finished, label_runs, variants_of, without_repeats
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.pages.comparison import draw_all_courses
from learnerkit.pages.page import embedded, render
from learnerkit.tasks import get_task, task_of


def compare_runs(root: PathLike) -> Comparison:
    """Compare the finished runs below a folder on the samples that they share.

    root: a sweep's folder, or any folder of runs.
    Each variant (runs that differ in the seed alone) has the mean and spread over its seeds, and its difference to the
    best with what the task can say of it: intervals, tests.
    Raises RunError when no run is finished, or when they are of several tasks or were measured on different samples.
    """
    root = Path(root)
    runs, unfinished = [], []
    for folder in sorted(path.parent for path in root.rglob("run.json")) if root.is_dir() else []:
        try:
            runs.append(_read(RunFolder.open(folder)))
        except (LearnerkitError, KeyError, TypeError, AttributeError, IndexError) as error:
            unfinished.append(f"{folder.relative_to(root)}: {error}")
    if not runs:
        detail = ":\n  " + "\n  ".join(unfinished) if unfinished else ""
        raise RunError(f"{root}: holds no finished run that was evaluated{detail}")
    _refuse_unlike(root, runs)
    varying = label_runs(runs)
    runs = without_repeats(runs, unfinished)
    comparison = Comparison(root, runs[0].described["task"], runs, varying, unfinished=unfinished)
    comparison.rows = get_task(comparison.task).ranking.rows(variants_of(runs))
    return comparison


def _read(run: RunFolder) -> Finished:
    described, status = run.described(), read_json(run.file("status.json"))
    if status.get("state") != "done":
        said = f" ({status['error']})" if status.get("error") else ""
        raise RunError(f"is {status.get('state')}{said}")
    return task_of(described, run.path).ranking.read(run, described)


def _refuse_unlike(root: Path, runs: list[Finished]) -> None:
    """RunError when runs cannot be ranked together: other tasks, or other samples."""
    groups: dict[str, list[str]] = {}
    for run in runs:
        key = f"{run.described['task']}, {run.part} {run.samples}"
        groups.setdefault(key, []).append(str(run.run.path.relative_to(root)))
    if len(groups) > 1:
        listed = "\n  ".join(f"{key}: {', '.join(names)}" for key, names in groups.items())
        raise RunError(
            f"{root}: these runs were measured on different {runs[0].part} samples and cannot be ranked:\n  {listed}\n"
            "Train them with one split_seed and one set, or compare the groups apart."
        )


def verdict(comparison: Comparison) -> str:
    """The comparison in a sentence."""
    return get_task(comparison.task).ranking.verdict(comparison)


def write_comparison(comparison: Comparison, out: PathLike | None = None) -> Path:
    """Write comparison_table.csv, the pictures and comparison.html; returns the page.

    comparison: of `compare_runs`.
    out: the folder; the comparison's root when None.
    """
    out = made_folder(comparison.root if out is None else Path(out))
    atomic_write(out / "comparison_table.csv", csv_text(comparison.rows))
    ranking, runs = get_task(comparison.task).ranking, comparison.runs
    monitor = runs[0].described.get("monitor", "valid_loss")
    figures = {
        ranking.picture: ranking.draw(comparison),
        "all_training_curves": draw_all_courses(comparison, ranking.curve or (monitor, monitor)),
    }
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png")
    cells = [ranking.run_cells(run) for run in runs]
    page = render(
        "comparison.html.j2",
        name=comparison.root.resolve().name,
        comparison=comparison,
        verdict=ranking.verdict(comparison),
        heads=[column.head for column in ranking.columns],
        rows=[[column.text(row) for column in ranking.columns] for row in comparison.rows],
        note=ranking.note,
        pictures=[(name.replace("_", " ").capitalize(), embedded(out / f"{name}.png")) for name in figures],
        run_heads=["run", "variant", "seed", *cells[0], "epochs"],
        run_rows=[
            [run.name, run.label, run.seed, *texts.values(), len(run.history)]
            for run, texts in zip(runs, cells, strict=True)
        ],
    )
    return atomic_write(out / "comparison.html", page)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table and the verdict."""
    ranking = get_task(comparison.task).ranking
    columns = [column for column in ranking.columns if column.brief]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.brief, justify="left" if column.key == "variant" else "right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(*(column.text(row, brief=True) for column in columns))
    console.print(table)
    for line in comparison.unfinished:
        console.print(f"  left out: {line}")
    console.print(f"  {ranking.verdict(comparison)}")
