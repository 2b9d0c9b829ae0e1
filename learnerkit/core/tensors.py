"""Tensors and arrays to bytes and back, without ever running what the bytes say.

Weights are safetensors; other state is torch's format read with `weights_only=True`; arrays are npz read with
`allow_pickle=False`. Serialisation goes to memory first, so that a full disk is reported by the one writer.
"""

import io
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.core.files import PathLike, atomic_write, not_read


def plain_state(value: Any) -> Any:
    """`value` rebuilt from dict, list, tuple, tensor and Python scalars, which `weights_only=True` can load."""
    if isinstance(value, torch.Tensor):
        return value.detach().as_subclass(torch.Tensor)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: plain_state(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain_state(item) for item in value)
    if isinstance(value, (str, bytes, int, float, bool, type(None))):
        return value
    if hasattr(value, "__iter__"):
        return [plain_state(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot stand in a checkpoint; give a tensor, number, string or list")


def state_bytes(state: Any) -> bytes:
    """State of optimizer, callbacks and position as bytes."""
    buffer = io.BytesIO()
    torch.save(plain_state(state), buffer)
    return buffer.getvalue()


def load_state(path: PathLike) -> Any:
    """State saved by `state_bytes`, on the CPU."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeFileError(f"{path}: holds objects that a checkpoint never holds; not loaded ({error})") from error
    except Exception as error:  # a damaged pickle raises almost anything
        raise DataError(f"{path}: cannot be read ({type(error).__name__}: {error})") from error


def weights_bytes(weights: dict[str, torch.Tensor]) -> bytes:
    """A state dict as safetensors bytes; tensors that share memory are each stored whole."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()})


def weights_file(folder: PathLike, name: str | None = None) -> Path:
    """The file of the weights of a name such as 'final_model'; of the best, else of the final ones, when None."""
    files = [Path(folder) / f"{each}.safetensors" for each in ([name] if name else ["best_model", "final_model"])]
    return next((file for file in files if file.exists()), files[-1])


def load_weights(path: PathLike) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, on the CPU."""
    path = Path(path)
    try:
        with path.open("rb"):
            return safetensors.torch.load_file(path)
    except OSError as error:
        raise DataError(not_read(path, error, "weights")) from error
    except safetensors.SafetensorError as error:
        raise DataError(f"{path}: is not a valid safetensors file ({error})") from error


def load_weights_text(path: PathLike) -> dict[str, str]:
    """The texts that a safetensors file keeps beside its tensors."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            return file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise DataError(f"{path}: is not a valid safetensors file ({error})") from error


def cloned(value: Any) -> Any:
    """A copy of the tensors in dicts and lists; everything else stays itself."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: cloned(item) for key, item in value.items()}
    return [cloned(item) for item in value] if isinstance(value, (list, tuple)) else value


def size_of(state: Mapping[str, torch.Tensor]) -> int:
    """Bytes of the tensors of a state dict."""
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())


NOT_NPZ = (ValueError, OSError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error)


def write_npz(path: PathLike, **arrays: np.ndarray) -> Path:
    """Replace the file `path` by the named arrays, compressed."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return atomic_write(path, buffer.getvalue())


def read_npz(path: PathLike) -> dict[str, np.ndarray]:
    """The arrays of an npz file; pickled objects are refused."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except NOT_NPZ as error:
        if isinstance(error, ValueError) and not zipfile.is_zipfile(path):  # numpy then advises to load a pickle
            raise DataError(f"{path}: is no npz file, or is damaged") from error
        raise DataError(f"{path}: is not a readable npz file ({error})") from error
