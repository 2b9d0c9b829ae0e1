"""What a run records of the learner it belongs to: what a resume compares, and what measuring other data needs."""

import json
from typing import Any

from fastai.learner import Learner

from learnerkit.core.files import to_json


def identity(learn: Learner) -> dict[str, Any]:
    """What must be the same for a resume to mean the same run."""
    dls = learn.dls
    source, split = getattr(dls, "source", None), getattr(dls, "split", None)
    split = split and {"hash": split.hash(source.ids), **split.counts, "valid_is_test": split.valid_is_test}
    facts = {
        "recipe": {"dls": getattr(dls, "recipe", None), "learner": learn.recipe},
        "classes": list(source.vocab) if source else [str(name) for name in getattr(dls, "vocab", [])],
        "fingerprint": source.fingerprint if source else None,
        "split": split,
        "seed": learn.seed,
    }
    return json.loads(to_json(facts))


def data_facts(learn: Learner) -> dict[str, Any]:
    """Shape, statistics and views of the data, None where they did not come from an ImageSource."""
    source = getattr(learn.dls, "source", None)
    if source is None:
        return {"data": None}
    facts = {"name": source.name, "shape": list(source.shape), "stats": source.stats, "keeps": list(source.keeps)}
    facts |= {"pairs": hasattr(source, "maps"), "boxes": hasattr(source, "boxes")}
    if facts["boxes"]:
        facts |= {"size": learn.dls.size, "modalities": list(source.modalities)}
    return {"data": facts}
