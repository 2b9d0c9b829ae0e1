"""`find_suspects`: the labels of a run's set that are probably wrong, by trainings of its own recipe in folds."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from learnerkit._fastai import DataLoaders
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder
from learnerkit.core.ranges import AtLeastOne, Seed, Whole, checked
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import write_npz
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.wiring import fit
from learnerkit.runs.load import check_trained, rebuild_dls
from learnerkit.runs.recipes import resumed_recipe
from learnerkit.runs.report import write_report
from learnerkit.tasks import get_task, task_of

FOLDER = "suspects"


@checked
def find_suspects(
    path: PathLike,
    data: PathLike | None = None,
    folds: Whole = 5,
    epochs: AtLeastOne | None = None,
    seed: Seed = 0,
    train: Callable[[DataLoaders], KitLearner] | None = None,
) -> tuple[Path, pd.DataFrame]:
    """Find labels of a run's set that are probably wrong, and put them on its page.

    The training and validation samples are predicted by models that were trained on the other folds, by the run's
    recipe; the test samples by the run itself. Confident learning (cleanlab, the extra 'clean') tells which labels the
    predictions speak against. Nothing is changed or left out: look at them.

    path: the run folder; data: where the data are now, where they have moved.
    folds: how many models are trained; epochs: of each, the recipe's when None; seed: of the folds.
    train: DataLoaders to a trained learner, for a run that a script made; of others their recipe trains.
    Writes suspects/suspects.csv (id, part, label, suggested, probabilities), out_of_fold.npz and pictures.
    Returns the folder and the table, the likeliest first.

    Examples:
        >>> def train(dls, *cbs):
        ...     learn = image_learner(dls, "simple_cnn", cbs=cbs)
        ...     with learn.no_bar(), learn.no_logging():
        ...         learn.fit_one_cycle(4, 0.05)
        ...     return learn
        >>> _ = train(digits_dls(bs=32, limit=200, size=16), Run("runs", "first"))
        >>> folder, table = find_suspects("runs/first", folds=2, train=train)
        >>> (folder / "suspects.csv").exists()
        True
    """
    run = RunFolder.open(path)
    check_trained(run)
    described = run.described()
    task = task_of(described, run.path)
    look = task.verb("suspects")
    dls = rebuild_dls(run.path, data)
    trained = train or _by_recipe(run, described, epochs)

    def fitted(names: dict[str, list[str]]) -> KitLearner:
        return trained(rebuild_dls(run.path, data, split=names))

    seen = task.evaluation(run)
    folder = run.file(FOLDER)
    table, arrays = look(dls, fitted, seen, folds, seed)
    made_folder(folder)
    for name, columns in arrays.items():
        write_npz(folder / f"{name}.npz", **columns)
    atomic_write(folder / "suspects.csv", table.to_csv(index=False))
    write_report(run)
    return folder, table


def _by_recipe(run: RunFolder, described: dict[str, Any], epochs: int | None) -> Callable[[DataLoaders], KitLearner]:
    if described.get("resolved") is None:
        raise RunError(
            f"{run.path}: was made by a script, whose training no recipe says; give train=, a function of DataLoaders "
            "that returns a trained learner: find_suspects(path, train=...)"
        )
    return partial(_fitted, resumed_recipe(run.path, None, {} if epochs is None else {"epochs": str(epochs)}))


def _fitted(recipe: Any, dls: DataLoaders) -> KitLearner:
    learn = get_task(recipe.task).build_learner(recipe, dls, [])
    with learn.no_logging():
        fit(recipe, learn)
    return learn
