"""A run folder sent to an MLflow store: whatever of it is not there yet. The folder is the truth, the store a copy."""

import json
import os
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from learnerkit.core.errors import DataError
from learnerkit.core.files import read_json, write_json
from learnerkit.core.optional import optional
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import some
from learnerkit.core.warn import warn

SENT = "mlflow.json"  # in a run folder: where the run is sent to, and what of it is there
PARENT = "LEARNERKIT_MLFLOW_PARENT"  # in the environment of a sweep's trials: see `begin`
DEFAULT = "sqlite:///mlflow.db"
LONGEST = 500  # letters of a parameter's value in MLflow
AT_ONCE = 500  # figures that one request may carry
ENDED = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
MODEL = ("model.json", "best_model.safetensors")
QUICK = {  # a store that is away is to be noticed in seconds; nothing is to be told to others
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def client_of(uri: str) -> Any:
    """The client of a store.

    uri: such as 'http://host:5000' or 'sqlite:///mlflow.db'; a plain name of a file is one of SQLite.
    """
    return _module().MlflowClient(tracking_uri=store_of(uri))


def check_installed() -> None:
    """LearnerkitError where MLflow is not installed."""
    _module()


def _module() -> ModuleType:
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)
    return optional("mlflow", "mlflow", "sending a run to MLflow")


def store_of(uri: str) -> str:
    """The address of a store: a file's name is one of SQLite, and SQLite's are absolute."""
    scheme, colon, rest = uri.partition("://")
    if not colon:
        return f"sqlite:///{Path(uri).absolute()}"
    return f"sqlite:///{Path(rest[1:]).absolute()}" if scheme == "sqlite" else uri


def begin(folder: RunFolder, uri: str, experiment: str | None = None, parent: str | None = None) -> None:
    """Say in a run's folder where it is sent to, unless that is said already, and enter it there.

    experiment: its experiment there; the folder's parent's name when None.
    parent: of the run that it is nested in: JSON of its `run_id`, its `experiment`, and the folder `root` of them all.
    """
    place, above, file = folder.path.resolve(), json.loads(parent or "{}"), folder.file(SENT)
    if not file.exists() or (above and said_in(file)["run_id"] is None):  # a sweep that is entered by now
        said = {
            "uri": store_of(uri),
            "experiment": experiment or above.get("experiment") or place.parent.name,
            "name": str(place.relative_to(above["root"])) if above else place.name,
            "parent": above.get("run_id"),
        }
        write_json(file, {**said, "run_id": None, "epochs": 0})  # kept also where the store is away now
    entered(folder)


def entered(folder: RunFolder) -> dict[str, Any]:
    """What a run's folder says of where it is sent to, once the run is in that store; DataError where it is damaged."""
    said = said_in(folder.file(SENT))
    if said["run_id"] is None:
        run_id, _ = new_run(said["uri"], said["experiment"], said["name"], said["parent"])
        said = {**said, "run_id": run_id}
        write_json(folder.file(SENT), said)
    return said


def is_entered(folder: RunFolder) -> bool:
    """Whether a run is in a store, or says so in words that cannot be read: that is for its owner to mend."""
    try:
        return folder.file(SENT).exists() and said_in(folder.file(SENT))["run_id"] is not None
    except DataError:
        return True


def said_in(file: Path) -> dict[str, Any]:
    """What a file `SENT` says; DataError, with what to do, where it cannot be read."""
    try:
        said = read_json(file)
        return {**said, **{key: said[key] for key in ("uri", "run_id", "experiment")}}
    except (DataError, KeyError, TypeError) as error:
        raise DataError(f"{file}: is damaged; without it, what it tells of is sent anew, as another run") from error


def new_run(uri: str, experiment: str, name: str, parent: str | None = None) -> tuple[str, str]:
    """Make a run in a store; its number and its experiment's."""
    client, place = client_of(uri), store_of(uri)
    known = client.get_experiment_by_name(experiment)
    if known is None:
        local = Path(place.removeprefix("sqlite:///")).parent / "mlartifacts" if place.startswith("sqlite") else None
        number = client.create_experiment(experiment, local.as_uri() if local else None)
    else:
        number = known.experiment_id
    tags = {"mlflow.parentRunId": parent} if parent else {}
    return client.create_run(number, run_name=name, tags=tags).info.run_id, number


