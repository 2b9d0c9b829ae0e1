"""What the commands share. Heavy modules are imported through `heavy`, so that `--help` is instant."""

from importlib import import_module
from typing import Any

from rich.console import Console

console = Console(soft_wrap=True, markup=False, highlight=False)


def heavy(module: str) -> Any:
    """A module of learnerkit that imports torch and fastai."""
    return import_module(f"learnerkit.{module}")
