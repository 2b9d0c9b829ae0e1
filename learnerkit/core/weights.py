"""Weights to begin a training from, wherever they lie: a run's folder, a folder or file of a library, a torch file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.core.files import PathLike
from learnerkit.core.tensors import load_weights
from learnerkit.core.text import some
from learnerkit.core.torchfile import read_torch

IN_A_FOLDER = (  # the first that is there: a run's best weights, then Hugging Face's names
    "best_model.safetensors",
    "final_model.safetensors",
    "model.safetensors",
    "pytorch_model.bin",
)
WITHIN = ("state_dict", "model_state_dict", "model", "net", "ema", "weights")  # where a torch file keeps them
WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile, before every name


def read_weights(path: PathLike) -> dict[str, Tensor]:
    """The tensors of a state dict by name, on the CPU; nothing of a file is run.

    path: a run's folder (its best, else its final weights), a folder of Hugging Face, a .safetensors file, or a file of
        `torch.save` that holds a state dict.
    DataError names the path, and says what was found.
    """
    file = weights_in(Path(path))
    if file.suffix == ".safetensors":
        return _unwrapped(load_weights(file))
    try:
        found = read_torch(file)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{file}: {error}") from None
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    tensors = _state_dict(found)
    if not tensors:
        keys = f" with the keys {some(list(found), 8)}" if isinstance(found, Mapping) else ""
        what = f"a {type(found).__name__}{keys}"
        raise DataError(f"{file}: holds no state dict, but {what}; save model.state_dict()")
    return _unwrapped(tensors)


def weights_in(path: Path) -> Path:
    """The file of weights that a path means; DataError where there is none."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; weights= takes a run, a .safetensors or a torch file")
    if not path.is_dir():
        return path
    file = next((path / name for name in IN_A_FOLDER if (path / name).is_file()), None)
    if file is None:
        shards = sorted(found.name for found in path.glob("*.index.json"))
        parts = f"; its weights are in parts ({shards[0]}), join them in one file" if shards else ""
        raise DataError(f"{path}: has no file of weights: {', '.join(IN_A_FOLDER)}{parts}")
    return file


def _state_dict(found: Any) -> dict[str, Tensor]:
    """The tensors in what a torch file holds, one level down where it is a checkpoint; none where it holds none."""
    if not isinstance(found, Mapping):
        return {}
    for key in WITHIN:
        if isinstance(inner := found.get(key), Mapping) and (tensors := _state_dict(inner)):
            return tensors
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without what a wrapper put before all of them."""
    for wrapper in WRAPPERS:
        if tensors and all(name.startswith(wrapper) for name in tensors):
            tensors = {name.removeprefix(wrapper): tensor for name, tensor in tensors.items()}
    return tensors
