"""An unpickler for the official CIFAR files that can build only bytes, str, int, list, dict and uint8 arrays.

The three numpy names that those files use are answered by functions of this module; nothing is imported and nothing
of the file is called. Every other name is refused, by name. The format of a pickled numpy array (reconstruct, dtype,
state tuple) is numpy's own: numpy/core/src/multiarray/methods.c, `array_setstate`.
"""

import io
import pickle
import pickletools
import re
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


class _Call:
    """A function that a pickle may call but not change: it takes no attributes and no state."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise UnsafeFileError("tries to change a function")


class _Reconstruct(_Call):
    def __call__(self, *_: Any) -> _Array:
        return _Array()


class _Encode(_Call):
    def __call__(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding not in ("latin1", "utf-8"):
            raise UnsafeFileError(f"asks for the encoding {encoding!r}")
        return text.encode(encoding)


_RECONSTRUCT = _Reconstruct()
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encode(),
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


MAX_OPCODES = 5_000_000


def _scan(data: bytes) -> None:
    """Refuse, before anything is built, opcodes that no CIFAR file has and memo numbers that would claim memory."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in _OPCODES:
            raise UnsafeFileError(f"uses the pickle operation {opcode.name}, which a CIFAR file never needs")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:
            raise UnsafeFileError(f"claims a memo of {argument:,} entries after {count:,} operations")
        if count > MAX_OPCODES:
            raise UnsafeFileError(f"has more than {MAX_OPCODES:,} operations")


_NAMES = """PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1
    STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD"""
_OPCODES = frozenset(re.split(r"\s+", _NAMES))


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, _Array):
        if value.array is None:
            raise UnsafeFileError("holds an array without content")
        return value.array
    if isinstance(value, bytes):
        return value.decode("latin1")
    if depth < 3 and isinstance(value, dict):
        return {_plain(key, depth + 1): _plain(item, depth + 1) for key, item in value.items()}
    if depth < 3 and isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (str, int)):
        return value
    raise UnsafeFileError(f"holds a {type(value).__name__} at depth {depth}, which a CIFAR file never does")


def load_cifar_pickle(data: bytes, name: str) -> dict[str, Any]:
    """The dict of one official CIFAR batch or meta file, keys and strings as str, pixels as a uint8 array.

    data: the bytes of the file.
    name: how errors call the file.
    Raises UnsafeFileError when it asks for anything else, DataError when it is damaged.
    """
    try:
        _scan(data)
        value = _plain(_Restricted(io.BytesIO(data), encoding="bytes").load())
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{name}: {error}. Get the official file again.") from None
    except Exception as error:  # a damaged pickle raises almost anything
        raise DataError(f"{name}: is truncated or not a pickle ({error}). Get the official file again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{name}: holds a {type(value).__name__}, a CIFAR batch is a dict")
    return value
