"""The command that looks at a training before it begins: `check`."""

from pathlib import Path
from typing import Any

import typer

from learnerkit.commands.shared import JSON_OPTION, console, heavy, print_json, progress_aside
from learnerkit.commands.training import needed
from learnerkit.runs.options import option
from learnerkit.runs.recipes import load_recipe


def check(recipe: str | None, **given: Any) -> None:
    """Look, before a training, for what would spoil it. Exits with 2 where there is a fault."""
    out, as_json, strict = (given.pop(name) for name in ("out", "as_json", "strict"))
    settings = load_recipe(needed(recipe), {key: value for key, value in given.items() if value is not None})
    checks = heavy("runs.check")
    if out is not None:
        checks.refuse_inside(out, settings.model_dump()["data"].get("path"))
    with progress_aside(as_json):
        found = checks.check(settings)
    written = [] if out is None else checks.write_check(found, Path(recipe).stem, out)
    if as_json:
        print_json("check", {"recipe": recipe, **found.content(), "written": written})
    else:
        for line in found.lines:
            console.print(heavy("runs.checked").line_text(line))
        for file in written:
            console.print(f"  wrote {file}")
    if code := found.exit_code(bool(strict)):
        raise typer.Exit(code)


CHECK_OPTIONS = (
    option("out", Path, "folder for a page, its picture and JSON; nothing is written without it"),
    JSON_OPTION,
    option("strict", bool, "exit with 1 where there are warnings", "--strict"),
)
