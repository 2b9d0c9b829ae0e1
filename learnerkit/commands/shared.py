"""What the commands share. Heavy modules are imported through `heavy`, so that `--help` is instant."""

from importlib import import_module
from typing import Any

from rich.console import Console

from learnerkit.core.errors import RecipeError

console = Console(soft_wrap=True, markup=False, highlight=False)


def heavy(module: str) -> Any:
    """A module of learnerkit that imports torch and fastai."""
    return import_module(f"learnerkit.{module}")


def numbers(flag: str, text: str | None) -> tuple[int, ...]:
    """Whole numbers above 0 of a flag's text such as '32,64'."""
    parts = (text or "").replace(" ", "").split(",") if text else []
    if wrong := [part for part in parts if not part.isdecimal() or not int(part)]:
        raise RecipeError(f"{flag} {text}: '{wrong[0]}' is no whole number above 0; such as 32,64")
    return tuple(map(int, parts))
