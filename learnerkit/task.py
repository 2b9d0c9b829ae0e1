"""What a task is: one record of functions and small facts, all that the shared code knows of it.

Four are needed; the rest has a default, and a verb that a task lacks is refused by name.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from torch import Tensor, nn

from learnerkit.core.errors import RecipeError, RunError
from learnerkit.core.levels import Line
from learnerkit.core.run_folder import RunFolder
from learnerkit.data.faults import Report
from learnerkit.data.loaders import KitLoaders
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.measure import measure
from learnerkit.learner.samples import weigh_samples
from learnerkit.pages.blocks import Block
from learnerkit.pages.changes import Changes, Loaders
from learnerkit.pages.examined import Examined
from learnerkit.pages.page import Headline, Table
from learnerkit.pages.ranking import BY_MONITOR, Ranking
from learnerkit.recipe import Recipe

CURVES = (("training_curves", "Curves"),)
RATE = (("learning_rate", "Learning rate"),)


def shape_alone(data: dict[str, Any]) -> dict[str, Any]:
    """Of the facts of data in run.json the shape of an input as the model sees it."""
    return {"shape": list(data.get("input_shape") or data["shape"])}


@dataclass(frozen=True)
class Demo:
    """What a task's demo trains.

    recipe: its name; settings: flags of it; grid: axes of a sweep, such as 'fusion=all', none for one training.
    place: the folder of the runs; jobs: trials at a time.
    """

    recipe: str
    place: Path
    settings: dict[str, Any] = field(default_factory=dict)
    grid: Sequence[str] = ()
    jobs: int = 1


@dataclass(frozen=True, kw_only=True)
class Task:
    """A kind of training.

    name: as recipes and run.json say it; recipe: the class of its recipes.
    open_dls: a recipe to its DataLoaders; build_learner: recipe, DataLoaders and further callbacks to its Learner.

    calls: the `*_dls` and `*_learner` functions whose calls `load_run` can repeat.
    expects: what its data look like, in words; is_set: whether a path holds such data.
    verify: a path to every fault of such data; examine: path and `bad` to what `doctor` says of them, an `Examined`
        with facts and pictures, or lines alone.
    blank_model: a recipe to a model of its size, for a forecast of the disk.
    cost: a recipe to what one of its epochs costs beside those of other recipes, for a forecast of the time.
    evaluate: learner, run folder, parts and the recipe's `evaluate` fields to the content of results.json, which it
        writes, and predictions.npz after it: with that a run counts as measured.
    open_other: a path and a run.json to DataLoaders of other data, to be measured as the run's own were.
    evaluate_other: the run's learner on them, a folder and `evaluate` fields to results: measured, or predicted alone.
    inputs: a file or folder to the samples that it holds, see `data.inputs`.
    predict: learner, run.json, `data.inputs.Inputs`, `Wanted` and a folder to what is told of the predictions there.
    blank_dls: run.json to DataLoaders of one blank sample: a learner on them predicts, and needs no data.
    preprocessing: the facts of the data in run.json to what is done to a sample before the model takes it, as an
        exported file says it, 'shape' (of one input) among them; output: the name of what the model gives.
    ensemble: runs of the same samples and a folder to the results of their averaged predictions.
    demo: the demo's folder and a console to what it trains; the recipe's DEMO says its name.
    scores: model, batch and targets to one score a sample [B], which explanations are of.
    explain: learner, run folder, `explain.methods.Asked` and a function of a side in pixels to DataLoaders at it, to
        what the run looked at, an `explain.methods.Explained`.
    suspects: DataLoaders, a function of names by part to a trained learner, what `evaluation` gives, folds and a seed,
        to a table of the labels that are probably wrong, and arrays to be kept beside it.

    weigh: a learner within a training batch to the loss of each of its samples and the norm of its gradient, both [B].
    looks: a batch to pictures [N,C,H,W] of what has a class, and their class numbers [N], which `check` looks at.
    learnt: a learner that has learnt one batch, that batch and its rows to how many are told as they are labelled, of
        how many, and the others in words; learnt_share: of them that has to be. check_s: seconds of
        computing that learning it may take, and as many the steps that are tried.

    measures: figures that results.json has for each part, the first the most telling.
    headlines: figures at the top of a run's page; evaluation: a run folder to what its figures and tables share.
    figures: that, the run folder and the ledger to pictures by name; pictures: (name, title) in the page's order.
    tables: that and the results to the page's tables; blocks: that and the run folder to its galleries and matrices.
    ranking: how its runs are compared.
    changes: two runs, how many pictures of a kind, and a function that reads their data anew (None where they cannot be
        read) to what they predict otherwise, a `pages.changes.Changes`: figures with intervals, classes, flips. None
        leaves a diff with the recipes, courses and measures of the runs.

    Examples:
        >>> from learnerkit.tasks import get_task
        >>> task = get_task("classify")
        >>> task.measures[0]
        'accuracy'
    """

    name: str
    recipe: type[Recipe]
    open_dls: Callable[[Any], KitLoaders]
    build_learner: Callable[[Any, Any, list[Any]], KitLearner]

    calls: tuple[Callable, ...] = ()
    expects: str = ""
    is_set: Callable[[Path], bool] = lambda path: False
    verify: Callable[[Path], Report] | None = None
    examine: Callable[[Path, str], Examined | list[Line]] | None = None
    blank_model: Callable[[Any], nn.Module] = lambda recipe: nn.Identity()
    cost: Callable[[Any], float] = lambda recipe: 1.0
    evaluate: Callable[..., dict[str, Any]] = measure
    open_other: Callable[[Path, dict[str, Any]], KitLoaders] | None = None
    evaluate_other: Callable[..., dict[str, Any]] | None = None
    inputs: Callable[[Path], list[Any]] | None = None
    predict: Callable[..., dict[str, Any]] | None = None
    blank_dls: Callable[[dict[str, Any]], KitLoaders] | None = None
    preprocessing: Callable[[dict[str, Any]], dict[str, Any]] = shape_alone
    output: str = "output"
    ensemble: Callable[..., dict[str, Any]] | None = None
    demo: Callable[[Path, Console], Demo] | None = None
    scores: Callable[[nn.Module, Any, Any], Tensor] | None = None
    explain: Callable[..., Any] | None = None
    suspects: Callable[..., Any] | None = None
    weigh: Callable[[KitLearner], tuple[Tensor, Tensor]] = weigh_samples

    looks: Callable[[tuple], tuple[Tensor, Tensor]] | None = None
    learnt: Callable[..., tuple[int, int, list[str]]] | None = None
    learnt_share: float = 1.0
    check_s: float = 6.0

    measures: tuple[str, ...] = ("loss",)
    headlines: tuple[Headline, ...] = ()
    evaluation: Callable[[RunFolder], Any] = lambda run: None
    figures: Callable[[Any, RunFolder, list[dict]], dict[str, Figure]] = lambda seen, run, rows: {}
    pictures: tuple[tuple[str, str], ...] = CURVES + RATE
    tables: Callable[[Any, dict[str, Any]], list[Table]] = lambda seen, results: []
    blocks: Callable[[Any, RunFolder], list[Block]] = lambda seen, run: []
    ranking: Ranking = BY_MONITOR
    changes: Callable[[RunFolder, RunFolder, int, Loaders], Changes] | None = None

    def verb(self, name: str) -> Callable:
        """One of the functions that a task may lack, by its field; RecipeError says so where this one does."""
        function = getattr(self, name, None)
        if function is None:
            raise RecipeError(f"task '{self.name}' has no {name.replace('_', ' ')}")
        return function


@contextlib.contextmanager
def made_once(folder: Path, out: Path) -> Iterator[bool]:
    """Whether the data of a demo have to be made; once its block has ended well they need not again.

    folder: of the data; out: of the demo; RunError where that holds something else.
    """
    missing = not (folder / ".done").exists()
    if missing and not folder.exists() and out.exists() and any(out.iterdir()):
        raise RunError(f"{out}: is not a folder of this demo; choose another --out")
    yield missing
    if missing:
        (folder / ".done").write_text("")
