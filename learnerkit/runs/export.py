"""Models to files: ONNX for other programs, or a folder that `load_model` reads. No pickle."""

import logging
import os
from pathlib import Path
from typing import Literal

from torch import nn

from learnerkit.core.calibrated import write_calibration
from learnerkit.core.errors import ModelError, RunError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import Side, checked
from learnerkit.core.tensors import weights_file
from learnerkit.core.text import some
from learnerkit.learner.kit import KitLearner
from learnerkit.models.inputs import input_names, name_of
from learnerkit.runs.exported import of_learner, of_module, of_path, of_size
from learnerkit.runs.model_file import load_model, write_model
from learnerkit.runs.onnx import Checked, read_onnx, write_onnx

__all__ = ["export_model", "load_model", "told"]

ONNX = ".onnx"
BETTER = {  # what is right where a suffix promises what is not written
    ".safetensors": "weights alone do not say their model",
    **dict.fromkeys((".pt", ".pth", ".pkl", ".bin", ".ckpt"), "a pickle runs the code that it names"),
    **dict.fromkeys((".torchscript", ".ts", ".pt2"), "PyTorch's own programs are not written"),
}
log = logging.getLogger(__name__)


@checked
def export_model(
    model: nn.Module | KitLearner | PathLike,
    file: PathLike,
    name: str | None = None,
    *,
    weights: Literal["best", "final"] = "best",
    size: Side | tuple[Side, Side] | None = None,
) -> Path:
    """Write a model as ONNX (model.onnx), or as a folder of model.json and NAME.safetensors (a path without a suffix).

    An ONNX file takes normalised images 'image' (of pairs 'saliency' and 'attention') of one size, any number of them,
    and gives logits; it says its classes, preprocessing and temperature itself, see nbs/export.md. It is
    compared with the model on 32 inputs, and is not written where they differ by more than .001 of the greatest output.
    ModelError where the exporter cannot follow the model, as it cannot a detector's, and for a folder where
    `create_model` did not build it.

    model: a run's folder, whose best weights are taken; a learner, whose weights now are taken, averaged ones not; or a
        module.
    file: model.onnx, or the folder; made when missing. RunError for a folder that is a run, or that holds files and no
        model.json of an earlier export.
    name: of the weights file in the folder; 'final_model', or that of a run's weights, when None.
    weights: of a run, 'best' or 'final'.
    size: side in pixels, or height and width, of the input of a module in an ONNX file; 32, or the least that it takes,
        when None. Runs and learners know theirs.
    Returns the file or the folder.

    Examples:
        >>> folder = export_model(create_model("tiny_cnn", n_in=1), "exported")
        >>> sorted(path.name for path in folder.iterdir())
        ['final_model.safetensors', 'model.json']
    """
    if not isinstance(model, (nn.Module, KitLearner, str, os.PathLike)):
        raise ModelError(f"{type(model).__name__}: give a run, a learner of learnerkit, or a module (learn.model)")
    file = Path(file)
    as_onnx = _wants_onnx(file)
    if not as_onnx:
        _check_own(file)
    if isinstance(model, KitLearner):
        found = of_learner(model)
    else:
        found = of_module(model) if isinstance(model, nn.Module) else of_path(Path(model), weights)
    if not as_onnx:
        write_model(found.model, file, name or found.name, found.task)
        if found.ways and name is None:
            write_calibration(file, found.ways)
        return file
    found = of_size(found, size)
    facts = {"model": name_of(found.model), **found.facts()}
    names = input_names(found.model)
    result = write_onnx(found.model, file, found.samples(), names, facts, found.kind, found.output)
    log.info("%s: %s", file, _difference(result))
    return file


def told(written: Path) -> list[str]:
    """What was exported, in lines for a terminal."""
    if written.is_dir():
        return [f"{'weights':<20} {weights_file(written).name}, beside model.json; load_model reads them"]
    facts = read_onnx(written)
    return [
        f"{'model':<20} {facts['model']}, opset {facts['opset']}, inputs {', '.join(facts['inputs'])}",
        f"{'checked':<20} {_difference(Checked(**facts['check']))}",
    ]


def _difference(checked: Checked) -> str:
    how = f"{checked.samples} {checked.kind} samples, greatest difference {checked.difference:.2e}"
    return f"{how} ({checked.relative:.1e} of the greatest output)"


def _check_own(folder: Path) -> None:
    """RunError where a folder holds what no export wrote, so that nothing is lost."""
    held = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    is_run = "run.json" in held
    if is_run or (held and "model.json" not in held):
        what = "is a run" if is_run else f"holds other files, such as {some(held, 2)}"
        raise RunError(f"{folder}: {what}, and nothing of it is overwritten; export to a folder of its own")


def _wants_onnx(file: Path) -> bool:
    """Whether a path means an ONNX file; ModelError where it means something that is not written."""
    suffix = file.suffix.lower()
    if suffix == ONNX:
        return True
    if not suffix or suffix[1:].isdecimal() or file.is_dir():
        return False
    why = f", and {BETTER[suffix]}" if suffix in BETTER else ""
    raise ModelError(
        f"{file}: a file of the kind {file.suffix} is not written{why}. Give model.onnx for other programs, or a path "
        f"without a suffix, such as {file.with_suffix('')}, for a folder that load_model reads"
    )
