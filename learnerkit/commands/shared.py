"""What the commands share. Heavy modules are imported through `heavy`, so that `--help` is instant."""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.console import Console

from learnerkit import __version__
from learnerkit.core.errors import RecipeError, stopped
from learnerkit.core.files import to_json

JSON_SCHEMA = 1  # of nbs/json.md: another one when a key changes its meaning or goes
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else")]
JSON_OPTION = inspect.Parameter(  # the same, of a command whose signature is made
    "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson
)
UNTIL = "views, or further runs, only for samples less sure than that, such as .95; auto fits it on the valid part"
console = Console(soft_wrap=True, markup=False, highlight=False)


def heavy(module: str) -> Any:
    """A module of learnerkit that imports torch and fastai."""
    return import_module(f"learnerkit.{module}")


def print_json(command: str, content: dict[str, Any]) -> None:
    """Print what a command found as one JSON document; `nbs/json.md` has its keys.

    command: as it is typed, such as 'runs list'; content: keys beside those of every document.
    """
    typer.echo(to_json({"learnerkit": __version__, "schema": JSON_SCHEMA, "command": command, **content}))


def show(command: str, as_json: bool, content: dict[str, Any], lines: Iterable[str], folder: Any) -> None:
    """Print what a command found: as one JSON document, or in lines, the last of which says where it was written.

    command, content: of the document; lines: for a terminal; folder: where it was written.
    """
    if as_json:
        print_json(command, content)
        return
    for line in (*lines, f"written to           {folder}"):
        console.print(f"  {line}")


@contextlib.contextmanager
def progress_aside(aside: bool) -> Iterator[None]:
    """Within the block what is printed goes to standard error, so that standard output is left to a document.

    aside: whether it does.
    """
    with contextlib.redirect_stdout(sys.stderr) if aside else contextlib.nullcontext():
        yield


def stoppable(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run a training; a polite stop becomes its exit code."""
    try:
        return function(*args, **kwargs)
    except KeyboardInterrupt as stop:
        raise stopped(stop, "Where a checkpoint was written, `learnerkit train --resume RUN` goes on from it") from None


def confidence(text: str | None) -> float | str | None:
    """The text of `--until`: a confidence above 0 and up to 1, or 'auto'."""
    if text in (None, "auto"):
        return text
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise RecipeError(f"--until {text}: a confidence above 0 and up to 1, such as .95, or auto")
    return value


def numbers(flag: str, text: str | None) -> tuple[int, ...]:
    """Whole numbers above 0 of a flag's text such as '32,64'."""
    parts = (text or "").replace(" ", "").split(",") if text else []
    if wrong := [part for part in parts if not part.isdecimal() or not int(part)]:
        raise RecipeError(f"{flag} {text}: '{wrong[0]}' is no whole number above 0; such as 32,64")
    return tuple(map(int, parts))
