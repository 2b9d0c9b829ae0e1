"""Which tasks there are: a name to its recipe, without torch, and to its Task, imported when it is used.

Others add theirs by `register_task`, or by the entry-point groups `learnerkit.tasks` (a Task) and, so that the command
line's help stays instant, `learnerkit.recipes` (the class of its recipes, in a module without torch).
"""

import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnerkit.core.errors import DataError, LearnerkitError, RecipeError, RunError, nearest
from learnerkit.recipe import Recipe

if TYPE_CHECKING:
    from learnerkit.task import Task

DEFAULT = "classify"  # of a recipe file that names none
BUILT_IN = {  # in the order in which they are asked whether a path is theirs
    "detect": ("learnerkit.detect.recipe:DetectRecipe", "learnerkit.detect.task:TASK"),
    "fuse": ("learnerkit.fuse.recipe:FuseRecipe", "learnerkit.fuse.task:TASK"),
    "classify": ("learnerkit.classify.recipe:ClassifyRecipe", "learnerkit.classify.task:TASK"),
}
TASKS_GROUP, RECIPES_GROUP = "learnerkit.tasks", "learnerkit.recipes"
registered: dict[str, "Task"] = {}
log = logging.getLogger(__name__)


def register_task(task: "Task") -> "Task":
    """Make a task known to this process; the entry-point group `learnerkit.tasks` makes it known to every command.

    task: its name must be new, or its own: a notebook's cell may be run again. Returns it.

    Examples:
        >>> from dataclasses import replace
        >>> from typing import Literal
        >>> from learnerkit.tasks import get_task, task_names
        >>> classify = get_task("classify")
        >>> class Ordinal(classify.recipe):
        ...     task: Literal["ordinal"] = "ordinal"
        >>> register_task(replace(classify, name="ordinal", recipe=Ordinal)).name in task_names()
        True
    """
    _checked_task(task, "register_task")
    known = registered.get(task.name, task)
    if task.name in BUILT_IN or _home(known) != _home(task):
        raise RecipeError(f"task '{task.name}' is registered twice; call this one otherwise")
    registered[task.name] = task
    return task


def _home(task: "Task") -> tuple[str, str]:
    return task.recipe.__module__, task.recipe.__qualname__


def _checked_task(task: Any, where: str) -> None:
    """RecipeError where something is not a Task whose recipe says its name."""
    if not isinstance(task, import_module("learnerkit.task").Task):
        raise RecipeError(f"{where}: {task!r} is not a Task")
    _checked_recipe(task.recipe, task.name, where)


def _checked_recipe(recipe: Any, name: str, where: str) -> None:
    if not isinstance(recipe, type) or not issubclass(recipe, Recipe):
        raise RecipeError(f"{where}: {recipe!r} is not a class of recipes; extend learnerkit.recipe.Recipe")
    if (said := recipe.model_fields["task"].default) != name or not name:
        raise RecipeError(f"{where}: the task '{name}' has a recipe whose field task is '{said}'; both are one name")


@cache
def _installed(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def task_names() -> list[str]:
    """Names of all tasks, nothing imported."""
    return list(dict.fromkeys([*BUILT_IN, *registered, *_installed(TASKS_GROUP)]))


def command_tasks() -> list[str]:
    """Names of the tasks that every process knows, not this one alone."""
    return list(dict.fromkeys([*BUILT_IN, *_installed(TASKS_GROUP)]))


def recipe_of(name: str) -> type[Recipe]:
    """The class of a task's recipes; without torch where the task is built in, or says it in `learnerkit.recipes`."""
    if name in BUILT_IN:
        return _object(BUILT_IN[name][0])
    if name not in registered and name in _installed(RECIPES_GROUP):
        recipe = _loaded(point := _installed(RECIPES_GROUP)[name])
        _checked_recipe(recipe, name, f"entry point {point.value}")
        return recipe
    return get_task(name).recipe


def get_task(name: str) -> "Task":
    """A task by its name; RecipeError with the nearest ones when there is none."""
    if name in BUILT_IN:
        import_module("learnerkit._fastai")  # first, for it silences the notes of fastai's own imports
        return _object(BUILT_IN[name][1])
    if name in registered:
        return registered[name]
    if name in _installed(TASKS_GROUP):
        task = _loaded(point := _installed(TASKS_GROUP)[name])
        _checked_task(task, f"entry point {point.value}")
        if task.name != name:
            raise RecipeError(
                f"entry point {point.value}: is called '{name}' and its task '{task.name}'; one name is needed"
            )
        return task
    raise RecipeError(f"task '{name}': {nearest(name, task_names())}")


def task_of(described: dict[str, Any], where: Any) -> "Task":
    """The task of a run, from its run.json; RunError where it says none, or one that is not known here.

    where: the run folder, for the message.
    """
    name = described.get("task")
    if name is None:
        raise RunError(f"{where}: was made by a learner of no task; build its learner and load the .safetensors file")
    if name not in task_names():
        raise RunError(
            f"{where}: is of the task '{name}', which is not known here; import the module that registers it "
            f"(register_task), or install its entry point in {TASKS_GROUP}"
        )
    return get_task(name)


def all_tasks() -> dict[str, "Task"]:
    """Every task that can be imported; one of somebody else's that cannot is said and passed over."""
    return _each(get_task)


def all_recipes() -> dict[str, type[Recipe]]:
    """The recipe class of every task, as in `all_tasks`."""
    return _each(recipe_of)


def _each(get: Callable[[str], Any]) -> dict[str, Any]:
    found = {}
    for name in task_names():
        try:
            found[name] = get(name)
        except LearnerkitError as error:
            if name in BUILT_IN:
                raise
            _warn_once(str(error))
    return found


@cache
def _warn_once(text: str) -> None:
    log.warning("%s", text)


def find_task(path: Path) -> "Task":
    """The task whose data a path holds; DataError says what each task's data look like."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    tasks = all_tasks().values()
    for task in tasks:
        if task.is_set(path):
            return task
    known = "".join(f"\n  {task.name}: {task.expects}" for task in tasks if task.expects)
    why = import_module("learnerkit.data.leftovers").not_whole(path)
    raise DataError(f"{path}: is no set that a task knows.{f' {why}.' if why else ''} Expected one of:{known}")


def _object(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # whatever somebody else's module raises
        raise LearnerkitError(
            f"task '{point.name}': its entry point {point.value} cannot be imported ({error})"
        ) from error
