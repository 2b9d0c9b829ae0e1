"""A run's learner as it was before its training, built again from what run.json records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from learnerkit.callbacks.identity import identity
from learnerkit.core.errors import DataError, RunError, differing
from learnerkit.core.files import PathLike
from learnerkit.core.run_folder import RunFolder
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.wiring import fit
from learnerkit.recipe import Recipe
from learnerkit.runs.recipes import check_recipe
from learnerkit.tasks import get_task

OF_THE_DATA = ("classes", "fingerprint", "split")


@dataclass(frozen=True)
class Again:
    """A learner as a run began with it, and the fit that trained it, to be called once."""

    learn: KitLearner
    fit: Callable[[], None]


def recorded_recipe(described: dict[str, Any], where: Any, data: PathLike | None = None) -> Recipe:
    """The recipe that run.json records, with all its fields; RunError where a script made the run.

    where: the run or page, for messages; data: where the data are now.
    """
    content = described.get("resolved")
    if content is None:
        raise RunError(
            f"{where}: was made by a script, whose callbacks no file records; run the script again: its seed and its "
            "data make the same weights. `learnerkit train` records all of a training"
        )
    content = {**content, "train": {**content["train"], "mlflow": None, "budget": None}}
    if data is not None:
        content["data"] = {**content["data"], "path": str(data)}
    return check_recipe(content, str(where))


def built_again(
    run: RunFolder, cbs: Sequence[Any] = (), data: PathLike | None = None, n_epoch: int | None = None
) -> Again:
    """The learner that a run began with, on the same samples; DataError where the data are others now.

    cbs: further callbacks; data: where the data are now; n_epoch: epochs that it was to have, those of run.json when
        None.
    """
    described = run.described()
    recipe = recorded_recipe(described, run.path, data)
    if n_epoch is not None:
        recipe.train.epochs = n_epoch
    task = get_task(recipe.task)
    learn = task.build_learner(recipe, task.open_dls(recipe), list(cbs))
    now = identity(learn)
    changed = [key for key in OF_THE_DATA if now[key] != described.get(key)]
    if changed:
        what = "; ".join(f"{key} was {differing(described.get(key), now[key])}" for key in changed)
        raise DataError(
            f"{run.path}: the data are others than it was trained on: {what}. Restore them, or say where they are "
            "now: --data"
        )
    return Again(learn, lambda: fit(recipe, learn))