def parameters_of(described: dict[str, Any]) -> dict[str, str]:
    """What run.json says of how a run was made, flat: the resolved recipe, or the recorded calls of a script."""
    said = described.get("resolved") or described.get("recipe") or {}
    facts = {"task": described.get("task"), "seed": described.get("seed"), "versions": described.get("versions")}
    found = {key: str(value)[:LONGEST] for key, value in _flat({**facts, **said}).items() if value is not None}
    return dict(sorted(found.items()))


def _flat(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _flat(item, f"{before}{key}.") if isinstance(item, dict) else {f"{before}{key}": item}
    return found


def send_epochs(folder: RunFolder) -> None:
    """Send the parameters at first, then the ledger's epochs that are not there yet."""
    said = entered(folder)
    client, rows = client_of(said["uri"]), folder.history()
    entities = _module().entities
    if not said.get("described"):
        pairs = [entities.Param(key, value) for key, value in parameters_of(folder.described()).items()]
        for first in range(0, len(pairs), 100):
            client.log_batch(said["run_id"], params=pairs[first : first + 100])
        said["described"] = True
    stamp = int(time.time() * 1000)
    figures = [
        entities.Metric(key, float(value), stamp, row["epoch"])
        for row in rows[said["epochs"] :]
        for key, value in row.items()
        if type(value) in (int, float) and key not in ("epoch", "step")
    ]
    for first in range(0, len(figures), AT_ONCE):
        client.log_batch(said["run_id"], metrics=figures[first : first + AT_ONCE])
    write_json(folder.file(SENT), {**said, "epochs": max(said["epochs"], len(rows))})


def send_results(folder: RunFolder) -> None:
    """Send what a run has at its end: results, figures, page and model; the state that it ended in."""
    send_epochs(folder)
    said = entered(folder)
    client, run_id = client_of(said["uri"]), said["run_id"]
    by_epoch = {key for row in folder.history() for key in row}  # whose curves are not to get another point
    for key, value in folder.results().items():
        if type(value) in (int, float):
            own = key.startswith(("test_", "valid_", "best_")) and key not in by_epoch
            client.log_metric(run_id, key if own else f"run_{key}", value)
    for file in sorted(folder.file("figures").glob("*.png")):
        client.log_artifact(run_id, str(file), "figures")
    for name in ("run.json", "results.json", "metrics.csv", "report.html"):
        if folder.file(name).exists():
            client.log_artifact(run_id, str(folder.file(name)))
    for name in MODEL:
        if folder.file(name).exists():
            client.log_artifact(run_id, str(folder.file(name)), "model")
    if (state := folder.status().get("state")) in ENDED:
        client.set_terminated(run_id, ENDED[state])


def end(folder: RunFolder, state: str) -> None:
    """Say in the store how a run ended that did not come to its end by itself.

    state: of `ENDED`.
    """
    said = entered(folder)
    client_of(said["uri"]).set_terminated(said["run_id"], ENDED[state])


def mirrored(folder: RunFolder) -> None:
    """Bring a run's copy up to the folder, where it is sent somewhere; what cannot be sent is told, and no error."""
    if folder.file(SENT).exists():
        tried(send_results, folder)


def tried(send: Any, folder: RunFolder, *args: Any) -> bool:
    """Send something; a store that is away is told of once, for the folder holds everything. Whether it was sent."""
    check_installed()
    try:
        with warnings.catch_warnings():  # of what MLflow itself uses
            warnings.simplefilter("ignore")
            send(folder, *args)
    except Exception as error:  # whatever a network, a server, a database or a damaged file raises
        reason = some(str(error).splitlines() or [type(error).__name__], 1)
        warn(f"MLflow: {folder.path} could not be sent ({reason}); it is whole, `learnerkit report` sends it again")
        return False
    return True
