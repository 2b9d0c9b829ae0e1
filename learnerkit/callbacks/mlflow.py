"""A run of learnerkit in MLflow: parameters, figures by epoch, and at the end the results, pictures and the model."""

import os

from learnerkit.callbacks import mlflow_store as store
from learnerkit.callbacks.kit import KitCallback
from learnerkit.core import ranks
from learnerkit.core.errors import RecipeError


class MLflowTracker(KitCallback):
    """Send the run that a `Run` keeps to an MLflow store as it goes on; needs `pip install 'learnerkit[mlflow]'`.

    What the store does not take is told once and sent later: training goes on, and the run folder is the truth.
    A resumed run goes on in its MLflow run.

    uri: of the store, such as 'http://host:5000'; or a file of SQLite. MLFLOW_TRACKING_URI when None, else mlflow.db in
        the working folder, which `mlflow ui` shows.
    experiment: its name there; that of the run folder's parent when None.

    Examples:
        >>> cbs = [Run("runs", "first", report=False), MLflowTracker("mlflow.db")]
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=cbs)
        >>> learn.m_lflow_tracker.uri
        'mlflow.db'
    """

    decides = False  # about no weight
    order = 56  # once the run has written the epoch

    def __init__(self, uri: str | None = None, experiment: str | None = None) -> None:
        self.uri, self.experiment = uri, experiment
        self.reached = True

    def before_fit(self) -> None:
        learn = self.learn
        self.run = learn.is_training_run and ranks.is_first()
        if not self.run:
            return
        if getattr(learn, "run_folder", None) is None:
            raise RecipeError("MLflowTracker: sends what a Run keeps; add one, cbs=[Run('runs'), MLflowTracker()]")
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI") or store.DEFAULT
        parent = os.environ.get(store.PARENT)
        self.reached = store.tried(store.begin, learn.run_folder, uri, self.experiment, parent)

    def after_epoch(self) -> None:
        if self.reached:
            self.reached = store.tried(store.send_epochs, self.learn.run_folder)

    def restore(self) -> None:
        """Say in the store that the fit was stopped or failed."""
        error, folder = self.learn.fit_error, getattr(self.learn, "run_folder", None)
        if self.run and self.reached and error is not None and folder and folder.file(store.SENT).exists():
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            store.tried(store.end, folder, state)
