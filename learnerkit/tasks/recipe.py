"""Recipes: validated YAML files that say everything about a training, each field also a flag of the command line.

This module imports no torch, so that `--help` is instant.
"""

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.files import PathLike, read_yaml
from learnerkit.tasks.sections import (
    ClassifyTrain,
    Data,
    DetectData,
    DetectModel,
    DetectTrain,
    Evaluate,
    FuseData,
    FuseModel,
    Model,
    Section,
)

FOLDER = Path(__file__).parent.parent / "recipes"


class Recipe(Section):
    """A whole training."""

    task: Literal["classify"] = Field("classify", description="what kind of training")
    title: str = Field("", description="one line about the recipe")
    seed: int = Field(42, ge=0, lt=2**63, description="seed of weights, order, augmentation and dropout")
    data: Data = Data()
    model: Model = Model()
    train: ClassifyTrain = ClassifyTrain()
    evaluate: Evaluate = Evaluate()


class FuseRecipe(Recipe):
    """A whole training on pairs of maps."""

    task: Literal["fuse"] = Field("fuse", description="what kind of training")
    data: FuseData = FuseData()
    model: FuseModel = FuseModel()


class DetectRecipe(Recipe):
    """A whole training of a detector."""

    task: Literal["detect"] = Field("detect", description="what kind of training")
    data: DetectData = DetectData()
    model: DetectModel = DetectModel()
    train: DetectTrain = DetectTrain()


TASKS: dict[str, type[Recipe]] = {"classify": Recipe, "fuse": FuseRecipe, "detect": DetectRecipe}
SECTIONS = ("data", "model", "train", "evaluate")
FLAG_OF = {"path": "data"}  # fields whose flag has another name
ALIASES = {"num_workers": "workers", "arch": "backbone"}
WIDTHS = {"depth": "depth of a wide residual network, 6n+4", "widen_factor": "its width; together they are the --arch"}


def sections_of(task: str) -> dict[str, type[Section]]:
    """The groups of fields of a task's recipe."""
    return {section: TASKS[task].model_fields[section].annotation for section in SECTIONS}


def flags(task: str | None = None) -> dict[str, tuple[str, str, Any]]:
    """Every field by its flag name: (section or '', key, pydantic field). Keys are unique over the sections.

    task: that task's; those of all tasks when None.
    """
    found = {"seed": ("", "seed", Recipe.model_fields["seed"])}
    for name in TASKS if task is None else [task]:
        for section, model in sections_of(name).items():
            for key, field in model.model_fields.items():
                found.setdefault(FLAG_OF.get(key, key), (section, key, field))
    return found


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_recipe(name: PathLike, overrides: dict[str, Any] | None = None) -> Recipe:
    """A recipe by its name or file, with flags laid over it; RecipeError lists every fault at once.

    name: a name of `recipe_names()` or a YAML file.
    overrides: values by flag name; strings are read as YAML, 'a,b' as a list. 'depth' and 'widen_factor' name a
        wide residual network in place of 'arch'.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name}.yaml"
        if not path.exists():
            raise RecipeError(f"unknown recipe '{name}'; {nearest(str(name), recipe_names())}, or give a .yaml file")
    content = {key: value for key, value in read_yaml(path).items() if value is not None}
    task = content.get("task", "classify")
    known = flags(task) if task in TASKS else flags()
    overrides = _with_arch(dict(overrides or {}), content)
    foreign = [flag for flag in overrides if flag not in known]
    if foreign:
        shown = ", ".join(f"--{flag.replace('_', '-')}" for flag in foreign)
        raise RecipeError(f"recipe {name}: its task '{task}' has no {shown}")
    for flag, value in overrides.items():
        section, key, _ = known[flag]
        place = content.setdefault(section, {}) if section else content
        if not isinstance(place, dict):
            raise RecipeError(f"recipe {name}: {section}: {place!r} is not a group of keys")
        place[key] = _value(value, known[flag][2].annotation)
    return check_recipe(content, str(name))


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


def _value(value: Any, annotation: Any) -> Any:
    if not isinstance(value, str) or annotation is str:
        return value
    if annotation == (str | None):
        return None if value in ("", "null", "none") else value
    if annotation == tuple[str, ...]:
        return [part for part in value.split(",") if part]
    try:
        return yaml.safe_load(f"[{value}]" if "," in value and value[0] not in "{[" else value)
    except yaml.YAMLError:
        return value


def check_recipe(content: dict[str, Any], name: str) -> Recipe:
    """A validated Recipe of its task from its content; `name` is how errors call it."""
    task = content.get("task", "classify")
    if not isinstance(task, str) or task not in TASKS:
        raise RecipeError(f"recipe {name}: task: {task!r}; {nearest(str(task), TASKS)}")
    try:
        return TASKS[task].model_validate(content)
    except ValidationError as error:
        faults = [_fault(item, task) for item in error.errors()]
        raise RecipeError(f"recipe {name}: {len(faults)} fault(s)\n  " + "\n  ".join(faults)) from None


def _fault(item: dict[str, Any], task: str) -> str:
    *place, key = [str(part) for part in item["loc"] if part not in ("float", "literal['test']")]
    if item["type"] == "extra_forbidden":
        model = sections_of(task)[place[0]] if place and place[0] in SECTIONS else TASKS[task]
        return f"{'.'.join([*place, key])}: unknown key; {nearest(key, model.model_fields)}"
    return f"{'.'.join([*place, key])}: {item['input']!r} - {item['msg']}"
