"""The options that recipes give to a command: one for each of their fields. No torch."""

import inspect
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from learnerkit.core.errors import MEANT, RecipeError
from learnerkit.runs.recipe_file import recipe_names
from learnerkit.runs.recipes import OPTIONS, WIDTHS, flag_texts, flags


def option(name: str, kind: Any, text: str, *names: str) -> inspect.Parameter:
    """An option of a command, None where it is not given.

    name: of the argument; kind: its type; text: its help; names: on the command line, from `name` when none.
    """
    annotation = Annotated[kind | None, typer.Option(*names, help=text)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def refuse_foreign(words: Sequence[str]) -> None:
    """RecipeError for a flag by another library's name, such as --batch-size, that says ours.

    words: of the command line.
    """
    known = foreign_flags()
    for word in words[: words.index("--") if "--" in words else None]:
        name = word.partition("=")[0]
        if meant := known.get(name.replace("_", "-").lower()):
            raise RecipeError(f"{name}: is called {meant} here")


def foreign_flags() -> dict[str, str]:
    """The flags of the commands by other libraries' names, each with its name here."""
    known = {*flags(), *WIDTHS, *OPTIONS}
    pairs = {name: meant for name, meant in MEANT.items() if name not in known and meant in known}
    return {f"--{name.replace('_', '-')}": f"--{meant.replace('_', '-')}" for name, meant in pairs.items()}


def recipe_parameters() -> list[inspect.Parameter]:
    """The recipe's name, and an option for each of its fields."""
    text = f"{', '.join(recipe_names())}, a .yaml file, or a task for its defaults"
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotation = Annotated[str | None, typer.Argument(help=text)]
    parameters = [inspect.Parameter("recipe", kind, default=None, annotation=annotation)]
    texts = flag_texts()
    for flag, (_, _, field) in flags().items():
        boolean = "bool" in str(field.annotation)
        name = f"--{flag.replace('_', '-')}"
        names = (f"{name}/--no-{name[2:]}",) if boolean else (name,)
        parameters.append(option(flag, bool if boolean else str, texts[flag], *names))
    return parameters + [option(name, str, text) for name, text in WIDTHS.items()]
