"""The grid of a sweep: its axes, from a recipe and from the command line, and where each trial has its folder."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.warn import warn
from learnerkit.models.family import family_of
from learnerkit.recipe import Recipe
from learnerkit.runs.recipes import FLAG_OF, WIDTHS, flags

OF_THE_SWEEP = ("logs", "recipes", "jobs", "figures", "model_summaries")  # folders that a sweep has of its own
NO_FOLDER = re.compile(r"[/:\x00-\x1f]")  # letters that a folder's name does not have


@dataclass(frozen=True)
class Plan:
    """What a sweep does beside its trainings.

    axes: values by flag name. folders: the place of a trial's run, such as '{family}/{arch}/{size}'; '' for one folder
    a trial with its axes in its name. profile: whether each trained model's cost is measured at the end.
    """

    axes: dict[str, list[Any]] = field(default_factory=dict)
    folders: str = ""
    profile: bool = False

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Every choice of one value an axis."""
        for values in itertools.product(*self.axes.values()):
            yield dict(zip(self.axes, values, strict=True))


def parse_grid(grid: Sequence[str]) -> dict[str, list[str]]:
    """Axes of a grid from 'key=a,b,c' texts; 'all' means what the field says it does, as in 'fusion=all'."""
    axes: dict[str, list[str]] = {}
    for text in grid:
        key, equals, values = text.partition("=")
        key = key.strip().lstrip("-").replace("-", "_")
        listed = [value.strip() for value in re.split(r",(?![^\[]*\])", values) if value.strip()]
        if not equals or not listed:
            raise RecipeError(f"--grid {text}: say key=value,value, such as fusion=add,max or seed=1,2,3")
        if key in axes:
            raise RecipeError(f"--grid {text}: '{key}' is given twice; list all its values in one")
        axes[key] = _axis(key, listed, f"--grid {text}")
    return axes


def plan_of(said: dict[str, Any], grid: Sequence[str], overrides: dict[str, Any], name: str) -> Plan:
    """What a sweep does: the recipe's own grid, with axes of the command line in place of its own of the same name.

    said: of the recipe, see `recipe_file.OF_A_SWEEP`; an axis of it that a flag fixes is none.
    grid: texts such as 'fusion=all'; overrides: flags of all trials; name: of the recipe, for messages.
    """
    given = parse_grid(grid)
    if twice := sorted(set(given) & set(overrides)):
        raise RecipeError(f"--{twice[0]} and --grid {twice[0]}=...: give the one or the other")
    own = said.get("grid", {})
    if not isinstance(own, dict) or not all(
        isinstance(key, str) and isinstance(values, list) and values for key, values in own.items()
    ):
        raise RecipeError(f"recipe {name}: grid: {own!r}; say lists of values by flag name, such as {{size: [32, 64]}}")
    own = {key: _axis(key, values, f"recipe {name}: grid.{key}") for key, values in own.items()}
    axes = {key: given.pop(key, values) for key, values in own.items() if key not in overrides} | given
    if not axes:
        raise RecipeError(
            "a sweep needs --grid key=value,value, such as --grid fusion=all --grid seed=1,2,3, or a recipe with a grid"
        )
    folders, profile = said.get("folders", ""), said.get("profile", False)
    if not isinstance(folders, str) or not isinstance(profile, bool):
        wrong = f"folders: {folders!r}" if not isinstance(folders, str) else f"profile: {profile!r}"
        raise RecipeError(
            f"recipe {name}: {wrong}; folders is a text such as '{{arch}}/{{size}}', profile true or false"
        )
    _check_folders(folders, f"recipe {name}: folders: {folders!r}")
    return Plan(axes, folders, profile)


def _check_folders(folders: str, where: str) -> None:
    """RecipeError where a text is no template of folders below a sweep's own, apart from the sweep's files."""
    try:
        fields = [field for field in Formatter().parse(folders) if field[1] is not None]
    except ValueError as error:
        raise RecipeError(f"{where}; {error}. Say field names in braces, such as '{{arch}}/{{size}}'") from error
    if any(not name or form or conversion for _, name, form, conversion in fields):
        raise RecipeError(f"{where}; say field names alone in braces, such as '{{arch}}/{{size}}'")
    first, *rest = folders.split("/")
    if ".." in (first, *rest) or (folders and not first) or first in OF_THE_SWEEP:
        raise RecipeError(
            f"{where}; runs lie below the sweep's folder, not in its {', '.join(OF_THE_SWEEP)}; such as "
            "'{arch}/{size}'"
        )


def _axis(key: str, values: list[Any], where: str) -> list[Any]:
    """The values of an axis, each once, with 'all' as its field has it; RecipeError where no field is called so."""
    fields = flags()
    if key not in (known := {*fields, *WIDTHS}):
        raise RecipeError(f"{where}: unknown key '{key}'; {nearest(key, known)}")
    every = ((fields[key][2].json_schema_extra if key in fields else None) or {}).get("all", ["all"])
    if twice := sorted({str(value) for value in values if values.count(value) > 1}):
        warn(f"{where}: {', '.join(twice)} stands there more than once, and is trained once")
    listed = [one for value in values for one in (every if value == "all" else [value])]
    return [value for number, value in enumerate(listed) if value not in listed[:number]]


def place_of(chosen: dict[str, Any], recipe: Recipe, folders: str) -> str:
    """The folder of a trial's run below the sweep's, such as 'seed-1' or 'resnet/resnet18/224'.

    chosen: its values of the axes; recipe: the whole of it; folders: see `Plan`; axes that it does not name are added.
    """
    named = [name for _, name, _, _ in Formatter().parse(folders) if name]
    rest = "_".join(f"{key}-{_folder_name(value)}" for key, value in chosen.items() if key not in named)
    if not folders:
        return rest
    known = _values(recipe)
    if unknown := [name for name in named if name not in known]:
        raise RecipeError(f"folders: '{unknown[0]}' is no field of the recipe; {nearest(unknown[0], known)}")
    place = folders.format(**{name: _folder_name(known[name]) for name in named})
    return f"{place}_{rest}" if rest else place


def _values(recipe: Recipe) -> dict[str, Any]:
    """What a recipe says, by flag name, and the family of its model."""
    found = {"seed": recipe.seed, "family": family_of(recipe.model.arch)}
    for section in (recipe.data, recipe.model, recipe.train, recipe.evaluate):
        found |= {FLAG_OF.get(key, key): value for key, value in section}
    return found


def _folder_name(value: Any) -> str:
    return NO_FOLDER.sub("~", str(value))
