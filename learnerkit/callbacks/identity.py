"""What a run records of the learner it belongs to: what a resume compares, and what measuring other data needs."""

import json
from typing import Any

from fastai.learner import Learner

from learnerkit.callbacks.settings import callback_settings, foreign_callbacks
from learnerkit.core.environment import environment
from learnerkit.core.files import atomic_write, to_json, write_json
from learnerkit.core.members import PARTS, write_members
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.run_schema import RUN_SCHEMA
from learnerkit.core.text import now


def class_names(dls: Any) -> list[str]:
    """Names of the classes of any DataLoaders: their vocab, numbers where they say `c` alone; none without either."""
    vocab = getattr(dls, "vocab", None)
    return [str(name) for name in (range(getattr(dls, "c", 0)) if vocab is None else vocab)]


def known_set(dls: Any) -> tuple[Any, Any] | None:
    """The set and the split of DataLoaders that `*_dls` functions made; None for others, and for exported ones.

    Asked of what they hold themselves: fastai's answer for names that they lack with those of what they load.
    """
    own = vars(dls)
    return (own["source"], own["split"]) if "source" in own else None


def not_rebuilt(learn: Learner) -> list[str]:
    """What of a learner no run.json can rebuild, in words with what to do."""
    found = []
    if known_set(learn.dls) is None:
        found.append(
            f"the data are {type(learn.dls).__name__} of one's own, which run.json cannot rebuild: give them again, "
            "load_run(RUN, data=dls)"
        )
    if getattr(learn.model, "spec", None) is None:
        found.append(
            "the model is a module of one's own, which no name rebuilds: register it (register_model), or build it and "
            "load best_model.safetensors"
        )
    return found


def identity(learn: Learner) -> dict[str, Any]:
    """What must be the same for a resume to mean the same run."""
    dls = learn.dls
    source, split = known_set(dls) or (None, None)
    split = split and {"hash": split.hash(source.ids), **split.counts, "valid_is_test": split.valid_is_test}
    facts = {
        "task": learn.task,
        "recipe": {"dls": dls.recipe if source is not None else None, "learner": learn.recipe},
        "classes": class_names(dls),
        "fingerprint": source.fingerprint if source else None,
        "split": split,
        "seed": learn.seed,
    }
    return json.loads(to_json(facts))


def write_identity(learn: Learner, folder: RunFolder, **more: Any) -> None:
    """Write what a new run is: run.json, class_names.json, model.json, members, quarantine.csv and near_copies.csv.

    more: of run.json.
    """
    source, split = known_set(learn.dls) or (None, None)
    described = {"schema": RUN_SCHEMA, **identity(learn), "data": None if source is None else learn.dls.facts()}
    if lacks := not_rebuilt(learn):
        described["not_rebuilt"] = lacks
        folder.log("; ".join(lacks))
    described |= {**environment(next(learn.model.parameters()).device), "started": now()}
    described |= {
        "n_epoch": learn.n_epoch,
        "fit": learn.current.call,
        "callbacks": callback_settings(learn.cbs),
        **({"further_callbacks": foreign} if (foreign := foreign_callbacks(learn.cbs)) else {}),
        **more,
    }
    write_json(folder.file("run.json"), described)
    if quarantine := getattr(source, "quarantine", None):
        rows = [{"file": fault.file, "place": fault.place, "reason": fault.reason} for fault in quarantine]
        atomic_write(folder.file("quarantine.csv"), csv_text(rows))
        folder.log(f"{len(rows)} bad samples or files set aside: quarantine.csv")
    if source is not None:
        rows = {part: getattr(split, part) for part in PARTS}
        write_members(folder.path, source.ids, source.contents, rows, getattr(source, "groups", None))
    if near := getattr(source, "near_copies", None):
        atomic_write(folder.file("near_copies.csv"), csv_text([vars(pair) for pair in near]))
        folder.log(f"{len(near)} near copies across the parts: near_copies.csv")
    if described["classes"]:
        write_json(folder.file("class_names.json"), described["classes"])
    if spec := getattr(learn.model, "spec", None):
        write_json(folder.file("model.json"), {"task": learn.task, **spec})
