"""An unpickler for the official CIFAR files that can build only bytes, str, int, list, dict and uint8 arrays.

The three numpy names that those files use are answered by functions of this module; nothing is imported and nothing
of the file is called. Every other name is refused, by name. The format of a pickled numpy array (reconstruct, dtype,
state tuple) is numpy's own: numpy/core/src/multiarray/methods.c, `array_setstate`.
"""

import io
import pickle
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError, UnsafeFileError


class _Dtype:
    """Stands for numpy.dtype('u1'), the only one allowed."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("u1", b"u1"):
            raise UnsafeFileError(f"holds an array of dtype {code!r}; only uint8 is read")

    def __setstate__(self, state: Any) -> None:
        """The byte order and flags of u1 carry nothing."""


class _Array:
    """Stands for an empty ndarray that is filled from the state tuple."""

    array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        size = int(np.prod(shape))
        if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, str)) or len(data) != size or size > 2**31:
            raise UnsafeFileError(f"holds an array of shape {shape} that does not fit its {len(data)} bytes")
        raw = data if isinstance(data, bytes) else data.encode("latin1")
        self.array = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C").copy()


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "utf-8"):
        raise UnsafeFileError(f"asks for the encoding {encoding!r}")
    return text.encode(encoding)


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafeFileError(
                f"asks for {module}.{name}, which a CIFAR file never needs; it was not loaded and nothing was run"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafeFileError("asks for a persistent object, which a CIFAR file never needs")


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.array is None:
            raise UnsafeFileError("holds an array without content")
        return value.array
    if isinstance(value, bytes):
        return value.decode("latin1")
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int)):
        return value
    raise UnsafeFileError(f"holds a {type(value).__name__}, which a CIFAR file never does")


def load_cifar_pickle(data: bytes, name: str) -> dict[str, Any]:
    """The dict of one official CIFAR batch or meta file, keys and strings as str, pixels as a uint8 array.

    data: the bytes of the file.
    name: how errors call the file.
    Raises UnsafeFileError when it asks for anything else, DataError when it is damaged.
    """
    try:
        value = _plain(_Restricted(io.BytesIO(data), encoding="bytes").load())
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{name}: {error}. Get the official file again.") from None
    except Exception as error:  # a damaged pickle raises almost anything
        raise DataError(f"{name}: is truncated or not a pickle ({error}). Get the official file again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{name}: holds a {type(value).__name__}, a CIFAR batch is a dict")
    return value
