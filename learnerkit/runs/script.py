"""`Run`: the callback by which a script keeps its run, and what is left beside the weights when the fit has ended."""

import contextlib
import logging
import traceback
from collections.abc import Iterator
from typing import Any

from learnerkit._fastai import Callback
from learnerkit.callbacks.ema import EMA
from learnerkit.callbacks.run import RunKeeper
from learnerkit.core.calls import extends, with_arguments
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import Flag
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.seed import kept_random_state
from learnerkit.core.tensors import load_weights, weights_file
from learnerkit.learner.kit import KitLearner
from learnerkit.runs.report import write_report
from learnerkit.tasks import get_task, task_names

OF_A_BATCH = ("before_validate", "before_batch", "after_pred", "after_batch")
log = logging.getLogger(__name__)


@with_arguments
class Run(RunKeeper):
    """Write the run folder as training goes and, at its end, the predictions of the valid part and report.html.

    The test part is not touched: `evaluate_run` or `learnerkit evaluate RUN` measures it, once.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=Run("runs", "first"))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> learn.run_folder.file("report.html").exists()
        True
    """

    @extends(RunKeeper)
    def __init__(self, root: PathLike = "runs", name: str | None = None, *, report: Flag = True, **kwargs: Any) -> None:
        """A run below a folder.

        root: the experiment's folder.
        name: the run's name under it; the date and a number without one.
        report: leave the predictions of the valid part, by the weights that were chosen, and the page of the run.
        """
        super().__init__(root, name, **kwargs)
        self.report = report

    def after_whole_fit(self, learn: KitLearner) -> None:
        """What a finished fit leaves; of what cannot be made the reason is told, for the training itself is safe."""
        if not self.report or not self.trains or self.folder is None:
            return
        try:
            leave_report(learn, self.folder)
        except Exception as error:  # whatever it is, it must not look like a fault of the training
            self.folder.log("".join(traceback.format_exception(error)))
            said = str(error) or type(error).__name__
            log.warning("%s: is trained and kept; predictions or report are missing: %s", self.folder.path, said)


def leave_report(learn: KitLearner, run: RunFolder) -> None:
    """Predict the valid part with the weights that were chosen, into the run folder, and draw its page.

    learn: as its fit left it, and as it is left again.
    """
    if learn.task not in task_names():
        run.log("no predictions and no page: the learner is of no task")
        return
    with chosen_weights(learn, run):
        get_task(learn.task).evaluate(learn, run, ["valid"])
    write_report(run)


@contextlib.contextmanager
def chosen_weights(learn: KitLearner, run: RunFolder) -> Iterator[None]:
    """The learner with the weights that the monitor chose, without averages and what acts on no batch."""
    own = [cb for cb in learn.cbs if isinstance(cb, (RunKeeper, EMA)) or not _acts_on_batches(cb)]
    trained = {name: value.clone() for name, value in learn.model.state_dict().items()}
    try:
        with kept_random_state(), learn.removed_cbs(own):
            learn.model.load_state_dict(load_weights(weights_file(run.path)))
            yield
    finally:
        learn.model.load_state_dict(trained)


def _acts_on_batches(cb: Callback) -> bool:
    """Whether a callback may have a part in a prediction; one that acts after an epoch alone might begin another."""
    return any(event in vars(cb) or hasattr(type(cb), event) for event in OF_A_BATCH)
