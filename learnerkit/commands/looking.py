"""The commands that show what is there: `recipe`, `report`, `doctor`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from learnerkit.commands.shared import AsJson, console, heavy, print_json
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError, RunError
from learnerkit.core.levels import line_text


def recipe(recipe: str | None, **given: Any) -> None:
    """Print a recipe as it is resolved, each value with what says it; without a name, list the recipes."""
    as_json = given.pop("as_json")
    shown, overrides = heavy("runs.shown_recipe"), {key: value for key, value in given.items() if value is not None}
    if as_json:
        print_json("recipe", shown.recipe_facts(recipe, overrides))
        return
    typer.echo(shown.recipe_list() if recipe is None else shown.recipe_text(recipe, overrides), nl=False)


def report(
    runs: Annotated[list[Path] | None, typer.Argument(help="run folders; with --all any folders of runs")] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="every run below these folders, or below --root")] = False,
    root: Annotated[Path, typer.Option(help="where --all looks without a folder")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Redraw figures and report.html of existing runs from their files. With --all, exits with 1 where one failed."""
    if not all_runs:
        written = _report_each(list(runs or []), not as_json)
        if as_json:
            print_json("report", {"written": written, "skipped": [], "failed": []})
        return
    tell = (lambda line: None) if as_json else console.print
    found = heavy("runs.report_all").write_reports(list(runs or [root]), tell)
    if not found.written and not found.failed:
        raise RecipeError(f"no run below {', '.join(map(str, runs or [root]))}; a run is a folder with run.json")
    if as_json:
        print_json("report", vars(found))
    elif len(found.written) > 1 and len(runs or [root]) == 1:
        console.print(f"all in one table: learnerkit serve {(runs or [root])[0]}")
    if found.failed:
        raise typer.Exit(1)


def _report_each(folders: list[Path], tell: bool) -> list[Path]:
    """Write the page of each run, and print where; RunError names those that could not be made."""
    if not folders:
        raise RecipeError("which runs? Give run folders, or --all for every run below --root (runs)")
    write_report = heavy("runs.report").write_report
    faults, written = [], []
    for folder in folders:
        try:
            written.append(write_report(folder))
            if tell:
                console.print(str(written[-1]))
        except LearnerkitError as error:
            faults.append(str(error))
    if faults:
        raise RunError(f"{len(faults)} of {len(folders)} reports could not be made:\n  " + "\n  ".join(faults))
    return written


def doctor(
    data: Annotated[Path | None, typer.Argument(help="a data set to check as well")] = None,
    bad: Annotated[str, typer.Option(help="refuse tells faults, skip and clip what they would leave out")] = "refuse",
    as_json: AsJson = False,
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
        print_json("doctor", found.facts())
    else:
        for line in found.lines:
            console.print(line_text(line))
        for file in written:
            console.print(f"  wrote {file}")
    if code := found.exit_code(strict):
        raise typer.Exit(code)
