"""What the jobs of a sweep ask of Slurm, as people write it and as submitit takes it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from learnerkit.core.duration import seconds_of
from learnerkit.core.errors import RecipeError

# options of sbatch that the sweep sets by itself
OWN = {"partition", "time", "gpus", "gpus-per-node", "cpus-per-task", "array", "output", "error", "signal", "job-name"}
OWN |= {"nodes", "ntasks", "ntasks-per-node", "no-requeue"}  # a trial is one task, and each job goes back to the queue


@dataclass(frozen=True)
class SlurmOptions:
    """What each job asks of Slurm.

    partition: where it runs; Slurm's own default when None. time: that one may run for, such as '2h', or as sbatch
    has it; gpus, cpus: of each. others: further options of sbatch by name, and `signal_delay_s`: seconds before the end
    of the time at which a job is told to save and go back to the queue.
    """

    partition: str | None = None
    time: str | None = None
    gpus: int | None = None
    cpus: int | None = None
    others: dict[str, str] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """As submitit's executor of Slurm takes them; RecipeError names what cannot be."""
        if self.time is None:
            raise RecipeError(
                "--engine slurm needs --time: how long a job may run before it goes back to the queue, such as 2h"
            )
        others = {name.replace("_", "-"): value for name, value in self.others.items()}
        delay = others.pop("signal-delay-s", None)
        if delay is not None and not delay.isdecimal():
            raise RecipeError(f"--slurm signal_delay_s={delay}: say whole seconds, such as 120")
        if wrong := sorted(OWN & set(others)):
            raise RecipeError(
                f"--slurm {wrong[0]}=...: is set by --partition, --time, --gpus, --cpus and by the sweep itself"
            )
        asked = {"partition": self.partition, "gpus_per_node": self.gpus, "cpus_per_task": self.cpus}
        asked["signal_delay_s"] = None if delay is None else int(delay)
        chosen = {key: value for key, value in asked.items() if value is not None}
        if self.cpus is not None:  # srun does not take it over from sbatch
            chosen["srun_args"] = [f"--cpus-per-task={self.cpus}"]
        extra = {key: True if value == "true" else value for key, value in others.items()}
        return {"time": minutes_of(self.time), "stderr_to_stdout": True, **chosen, "additional_parameters": extra}


def minutes_of(text: str) -> int:
    """Minutes, rounded up, of '2h', '90m', '1d' or of Slurm's forms: '90', '90:00', '2:00:00', '1-0', '1-2:30'."""
    days, dash, rest = text.strip().rpartition("-")
    parts = rest.split(":")
    try:
        if not all(part.isdecimal() for part in parts) or (dash and not days.isdecimal()):
            return ceil(seconds_of(text) / 60)
        units = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
        seconds = int(days or 0) * 86_400 + sum(int(part) * unit for part, unit in zip(parts, units, strict=False))
        if len(parts) > 3 or not seconds:
            raise ValueError(text)
    except ValueError:
        raise RecipeError(f"--time {text}: say 90m, 2h, 1d, or as sbatch has it, such as 1-12:00:00") from None
    return ceil(seconds / 60)


def options_of(texts: Sequence[str]) -> dict[str, str]:
    """Options of sbatch from 'name=value' texts; RecipeError for what is none."""
    pairs = [text.lstrip("-").partition("=") for text in texts]
    if wrong := [text for text, (name, _, value) in zip(texts, pairs, strict=True) if not name or not value]:
        raise RecipeError(f"--slurm {wrong[0]}: say name=value, such as account=lab, or exclusive=true")
    return {name: value for name, _, value in pairs}
