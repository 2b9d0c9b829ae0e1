"""What a finished run's weights, or a model by name, cost: measured and written, with what it was measured on."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from learnerkit.core.environment import environment, usual_device
from learnerkit.core.errors import RunError
from learnerkit.core.files import PathLike, atomic_write, made_folder, read_json, write_json
from learnerkit.core.profiles import write_profile
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.tensors import weights_file
from learnerkit.models.create import create_model, room_of
from learnerkit.models.info import info_at
from learnerkit.models.inputs import inputs_for, name_of
from learnerkit.models.profile import Conditions, measured
from learnerkit.models.summary import layers_of, table_text
from learnerkit.pages.figure import write_figures
from learnerkit.pages.profile import Row, draw_profile, size_text
from learnerkit.runs.model_file import load_model
from learnerkit.tasks import get_task, task_names

Sides = tuple[int, int]


@dataclass(frozen=True)
class Wanted:
    """What is to be measured, all combinations of it.

    size: sides of the images in pixels; bs: images at a time; precisions: see `profile_model`. A run's own where none.
    training, compile: beside inference, training steps; beside eager, what `torch.compile` makes of it.
    repeats: timed passes; threads: of a CPU, as they are when None; device: a GPU where there is one when None.
    """

    size: Sequence[int] = ()
    bs: Sequence[int] = (1,)
    precisions: Sequence[str] = ()
    training: bool = False
    compile: bool = False
    repeats: int = Conditions.repeats
    threads: int | None = None
    device: str | None = None

    def rows(self, model: nn.Module, sides: Sequence[Sides], precision: str, channels_last: bool = True) -> list[Row]:
        """The measured rows of a model; precision: where none is wanted."""
        modes = ["inference", "training"][: 1 + self.training]
        ways = product(modes, self.precisions or (precision,), (False, True)[: 1 + self.compile])
        return [row for way in ways for row in self.measure(model, sides, self.bs, *way, channels_last)]

    def measure(
        self,
        model: nn.Module,
        sides: Sequence[Sides],
        bs: Sequence[int],
        mode: str,
        precision: str,
        compiled: bool,
        channels_last: bool,
    ) -> list[Row]:
        """The rows of one way."""
        conditions = Conditions(mode, precision, compiled, channels_last, self.repeats)
        return measured(model, sides, bs, conditions, self.threads, self.device or usual_device())


def profile_run(path: PathLike, wanted: Wanted = Wanted()) -> tuple[Path, list[Row]]:
    """Measure a finished run's best weights; write profile.json and the folder profile/ into the run, return that.

    The run's own size and precision, one image at a time, are measured in any case: a comparison shows them.
    """
    run = RunFolder.open(path)
    described = run.described()
    if not run.is_done:
        raise RunError(
            f"{run.path}: is {run.status().get('state')}; a profile stands beside the accuracy of a finished training. "
            "Finish it (learnerkit train --resume), or profile its model by name"
        )
    if not run.file("model.json").exists():
        raise RunError(f"{run.path}: its model was not built by name; give the module itself to profile_model(...)")
    sides = _own_sides(described)
    if sides is None and not wanted.size:
        raise RunError(f"{run.path}: does not say how large its images are; give --sizes")
    model, chosen = load_model(run.path), [(size, size) for size in wanted.size] or [sides]
    arguments = (described["recipe"].get("learner") or {}).get("args") or {}
    precision, channels_last = arguments.get("precision") or "fp32", bool(arguments.get("channels_last", True))
    rows = wanted.rows(model, chosen, precision, channels_last)
    own = sides or chosen[0]
    told = next((row for row in rows if _is_own(row, own, precision)), None)
    if told is None:
        (told,) = wanted.measure(model, [own], [1], "inference", precision, False, channels_last)
        rows.insert(0, told)
    folder = _write(run.file("profile"), model, rows)
    content = {"model": read_json(run.file("model.json")), "summary": _summary(told), **_measured_with(wanted)}
    write_profile(run.path, weights_file(run.path), {**content, "rows": rows})
    return folder, rows


def profile_name(
    name: str,
    out: PathLike,
    wanted: Wanted = Wanted(size=(32,)),
    n_in: int = 3,
    n_out: int = 10,
) -> tuple[Path, list[Row]]:
    """Measure a model by name, with weights as they are drawn; write the folder `out` with profile.json, return it.

    n_in, n_out: channels and classes.
    """
    if (room := room_of(name)) in task_names():
        get_task(room)  # its room registers the names of its models
    model = create_model(name, n_in, n_out)
    rows = wanted.rows(model, [(size, size) for size in wanted.size], "fp32")
    folder = _write(Path(out), model, rows)
    write_json(folder / "profile.json", {"model": model.spec, **_measured_with(wanted), "rows": rows})
    return folder, rows


def _is_own(row: Row, sides: Sides, precision: str) -> bool:
    """Whether a row is what a comparison shows: one image of the run's own size in its own precision."""
    found = (row["size"], row["bs"], row["mode"], row["precision"], row["compiled"])
    return found == (sides[0] if sides[0] == sides[1] else list(sides), 1, "inference", precision, False)


def _summary(row: Row) -> Row:
    same = ("latency_ms", "p95_ms", "least_ms", "images_per_s", "multiply_adds", "parameters")
    basis = ("size", "bs", "precision", "threads", "device", "torch", "repeats")
    found = {**{key: row[key] for key in same}, "inference_memory_mb": row["peak_memory_mb"]}
    return {**found, **{f"profile_{key}": row[key] for key in basis}}


def _own_sides(described: dict[str, Any]) -> Sides | None:
    """Height and width of the images that a run's model saw, where its run.json says them."""
    data = described.get("data") or {}
    shape = data.get("input_shape") or data.get("shape") or []
    known = len(shape) == 3 and all(isinstance(side, int) and side > 0 for side in shape)
    return (shape[1], shape[2]) if known else None


def _measured_with(wanted: Wanted) -> dict[str, Any]:
    found = environment(torch.device(wanted.device or usual_device()))
    return {key: found[key] for key in ("versions", "platform", "command")}


def _write(folder: Path, model: nn.Module, rows: Sequence[Row]) -> Path:
    """profile.csv, the picture, and a summary of the layers at each size."""
    made_folder(folder)
    atomic_write(folder / "profile.csv", csv_text([{**row, "size": size_text(row["size"])} for row in rows]))
    write_figures(folder, {"profile": draw_profile(rows)})
    for size in dict.fromkeys(size_text(row["size"]) for row in rows):
        _write_summary(folder, model, size)
    return folder


def _write_summary(folder: Path, model: nn.Module, size: str) -> None:
    """model_summaries/{model}/{size}/summary.txt and summary.json."""
    height, _, width = size.partition("x")
    sides = (int(height), int(width or height))
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name_of(model))
    place = made_folder(folder / "model_summaries" / name / size)
    layers, info = layers_of(model, *inputs_for(model, sides)), info_at(model, sides)
    numbers = {key: value for key, value in info.items() if type(value) in (int, float) and key != "size"}
    said = "\n".join(f"{key.replace('_', ' '):<22}{value:>16,}" for key, value in numbers.items())
    left = ", ".join(f"{key} ({number})" for key, number in info["uncounted"].items()) or "nothing"
    text = f"{name_of(model)}, one image of {size} pixels\n\n{table_text(layers)}\n{said}\nnot counted: {left}\n"
    atomic_write(place / "summary.txt", text)
    write_json(place / "summary.json", {**info, "layers": [layer._asdict() for layer in layers]})
