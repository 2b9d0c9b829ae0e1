"""What is exported of a run, a learner or a module: the model, what is known of its data, and inputs to compare on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from learnerkit.callbacks.identity import class_names, known_set
from learnerkit.core.calibrated import Calibration, read_calibration
from learnerkit.core.errors import ModelError, RunError
from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.seed import kept_random_state
from learnerkit.core.tensors import weights_file
from learnerkit.core.text import some
from learnerkit.learner.kit import KitLearner
from learnerkit.models.create import room_of
from learnerkit.models.inputs import channels_of, input_names, name_of
from learnerkit.models.size import TRIED, least_size
from learnerkit.runs.load import check_trained
from learnerkit.runs.model_file import load_model
from learnerkit.runs.onnx import SAMPLES, random_samples
from learnerkit.runs.settled import WEIGHTS, check_settled
from learnerkit.tasks import get_task, task_names

Size = int | tuple[int, int] | None


@dataclass(frozen=True)
class Exported:
    """A model, and what an ONNX file says of it.

    model: it; task: of a learner or run, None where none is known; classes: their names.
    steps: what is done to a sample before, see `Task.preprocessing`; output: the name of what the model gives.
    samples: gives normalised inputs [N,...], one tensor an input; kind: 'valid' or 'random' ones.
    name: of the weights file in a folder; ways: what was fitted for these weights, see `core.calibrated`.
    """

    model: nn.Module
    task: str | None
    classes: Sequence[str] = ()
    steps: dict[str, Any] = field(default_factory=dict)
    output: str = "logits"
    samples: Callable[[], Sequence[Tensor]] = list
    kind: str = "random"
    name: str = "final_model"
    ways: dict[str, Calibration] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What an ONNX file says; the temperature where one was fitted."""
        names = {"inputs": list(input_names(self.model)), "output": self.output}
        known = self.ways.get("plain")
        tempered = {} if known is None else {"temperature": known.temperature}
        return {"task": self.task, **names, "classes": list(self.classes), "preprocessing": self.steps, **tempered}


def of_module(model: nn.Module, task: str | None = None) -> Exported:
    """A module alone, whose inputs have no known shape."""
    return Exported(model, task or room_of(getattr(model, "spec", {}).get("name", "")) or None)


def of_size(found: Exported, size: Size) -> Exported:
    """What is exported with inputs of a shape, compared on random ones; one whose shape is known stays as it is.

    found: ModelError where its model has weights without a shape, as lazy modules have before their first batch.
    size: side in pixels, or height and width; 32, or the least that the model takes, when None.
    """
    if lazy := [name for name, tensor in found.model.state_dict().items() if is_lazy(tensor)]:
        what = f"{name_of(found.model)}: has weights without a shape ({some(lazy, 3)})"
        raise ModelError(f"{what}; give it a batch first, model(batch), from which its lazy modules learn their shapes")
    if "shape" in found.steps:
        return found
    if found.kind == "valid":  # of loaders of one's own
        samples = found.samples()
        return replace(found, steps={"shape": list(samples[0].shape[1:])}, samples=lambda: samples)
    side = size or max(TRIED[0], least_size(found.model) or 0)
    shape = [channels_of(found.model), *((side, side) if isinstance(side, int) else side)]
    return replace(found, steps={**found.steps, "shape": shape}, samples=partial(_drawn, found.model, shape))


def of_learner(learn: KitLearner) -> Exported:
    """A learner's model as it is now, compared on samples of its valid part; on random ones where it has no data."""
    known = known_set(learn.dls)
    data = learn.dls.facts() if known else {}
    found = _of_data(learn.model, learn.task, data, class_names(learn.dls))
    if known and getattr(known[0], "is_blank", False):
        return found
    return replace(found, samples=partial(_valid, learn), kind="valid")


def of_path(path: Path, weights: str) -> Exported:
    """The model of a run that is not being trained, or of a folder that `export_model` wrote; on random inputs.

    weights: 'best' or 'final'.
    """
    if not (path / "model.json").exists():
        run = RunFolder.open(path)
        check_trained(run)
        raise RunError(
            f"{run.path}: has no model.json, for its model was not built by name; build it, load its .safetensors "
            "file, and give the module itself: export_model(model, file)"
        )
    is_run = (path / "run.json").exists()
    if is_run:
        check_settled(RunFolder.open(path))
        check_trained(RunFolder.open(path))
    model, chosen = load_model(path, WEIGHTS[weights]), weights_file(path, WEIGHTS[weights])
    same = chosen == weights_file(path)  # what was fitted is of the best ones
    ways = {way: known for way in ("plain", "tta") if same and (known := read_calibration(path, way == "tta"))}
    if is_run:
        described = RunFolder.open(path).described()
        found = _of_data(model, described["task"], described.get("data") or {}, described["classes"])
    else:
        found = of_module(model, read_json(path / "model.json").get("task"))
    return replace(found, name=chosen.stem, ways=ways)


def _of_data(model: nn.Module, task: str | None, data: dict[str, Any], classes: Sequence[str]) -> Exported:
    """A model whose data are known as run.json has them."""
    known = get_task(task) if task in task_names() else None
    steps = known.preprocessing(data) if known and data else {}
    drawn = partial(_drawn, model, steps.get("shape", ()))
    return Exported(model, task, classes, steps, known.output if known else "output", drawn)


def _drawn(model: nn.Module, shape: Sequence[int]) -> list[Tensor]:
    return random_samples([shape] * len(input_names(model)))


def _valid(learn: KitLearner) -> list[Tensor]:
    """The first samples of a learner's valid part, as its model takes them, on the CPU."""
    n, batches, seen = len(input_names(learn.model)), [], 0
    with kept_random_state():
        for batch in learn.dls.valid:
            parts = [part.as_subclass(Tensor).detach().cpu() for part in batch[:n]]
            if seen >= SAMPLES or (batches and parts[0].shape[1:] != batches[0][0].shape[1:]):
                break
            batches.append(parts)
            seen += len(parts[0])
    return [torch.cat(parts)[:SAMPLES] for parts in zip(*batches, strict=True)]
