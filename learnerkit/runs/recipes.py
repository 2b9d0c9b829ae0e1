"""Recipes by name or file, with flags laid over them: validated YAML that says all about a training. No torch."""

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.files import PathLike
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import words
from learnerkit.recipe import SECTIONS, Recipe, read_value, sections_of, validated
from learnerkit.runs.recipe_file import Content, read_content
from learnerkit.tasks import DEFAULT, all_recipes, recipe_of, task_names

FLAG_OF = {"path": "data"}  # fields whose flag has another name
OPTIONS = words("recipe out name resume allow grid jobs threads json as_json strict")  # of the commands themselves
WIDTHS = {"depth": "depth of a wide residual network, 6n+4", "widen_factor": "its width; together they are the --arch"}


def flags(task: str | None = None) -> dict[str, tuple[str, str, Any]]:
    """Every field by its flag name: (section or '', key, pydantic field). Keys are unique over the sections.

    task: that task's; those of all tasks when None.
    """
    found = {"seed": ("", "seed", Recipe.model_fields["seed"])}
    for name, recipe in all_recipes().items() if task is None else [(task, recipe_of(task))]:
        if taken := sorted(_fields(recipe) & OPTIONS):
            if task is None:
                continue  # its recipes are refused when they are used; the other commands go on
            raise RecipeError(f"task '{name}': its recipe's field '{taken[0]}' is an option of the commands; rename it")
        for section, model in sections_of(recipe).items():
            for key, field in model.model_fields.items():
                found.setdefault(FLAG_OF.get(key, key), (section, key, field))
    return found


def flag_texts() -> dict[str, str]:
    """The help of each flag: what the base says, which holds for every task, else what each task says."""
    said: dict[str, dict[str, None]] = {}
    for recipe in (Recipe, *reversed(all_recipes().values())):
        for section, model in sections_of(recipe).items():
            base = sections_of(Recipe)[section].model_fields
            for key, field in model.model_fields.items():
                if recipe is Recipe or key not in base:
                    choices = _choices(field.annotation)
                    text = f"{field.description}: {', '.join(choices)}" if len(choices) > 1 else field.description
                    said.setdefault(FLAG_OF.get(key, key), {})[text] = None
    return {
        "seed": Recipe.model_fields["seed"].description,
        **{flag: "; or ".join(texts) for flag, texts in said.items()},
    }


def _choices(kind: Any) -> list[str]:
    """The words that a field takes, where it takes only some."""
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    return [choice for part in get_args(kind) for choice in _choices(part)]


def _fields(recipe: type[Recipe]) -> set[str]:
    return {key for section in sections_of(recipe).values() for key in section.model_fields}


def load_recipe(name: PathLike, overrides: dict[str, Any] | None = None) -> Recipe:
    """A recipe by its name or file, with flags laid over it; RecipeError lists every fault at once.

    name: a name of `recipe_names()`, a YAML file, or the name of a task for its defaults.
    overrides: values by flag name; strings are read as YAML, 'a,b' as a list. 'depth' and 'widen_factor' name a
        wide residual network in place of 'arch'.

    Examples:
        >>> recipe = load_recipe("digits", {"epochs": 5})
        >>> recipe.train.epochs, recipe.model.arch
        (5, 'simple_cnn')
    """
    return check_recipe(laid_over(name, overrides).values, str(name))


def laid_over(name: PathLike, overrides: dict[str, Any] | None = None) -> Content:
    """What a recipe says with flags laid over it, not yet validated; see `load_recipe`."""
    found = read_content(name)
    content, task = found.values, found.values.get("task", DEFAULT)
    known = flags(task) if task in task_names() else flags()
    overrides = _with_arch(dict(overrides or {}), content)
    foreign = [flag for flag in overrides if flag not in known]
    if foreign:
        words = ", ".join(f"--{flag.replace('_', '-')}" for flag in foreign)
        raise RecipeError(f"recipe {name}: its task '{task}' has no {words}")
    for flag, value in overrides.items():
        section, key, field = known[flag]
        place = content.setdefault(section, {}) if section else content
        if not isinstance(place, dict):
            raise RecipeError(f"recipe {name}: {section}: {place!r} is not a group of keys")
        try:
            before, place[key] = place.get(key), read_value(value, field.annotation)
            if place[key] == "auto" and key == "bs" and isinstance(before, int):
                place[key] = f"auto:{before}"  # what the recipe says is what a step is of
        except RecipeError as error:
            raise RecipeError(f"--{flag.replace('_', '-')} {value}: {error}") from error
        found.origins[section, key] = f"--{flag.replace('_', '-')}"
    return found


def resumed_recipe(run: Path, recipe: str | None, overrides: dict[str, Any]) -> Recipe:
    """The recipe that a run was made with, to go on with it; of what else may be said, only the epochs may be another.

    run: its folder; recipe, overrides: what was given beside it.
    """
    content = RunFolder.open(run).described().get("resolved")
    if content is None:
        raise RecipeError(
            f"{run}: was made by a script; run it again with Run({str(run.parent)!r}, {run.name!r}, resume=True)"
        )
    if recipe or overrides.keys() - {"epochs"}:
        raise RecipeError("--resume takes everything from the run but --epochs; leave the recipe and other flags out")
    if "epochs" in overrides:
        content["train"]["epochs"] = read_value(overrides["epochs"], int)
    return check_recipe(content, str(run))


def _with_arch(overrides: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Flags with 'depth' and 'widen_factor' made into 'arch'."""
    given = {key: overrides.pop(key) for key in WIDTHS if key in overrides}
    if not given:
        return overrides
    if "arch" in overrides:
        raise RecipeError("--arch and --depth/--widen-factor say the same thing; give the one or the other")
    model = content.get("model")
    named = re.fullmatch(r"wrn_(\d+)_(\d+)", str(model.get("arch", "")) if isinstance(model, dict) else "")
    before = dict(zip(WIDTHS, named.groups() if named else ("28", "10"), strict=True))
    return {**overrides, "arch": "wrn_{depth}_{widen_factor}".format(**{**before, **given})}


def check_recipe(content: dict[str, Any], name: str) -> Recipe:
    """A validated Recipe of its task from its content; `name` is how errors call it."""
    task = content.get("task", DEFAULT)
    if not isinstance(task, str) or task not in task_names():
        raise RecipeError(f"recipe {name}: task: {task!r}; {nearest(str(task), task_names())}")
    sections = [key for key in SECTIONS if content.get(key) is None and key in content]
    return validated({key: value for key, value in content.items() if key not in sections}, recipe_of(task), name)
