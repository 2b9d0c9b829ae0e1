"""The demos of the tasks: each trains in minutes, without any download, and ends in a page."""

from pathlib import Path

from rich.console import Console

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.files import PathLike
from learnerkit.runs.compare import compare_runs, print_comparison, write_comparison
from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.sweep import run_sweep
from learnerkit.runs.train import train
from learnerkit.task import Demo
from learnerkit.tasks import all_recipes, get_task


def demo_names() -> dict[str, str]:
    """The task of each demo, by the demo's name."""
    named = {recipe.DEMO[0]: task for task, recipe in all_recipes().items()}
    return {name: task for name, task in named.items() if name}


def prepare_demo(name: str, out: PathLike, console: Console) -> Demo:
    """What a demo trains, its data made where it needs any.

    out: the demo's folder; console: where to speak.
    """
    names = demo_names()
    if name not in names:
        raise RecipeError(f"demo '{name}': {nearest(name, names)}")
    return get_task(names[name]).verb("demo")(Path(out), console)


def compare_demo(demo: Demo, out: PathLike, console: Console) -> Path:
    """Run the sweep of a demo and compare its runs; run again, it does what is missing. Returns the page."""
    run_sweep(demo.recipe, demo.grid, demo.settings, demo.place, demo.jobs, None, console)
    comparison = compare_runs(demo.place)
    page = write_comparison(comparison, out)
    print_comparison(comparison, console)
    console.print(f"  page                 {page}")
    return page


def train_demo(demo: Demo, name: str | None) -> Path:
    """Train the one run of a demo; returns its folder."""
    return train(load_recipe(demo.recipe, demo.settings), demo.place, name).path
