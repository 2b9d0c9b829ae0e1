"""`learnerkit check`: what would spoil a training, looked for before it begins, in seconds."""

import logging
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from learnerkit.core.described import title_of
from learnerkit.core.errors import LearnerkitError, RecipeError
from learnerkit.core.files import PathLike, atomic_write, made_folder, to_json
from learnerkit.core.levels import LEVELS
from learnerkit.core.seed import kept_random_state, seed_position
from learnerkit.core.text import now
from learnerkit.data.loaders import KitLoaders
from learnerkit.pages.figure import write_figures
from learnerkit.pages.page import Picture, Table, embedded, render
from learnerkit.recipe import Recipe
from learnerkit.runs.check_data import check_looks, check_parts
from learnerkit.runs.check_model import check_forecast, check_learning, check_resume, check_steps
from learnerkit.runs.checked import Checked, Line
from learnerkit.runs.settle import changed, effective_bs
from learnerkit.task import Task
from learnerkit.tasks import get_task

VERDICTS = {"ok": "clean", "warn": "warnings", "fault": "faults"}


def check(recipe: Recipe, task: Task | None = None, out: PathLike = "runs") -> Checked:
    """Look for what would spoil a training, before it; whatever fails is a line, and nothing is written to stay.

    recipe: validated, with its data; task: in place of the recipe's own. out: where its runs would stand.
    The test part is read to be compared with the training part, and never measured.

    Examples:
        >>> from learnerkit.all import load_recipe
        >>> found = check(load_recipe("digits", {"limit": 200}))
        >>> found.level
        'ok'
    """
    task = get_task(recipe.task) if task is None else task
    found = Checked(recipe, task)
    logger, before = logging.getLogger("learnerkit"), logging.getLogger("learnerkit").level
    logger.setLevel(logging.ERROR)
    try:
        with kept_random_state(), warnings.catch_warnings(action="ignore"):
            seed_position(recipe.seed)
            _check(found, Path(out))
    finally:
        logger.setLevel(before)
    return found


def _check(found: Checked, out: Path) -> None:
    recipe, task = _settled(found.recipe), found.task
    opened: list[KitLoaders] = []

    def data() -> list[Line]:
        opened.append(task.open_dls(recipe))
        split = opened[0].split
        return [
            Line("data", True, f"{opened[0].source.name}: {', '.join(f'{n:,} {k}' for k, n in split.counts.items())}")
        ]

    found.lines += _tried("data", data)
    if not opened:
        return
    dls = opened[0]
    found.lines += _tried("parts", partial(check_parts, dls))

    def looks() -> list[Line]:
        lines, found.picture = check_looks(dls, task)
        return lines

    found.lines += _tried("labels", looks)
    found.lines += _once(found.lines, _tried("training", partial(check_steps, recipe, task, dls, found)))
    found.lines += _once(found.lines, _tried("one batch", partial(check_learning, recipe, task, dls)))
    found.lines += _tried("resume", partial(check_resume, recipe, task, dls, found))
    found.lines += check_forecast(found, out)


def _settled(recipe: Recipe) -> Recipe:
    """The recipe as it stands: what it leaves to the machine in the effective size, nothing tried."""
    if isinstance(recipe.data.bs, str):
        recipe = changed(recipe, data={"bs": effective_bs(recipe)})
    return changed(recipe, train={"precision": "fp32"}) if recipe.train.precision == "auto" else recipe


def _once(known: list[Line], lines: list[Line]) -> list[Line]:
    """Lines without those of a check that has been told as a fault."""
    faults = {line.check for line in known if line.good is False}
    return [line for line in lines if line.check not in faults]


def _tried(name: str, step: Callable[[], list[Line]]) -> list[Line]:
    try:
        return step()
    except LearnerkitError as error:
        return [Line(name, False, str(error))]
    except Exception as error:  # whatever a model, a loss or a transform of one's own raises
        return [Line(name, False, f"{type(error).__name__}: {error}")]


def write_check(found: Checked, name: str, folder: Path) -> list[Path]:
    """Write check.json, check.html and the picture into a folder; RecipeError where that lies in the data.

    name: how the page calls the recipe.
    """
    made_folder(folder)
    drawn = []
    if found.picture is not None:
        drawn = [write_figures(folder, {"augmented": found.picture})["augmented"]]
    rows = [(LEVELS[one.good], one.check, one.text, one.remedy) for one in found.lines]
    page = render(
        "check.html.j2",
        [Picture("Before and after augmentation", embedded(file)) for file in drawn],
        name=name,
        about=f"{found.task.name} · {title_of({'resolved': found.recipe.model_dump(mode='json')})} · {now()}",
        level=found.level,
        verdict=VERDICTS[found.level],
        told={kind: [_advice(row) for row in rows if row[0] == kind] for kind in ("fault", "warn")},
        table=_table(rows),
    )
    return [
        atomic_write(folder / "check.json", to_json(found.content()) + "\n"),
        atomic_write(folder / "check.html", page),
        *drawn,
    ]


def _table(rows: list[tuple[str, str, str, str]]) -> Table:
    """All checks, the faults first; without a column of advice where there is none."""
    ordered = sorted(rows, key=lambda row: ("fault", "warn", "ok").index(row[0]))
    kept = 4 if any(row[3] for row in rows) else 3
    heads = ("level", "check", "evidence", "what to try")
    return Table("All checks", heads[:kept], [row[:kept] for row in ordered], text=True)


def _advice(row: tuple[str, str, str, str]) -> str:
    _, name, text, remedy = row
    return f"{name}: {text}" + (f". Try: {remedy}" if remedy else "")


def refuse_inside(folder: Path, data: object) -> None:
    """RecipeError where a folder for pages lies in the data, whose next reading would find a picture there."""
    if isinstance(data, str) and Path(data).is_dir() and folder.resolve().is_relative_to(Path(data).resolve()):
        raise RecipeError(f"--out {folder}: lies in {data}, whose pictures are the set's; choose another")
