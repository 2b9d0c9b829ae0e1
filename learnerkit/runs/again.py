"""A run's learner as it was before its training, built again from run.json: from a recipe, or a script's calls."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastcore.basics import camel2snake

from learnerkit._fastai import Callback
from learnerkit.callbacks.identity import identity
from learnerkit.callbacks.settings import callback_settings
from learnerkit.core.calls import NOT_THE_WEIGHTS
from learnerkit.core.errors import DataError, RunError, differing
from learnerkit.core.files import PathLike
from learnerkit.learner.kit import KitLearner
from learnerkit.learner.wiring import fit
from learnerkit.runs.load import recorded_function
from learnerkit.runs.recipes import check_recipe
from learnerkit.tasks import get_task, task_of

OF_THE_DATA = ("classes", "fingerprint", "split")
OF_THE_FIT = ("lean_scheduler",)  # which the fit itself brings along
Described = dict[str, Any]


@dataclass(frozen=True)
class Again:
    """A learner as a run began with it, and the fit that trained it, to be called once."""

    learn: KitLearner
    fit: Callable[[], None]


def built_again(
    described: Described,
    where: Any,
    cbs: Sequence[Any] = (),
    data: PathLike | None = None,
    n_epoch: int | None = None,
) -> Again:
    """The learner that a run began with; RunError naming what of it no file records.

    described: run.json; where: the run or page, for messages; cbs: further callbacks; data: where the data are now.
    n_epoch: epochs that it was to have, those of run.json when None.
    """
    epochs = described["n_epoch"] if n_epoch is None else n_epoch
    build = _of_recipe if described.get("resolved") else _of_script
    return build(described, where, list(cbs), data, epochs)


def check_data(described: Described, where: Any, learn: KitLearner) -> None:
    """DataError where the data of a learner are others than a run was trained on."""
    now = identity(learn)
    changed = [key for key in OF_THE_DATA if now[key] != described.get(key)]
    if changed:
        what = "; ".join(f"{key} was {differing(described.get(key), now[key])}" for key in changed)
        raise DataError(
            f"{where}: the data are others than it was trained on: {what}. Restore them, or say where they are "
            "now: --data"
        )


def recorded_recipe(described: Described, where: Any, data: PathLike | None = None) -> Any:
    """The recipe of a run of `learnerkit train`, with all its fields and nothing left open.

    where: for messages; data: where the data are now.
    """
    content = described["resolved"]
    content = {**content, "train": {**content["train"], "mlflow": None, "budget": None}}
    if data is not None:
        content["data"] = {**content["data"], "path": str(data)}
    return check_recipe(content, str(where))


def _of_recipe(described: Described, where: Any, cbs: list[Any], data: PathLike | None, epochs: int) -> Again:
    recipe = recorded_recipe(described, where, data)
    recipe.train.epochs = epochs
    task = get_task(recipe.task)
    learn = task.build_learner(recipe, task.open_dls(recipe), cbs)
    learn.task = task.name
    return Again(learn, lambda: fit(recipe, learn))


def _of_script(described: Described, where: Any, cbs: list[Any], data: PathLike | None, epochs: int) -> Again:
    task, calls = task_of(described, where), described["recipe"]
    if lacks := list(_not_recorded(described)):
        raise RunError(
            f"{where}: was made by a script, and of it run.json cannot say {'; '.join(lacks)}. Run the script again: "
            "its seed and its data make the same weights"
        )
    arguments = dict(calls["dls"]["args"])
    if data is not None:
        arguments["path"] = str(data)
    dls = recorded_function(task, calls["dls"]["call"], where)(**arguments)
    own = calls["learner"]
    learn = recorded_function(task, own["call"], where)(dls, **own["args"])
    recorded = described.get("callbacks") or {}
    missing = [name for name in recorded if name not in callback_settings(learn.cbs) and name not in OF_THE_FIT]
    learn.add_cbs([_callback(name, recorded[name], where) for name in missing])
    now = callback_settings(learn.cbs)
    if others := [name for name in recorded if name not in OF_THE_FIT and now.get(name) != recorded[name]]:
        said = "; ".join(f"{name}: {differing(recorded[name], now.get(name))}" for name in others)
        raise RunError(f"{where}: its callbacks cannot be made again as they were ({said}); run the script again")
    learn.add_cbs(cbs)
    fitting = dict(described["fit"])
    method, rate = getattr(learn, fitting.pop("call")), fitting.pop("lr", None)
    rate = slice(*rate) if isinstance(rate, list) else rate
    return Again(learn, lambda: method(**{**fitting, "n_epoch": epochs}, **{_rate_name(method): rate}))


def _rate_name(method: Callable) -> str:
    return "lr_max" if method.__name__ == "fit_one_cycle" else "lr"


def _not_recorded(described: Described) -> Iterator[str]:
    """What of a script's training no run.json says, in words."""
    calls = described.get("recipe") or {}
    for part in ("dls", "learner"):
        call = calls.get(part)
        if call is None:
            yield {"dls": "how its DataLoaders were made", "learner": "how its learner was made"}[part]
        elif lost := [name for name in call["lost"] if name not in NOT_THE_WEIGHTS]:
            yield f"{', '.join(lost)} of {call['call']}"
    if described.get("not_rebuilt") and calls.get("learner") is not None and not calls["learner"]["args"].get("arch"):
        yield "its model"
    if further := described.get("further_callbacks"):
        yield f"what its callbacks {', '.join(further)} do"
    if described.get("further_fits"):
        yield "what it was fitted on a second time"
    if (described.get("fit") or {}).get("call") not in ("fit", "fit_one_cycle"):
        yield "by which call it was fitted"


def _callback(name: str, settings: dict[str, Any], where: Any) -> Callback:
    """A callback of ours by the name that a learner calls it and its recorded settings."""
    for kind in _callbacks(Callback):
        if _name_of(kind) == name and kind.__module__.startswith("learnerkit."):
            kinds = {each.name for each in inspect.signature(kind).parameters.values() if each.kind is each.VAR_KEYWORD}
            loose = [settings[each] for each in kinds if each in settings]
            named = {key: value for key, value in settings.items() if key not in kinds}
            try:
                return kind(**named, **(loose[0] if loose else {}))
            except TypeError as error:
                raise RunError(f"{where}: its callback {kind.__name__} had arguments that no file records") from error
    raise RunError(f"{where}: its callback '{name}' is not known here; run the script again")


def _callbacks(kind: type) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from _callbacks(each)


def _name_of(kind: type) -> str:
    """The name by which a learner knows a callback: its class in snake case, or what the class says."""
    said = vars(kind).get("name")
    return said if isinstance(said, str) else camel2snake(kind.__name__)
