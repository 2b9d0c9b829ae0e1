"""The commands that show what is there: `recipe`, `report`, `doctor`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from learnerkit.commands.shared import console, heavy
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError, RunError
from learnerkit.core.levels import line_text


def recipe(recipe: str | None, **given: Any) -> None:
    """Print a recipe as it is resolved, each value with what says it; without a name, list the recipes."""
    shown, overrides = heavy("runs.shown_recipe"), {key: value for key, value in given.items() if value is not None}
    typer.echo(shown.recipe_list() if recipe is None else shown.recipe_text(recipe, overrides), nl=False)


def report(
    runs: Annotated[list[Path] | None, typer.Argument(help="run folders; with --all any folders of runs")] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="every run below these folders, or below --root")] = False,
    root: Annotated[Path, typer.Option(help="where --all looks without a folder")] = Path("runs"),
) -> None:
    """Redraw figures and report.html of existing runs from their files. With --all, exits with 1 where one failed."""
    if not all_runs:
        _report_each(list(runs or []))
        return
    found = heavy("runs.report_all").write_reports(list(runs or [root]), lambda line: console.print(line))
    if len(found.written) > 1 and len(runs or [root]) == 1:
        console.print(f"all in one table: learnerkit serve {(runs or [root])[0]}")
    if found.failed:
        raise typer.Exit(1)
    if not found.written:
        raise RecipeError(f"no run below {', '.join(map(str, runs or [root]))}; a run is a folder with run.json")


def _report_each(folders: list[Path]) -> None:
    if not folders:
        raise RecipeError("which runs? Give run folders, or --all for every run below --root (runs)")
    write_report = heavy("runs.report").write_report
    faults = []
    for folder in folders:
        try:
            console.print(str(write_report(folder)))
        except LearnerkitError as error:
            faults.append(str(error))
    if faults:
        raise RunError(f"{len(faults)} of {len(folders)} reports could not be made:\n  " + "\n  ".join(faults))


def doctor(
    data: Annotated[Path | None, typer.Argument(help="a data set to check as well")] = None,
    bad: Annotated[str, typer.Option(help="refuse tells faults, skip and clip what they would leave out")] = "refuse",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else")] = False,
    out: Annotated[Path | None, typer.Option(help="folder for the data's report: JSON, text, a page, pictures")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with 1 where there are warnings")] = False,
) -> None:
    """Check the installation and the device and, with a path, the data. Exits with 2 where there is a fault."""
    if bad not in ("refuse", "skip", "clip"):
        raise RecipeError(f"--bad {bad}: refuse, skip or clip")
    if out is not None and data is None:
        raise RecipeError("--out: of which data? `learnerkit doctor DATA --out FOLDER`")
    if out is not None and not data.exists():
        raise DataError(f"{data}: no such file or folder; there is nothing to report on")
    found = heavy("runs.doctor").examine(data, bad)
    written = [] if out is None else heavy("runs.data_report").write_data_report(found, out)
    if as_json:
        typer.echo(found.json())
    else:
        for line in found.lines:
            console.print(line_text(line))
        for file in written:
            console.print(f"  wrote {file}")
    if code := found.exit_code(strict):
        raise typer.Exit(code)
