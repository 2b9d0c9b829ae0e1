"""A sweep in an MLflow store: one run that its trials are nested in, with the sweep's table and pictures."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from learnerkit.callbacks import mlflow_store as store
from learnerkit.core.files import to_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.warn import warn
from learnerkit.runs.trials import Trial


class SweepTracker:
    """The run of a sweep in the store that its recipe names; nothing where it names none, or where it is away.

    trials: of the sweep; out: its folder.
    environment: what the processes of the trials are given, so that their runs are nested in it.
    """

    def __init__(self, trials: Sequence[Trial], out: Path) -> None:
        self.trials, self.uri, self.out = trials, trials[0].recipe.train.mlflow, out
        self.environment: dict[str, str] = {}

    def begin(self) -> None:
        """Enter the sweep in the store, unless an earlier call of it did."""
        if self.uri is None:
            return
        file, name = self.out / store.SENT, self.out.resolve().name
        store.check_installed()
        try:
            if not file.exists():
                with warnings.catch_warnings():  # of what MLflow itself uses
                    warnings.simplefilter("ignore")
                    run_id, _ = store.new_run(self.uri, name, name)
                write_json(file, {"uri": store.store_of(self.uri), "run_id": run_id, "experiment": name})
            said = store.said_in(file)
            above = {"run_id": said["run_id"], "experiment": said["experiment"], "root": str(self.out.resolve())}
            self.environment = {store.PARENT: to_json(above, indent=None)}
        except Exception as error:  # whatever a network, a server, a database or a damaged file raises
            warn(f"MLflow: the sweep could not be entered ({error}); its trials are trained all the same")

    def end(self, out: Path) -> None:
        """Send the table and the pictures of the sweep, and its trials that were trained and are not there yet."""
        if not self.environment:
            return
        self._send_trials()
        try:
            said = store.said_in(out / store.SENT)
            client = store.client_of(said["uri"])
            for file in (out / "results.csv", out / "results.json", out / "summary.html"):
                client.log_artifact(said["run_id"], str(file))
            for file in sorted((out / "figures").glob("*.png")):
                client.log_artifact(said["run_id"], str(file), "figures")
            client.set_terminated(said["run_id"])
        except Exception as error:  # as above
            warn(f"MLflow: what the sweep found could not be sent ({error}); it stands in {out}")

    def _send_trials(self) -> None:
        """Send what was trained while the store was away, or before the sweep was sent anywhere."""
        for trial in self.trials:
            folder = RunFolder(trial.path)
            if trial.state != "done" or store.is_entered(folder):
                continue
            begun = store.tried(store.begin, folder, self.uri, None, self.environment[store.PARENT])
            if not (begun and store.tried(store.send_results, folder)):
                return  # the store is away, which is told once
