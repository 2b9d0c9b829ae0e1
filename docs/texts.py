"""The pages of the site that are made from the package: API, recipes, commands, gallery."""

import base64
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer
from PIL import Image

import learnerkit.all
from learnerkit.cli import make_app
from learnerkit.runs.recipe_file import recipe_names
from learnerkit.runs.shown_recipe import recipe_text

ROOT = Path(__file__).parents[1]
FIRST = "---\nsearch:\n  boost: 8\n---\n\n"  # a name that is looked for is found before pages that use it
EXAMPLE_PICTURES = ROOT / "nbs/images/examples"
DRAWS = re.compile(r"\b(show_|plot_|plot\(|imshow|lr_find|overlay\(|scatter|wrong\(|samples\(|bar\(|step\()")
STAGES = {
    "Data": learnerkit.all.DATA,
    "Models": learnerkit.all.MODELS,
    "Learners": learnerkit.all.LEARNERS,
    "Callbacks": learnerkit.all.CALLBACKS,
    "Interpretation": learnerkit.all.INTERPRET,
    "Runs and tasks": learnerkit.all.RUNS,
    "Errors": learnerkit.all.ERRORS,
}


def api_page(name: str) -> str:
    """The page of a public name: mkdocstrings' own for ours, the section of `fastai_names.md` for fastai's."""
    found = getattr(learnerkit.all, name)
    if not found.__module__.startswith("learnerkit."):
        return f"{FIRST}# {name}\n\n{foreign_text(name)}"
    return f"{FIRST}::: {found.__module__}.{found.__qualname__}\n"


def foreign_text(name: str) -> str:
    """What `nbs/fastai_names.md` says of a class of fastai's."""
    text = (ROOT / "nbs/fastai_names.md").read_text(encoding="utf-8")
    return re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1].strip() + "\n"


def api_index() -> str:
    """All public names by stage, each with the first sentence of its docstring."""
    lines = ["# API", "", "All of them come with `from learnerkit.all import *`."]
    for stage, names in STAGES.items():
        lines += ["", f"## {stage}", "", "| name | what it is |", "|---|---|"]
        lines += [f"| [`{name}`]({name}.md) | {_first_sentence(name)} |" for name in sorted(names, key=str.lower)]
    return "\n".join(lines) + "\n"


def _first_sentence(name: str) -> str:
    found = getattr(learnerkit.all, name)
    if not found.__module__.startswith("learnerkit."):
        return (
            "fastai's own: " + re.split(r"(?<=[a-z`)])\.\s", foreign_text(name))[0].replace("\n", " ").rstrip(".") + "."
        )
    return _cell((inspect.getdoc(found) or "").split("\n\n")[0])


def recipes_page() -> str:
    """Every recipe as it is resolved, with what says each value."""
    lines = [
        "# Recipes as resolved",
        "",
        "What `learnerkit recipe NAME` prints: every field, and the recipe or default that says it.",
    ]
    for name in recipe_names():
        lines += ["", f"## {name}", "", "```yaml", recipe_text(name).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Every command with its arguments and options, from the command line itself."""
    lines = [
        "# Commands",
        "",
        "What `learnerkit COMMAND --help` prints, as tables. Exit codes: 0 done, 1 training could not go on,",
    ]
    lines += ["2 a fault that the message says how to repair, 130 and 143 stopped by Ctrl-C and SIGTERM."]
    group = typer.main.get_command(make_app())
    for name, command in sorted(_commands(group.commands)):
        lines += ["", f"## {name}", "", inspect.cleandoc(command.help or "")]
        lines += ["", "| argument | what it is | default |", "|---|---|---|"]
        for one in command.params:
            word = (
                ", ".join(f"`{text}`" for text in one.opts)
                if one.param_type_name == "option"
                else f"`{one.name.upper()}`"
            )
            default = "" if one.default in (None, (), [], "", False) or callable(one.default) else f"`{one.default}`"
            if one.name != "help":
                lines.append(f"| {word} | {_cell(getattr(one, 'help', None) or '')} | {default} |")
    return "\n".join(lines) + "\n"


def _commands(commands: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each command with its name as it is typed, those of a group in the group's place."""
    for name, command in commands.items():
        if below := getattr(command, "commands", None):
            yield from ((f"{name} {word}", one) for word, one in _commands(below))
        else:
            yield name, command


def example_pages() -> dict[str, str]:
    """The text of a page for each example: what it does, its picture, its command, its source."""
    pages = {}
    for path in sorted((ROOT / "examples").glob("*.py")):
        lines = [f"# {path.stem}", "", _example_title(path), ""]
        if (EXAMPLE_PICTURES / f"{path.stem}.png").exists():
            lines += [f"![What {path.name} draws](../images/examples/{path.stem}.png)", ""]
        lines += ["```bash", f"python examples/{path.name}", "```", ""]
        lines += ["```python", path.read_text(encoding="utf-8").rstrip(), "```", ""]
        pages[path.stem] = "\n".join(lines)
    return pages


def gallery_page(write: Callable[[str, bytes], None]) -> str:
    """Every example, and every figure of the guides with the line that drew it, as thumbnails.

    write: called with a name and bytes for each picture that the page shows.
    """
    lines = [
        "# Gallery",
        "",
        "Each example is a script that runs at once, and on data of your own with one argument.",
        "",
    ]
    lines += ["| | example |", "|---|---|"]
    for path in sorted((ROOT / "examples").glob("*.py")):
        picture = EXAMPLE_PICTURES / f"{path.stem}.png"
        shown = _thumbnail(f"examples-{path.stem}", picture.read_bytes(), write) if picture.exists() else ""
        what = f"[{path.stem}](examples/{path.stem}.md): {_example_title(path)}"
        lines.append(f"| {shown} | {what}<br>`python examples/{path.name}` |")
    lines += ["", "## Figures of the guides", "", "| | guide | drawn by |", "|---|---|---|"]
    for path in sorted((ROOT / "nbs").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        title = "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ")
        for number, cell in enumerate(cells):
            drawn = [
                output["data"]["image/png"]
                for output in cell.get("outputs", [])
                if "image/png" in output.get("data", {})
            ]
            calls = drawing_lines("".join(cell["source"]))
            for place, png in enumerate(drawn):
                shown = _thumbnail(f"{path.stem}-{number}-{place}", base64.b64decode("".join(png)), write)
                call = calls[place] if len(calls) == len(drawn) else " ; ".join(calls)
                lines.append(f"| {shown} | [{title}]({path.name}) | `{_cell(call)}` |")
    return "\n".join(lines) + "\n"


def drawing_lines(source: str) -> list[str]:
    """The lines of a cell that draw, else its last one."""
    lines = [line.strip().rstrip(";") for line in source.splitlines() if line.strip()]
    return [line for line in lines if DRAWS.search(line)] or lines[-1:]


def _example_title(path: Path) -> str:
    return inspect.cleandoc(path.read_text(encoding="utf-8").split('"""')[1]).splitlines()[0]


def _thumbnail(name: str, picture: bytes, write: Callable[[str, bytes], None]) -> str:
    """Write a picture and its thumbnail; the text that shows the one and leads to the other."""
    small, image = io.BytesIO(), Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((360, 240))
    image.save(small, "PNG")
    write(f"images/full/{name}.png", picture)
    write(f"images/thumbnails/{name}.png", small.getvalue())
    return f"[![{name}](images/thumbnails/{name}.png)](images/full/{name}.png)"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
