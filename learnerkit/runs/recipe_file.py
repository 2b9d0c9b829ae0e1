"""What a recipe says before it is validated: its file, the recipes that it extends, and where each value is from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.files import PathLike, read_yaml
from learnerkit.recipe import SECTIONS
from learnerkit.tasks import task_names

FOLDER = Path(__file__).parent.parent / "recipes"
OF_A_SWEEP = ("grid", "folders", "profile")  # keys that say nothing of a single training


@dataclass
class Content:
    """A recipe as it is written.

    values: of the training, as YAML has them; sweep: of `OF_A_SWEEP`.
    origins: which recipe says a value, by (section or '', key).
    """

    values: dict[str, Any] = field(default_factory=dict)
    sweep: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str, str], str] = field(default_factory=dict)

    def lay(self, given: dict[str, Any], name: str) -> None:
        """Lay what another recipe says over this one: of a section and of the grid key by key, of all else whole."""
        for key, value in given.items():
            target = self.sweep if key in OF_A_SWEEP else self.values
            if (key in SECTIONS or key == "grid") and isinstance(value, dict) and isinstance(target.get(key), dict):
                target[key] = {**target[key], **value}
            else:
                target[key] = value
            inner = value if isinstance(value, dict) and key in SECTIONS else ()
            self.origins |= {(key, one): name for one in inner} if inner else {("", key): name}


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_content(name: PathLike) -> Content:
    """A recipe by its name or file, laid over what it extends; a task's name says its defaults.

    RecipeError where there is no such recipe, or where recipes extend one another in a ring.
    """
    found = Content()
    for said, given in reversed(list(_chain(name))):
        before = found.values.get("task")
        if before is not None and given.get("task", before) != before:
            raise RecipeError(f"recipe {said}: task: {given['task']!r}, and what it extends is of the task {before!r}")
        found.lay(given, said)
    return found


def _chain(name: PathLike) -> Iterator[tuple[str, dict[str, Any]]]:
    """A recipe, the one that it extends, and so on, each with its name and what its file says."""
    seen: list[Path] = []
    while name is not None:
        path = _place(name, seen[-1] if seen else None)
        if path is None:  # a task
            yield str(name), {"task": str(name)}
            return
        if path in seen:
            ring = " extends ".join(one.stem for one in (*seen[seen.index(path) :], path))
            raise RecipeError(f"recipe {seen[0].stem}: {ring}; a recipe cannot extend itself")
        seen.append(path)
        given = {key: value for key, value in read_yaml(path).items() if value is not None}
        said, name = str(name), given.pop("extends", None)
        if name is not None and not isinstance(name, str):
            raise RecipeError(f"recipe {said}: extends: {name!r}; the name or file of one recipe is needed")
        yield said, given


def _place(name: PathLike, child: Path | None) -> Path | None:
    """The file of a recipe; None for the name of a task.

    child: the recipe that extends it, whose folder a relative file is looked for in.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        beside = child.parent / path if child is not None else path
        found = (beside if beside.exists() else path).resolve()
        if child is not None and not found.is_file():
            raise RecipeError(f"recipe {child.stem}: extends {name}: no such file, in {child.parent} or here")
        return found
    if str(name) in task_names():
        return None
    path = FOLDER / f"{name}.yaml"
    if path.exists():
        return path
    known = [*recipe_names(), *task_names()]
    said = f"recipe {child.stem}: extends" if child is not None else "recipe"
    if Path(name).exists():
        what = "a folder" if Path(name).is_dir() else "no .yaml file"
        raise RecipeError(f"{said} {name}: is {what}; a recipe is a .yaml file, or one of {', '.join(known)}")
    raise RecipeError(f"{said} '{name}': no recipe, task or .yaml file of this name; {nearest(str(name), known)}")
