"""The learning-rate schedules, and the type and range of each of their arguments."""

import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from learnerkit.core.errors import check_keys
from learnerkit.core.files import plain
from learnerkit.core.ranges import AtLeastOne, Count, Factor, Flag, Inner, NotNegative, Positive, ShareBelowOne
from learnerkit.core.yaml import number_hint

SCHEDULES: dict[str, dict[str, Any]] = {
    "one_cycle": {
        "div": Positive,
        "div_final": Positive,
        "pct_start": Inner,
        "moms": tuple[ShareBelowOne, ShareBelowOne, ShareBelowOne] | None,
    },
    "torch_one_cycle": {
        "pct_start": Inner,
        "div_factor": Positive,
        "final_div_factor": Positive,
        "anneal_strategy": Literal["cos", "linear"],
        "three_phase": Flag,
    },
    "cosine": {"T_max": AtLeastOne, "eta_min": NotNegative},
    "step": {"step_size": AtLeastOne, "gamma": Factor},
    "multistep": {"milestones": Annotated[list[AtLeastOne], Field(min_length=1)], "gamma": Factor},
    "exponential": {"gamma": Factor},
    "plateau": {
        "factor": Inner,
        "patience": Count,
        "threshold": NotNegative,
        "threshold_mode": Literal["rel", "abs"],
        "cooldown": Count,
        "min_lr": NotNegative,
        "eps": NotNegative,
    },
    "constant": {},
}
STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def schedule_faults(kind: str | None, options: dict[str, Any]) -> list[str]:
    """One line for each argument that a schedule does not take, or not so; none for an unknown schedule.

    kind: of `SCHEDULES`; options: by name.
    """
    known = SCHEDULES.get(kind)
    if known is None:
        return []
    if options and not known:
        return [f"schedule '{kind}': takes no arguments, and was given {', '.join(options)}"]
    faults = check_keys(options, known, f"schedule '{kind}'")
    for name in [name for name in options if name in known]:
        try:
            text = json.dumps(options[name], default=plain)
            TypeAdapter(known[name], config=STRICT).validate_json(text)
        except TypeError as error:
            faults.append(f"{name}: {error}")
        except ValidationError as error:
            said = [*dict.fromkeys(item["msg"] for item in error.errors()), number_hint(options[name])]
            faults.append(f"{name}: {options[name]!r} - " + ", ".join(filter(None, said)))
    return faults
