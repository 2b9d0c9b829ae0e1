"""A model as a folder and back: model.json says how to build it, safetensors hold the weights. Nothing is executed."""

from pathlib import Path

import torch
from torch import nn

from learnerkit.core.errors import ModelError
from learnerkit.core.files import PathLike, atomic_write, made_folder, read_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import load_weights, weights_bytes, weights_file
from learnerkit.models.create import create_model
from learnerkit.models.inputs import name_of
from learnerkit.tasks import get_task, task_names


def write_model(model: nn.Module, folder: Path, name: str, task: str | None) -> Path:
    """Write model.json and NAME.safetensors; ModelError when the model was not built by `create_model`.

    folder: made when missing; task: that the model is for, None where none is known.
    """
    spec = getattr(model, "spec", None)
    if spec is None:
        raise ModelError(
            f"{name_of(model)}: was not built by create_model, so it cannot be rebuilt from a file; export it as ONNX, "
            "model.onnx, or register its builder (register_model)"
        )
    made_folder(folder)
    write_json(folder / "model.json", {"task": task, **spec})
    atomic_write(folder / f"{name}.safetensors", weights_bytes(model.state_dict()))
    return folder


def load_model(
    folder: PathLike, name: str | None = None, device: str | torch.device = "cpu", **changes: object
) -> nn.Module:
    """The model of a folder with its weights, in evaluation mode.

    folder: a run, or a folder written by `export_model`.
    name: which weights: 'best_model', 'final_model', ...; the best, else the final ones when None.
    device: where the model is put.
    changes: of what model.json says, such as another dropout.

    Examples:
        >>> import torch
        >>> folder = export_model(create_model("tiny_cnn", n_in=1), "exported")
        >>> load_model(folder)(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 10])
    """
    if (Path(folder) / "run.json").exists():
        RunFolder(folder).described()  # a later schema may mean another model by the same words
    spec = read_json(Path(folder) / "model.json")
    task = spec.pop("task", None)
    if task in task_names():
        get_task(task)  # its room registers the names of its models
    model = create_model(**{**spec, **changes})
    try:
        model.load_state_dict(load_weights(weights_file(folder, name)))
    except RuntimeError as error:
        raise ModelError(f"{folder}: the weights do not fit the model of model.json ({error})") from error
    return model.to(device).eval()
