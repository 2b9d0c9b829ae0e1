"""A recipe as it is resolved, as YAML that can be trained: every field, and where its value comes from."""

from typing import Any

from learnerkit.core.files import PathLike
from learnerkit.core.yaml import to_yaml
from learnerkit.recipe import SECTIONS
from learnerkit.runs.recipe_file import Content, read_content, recipe_names
from learnerkit.runs.recipes import check_recipe, laid_over

WIDEST = 60  # letters of a value before what is said of it stands further out


def recipe_text(name: PathLike, overrides: dict[str, Any] | None = None) -> str:
    """A recipe with flags laid over it, validated, a field a line, each with the recipe, flag or default that says it.

    name, overrides: see `load_recipe`.
    """
    found = laid_over(name, overrides)
    resolved = check_recipe(found.values, str(name)).model_dump(mode="json")
    lines = []
    for key, value in resolved.items():
        if key in SECTIONS:
            lines.append((f"{key}:", ""))
            lines += [(f"  {_line(one, inner)}", _origin(found, key, one)) for one, inner in value.items()]
        else:
            lines.append((_line(key, value), _origin(found, "", key)))
    for key, value in found.sweep.items():
        lines.append((_line(key, value), _origin(found, "", key)))
    width = min(WIDEST, max(len(text) for text, _ in lines))
    return "\n".join(f"{text:<{width}}  # {said}" if said else text for text, said in lines) + "\n"


def recipe_facts(name: PathLike | None, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """A recipe with flags laid over it, and by dotted key what says each value; of the package all titles when None."""
    if name is None:
        return {"recipe": None, "titles": _titles(), "resolved": None, "origins": None}
    found = laid_over(name, overrides)
    resolved = check_recipe(found.values, str(name)).model_dump(mode="json")
    keys = [(key, one) for key in SECTIONS for one in resolved.get(key) or {}]
    keys += [("", key) for key in resolved if key not in SECTIONS]
    origins = {".".join(filter(None, key)): _origin(found, *key) for key in keys}
    return {"recipe": name, "titles": None, "resolved": resolved, "origins": origins}


def recipe_list() -> str:
    """The recipes of the package, a line each: name and title."""
    titles = _titles()
    width = max(map(len, titles))
    return "".join(f"{name:<{width}}  {title}\n" for name, title in titles.items())


def _titles() -> dict[str, str]:
    return {name: read_content(name).values.get("title", "") for name in recipe_names()}


def _line(key: str, value: Any) -> str:
    return to_yaml({key: value}, flow=True)


def _origin(found: Content, section: str, key: str) -> str:
    return found.origins.get((section, key), "default")
