"""An unpickler for sets of images that can build only bytes, text, numbers, lists, dicts and plain numpy arrays.

The few numpy names that such files use are answered by `core.standins`; nothing is imported and nothing of the file is
called. Every other name is refused, by name.
"""

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.core.standins import Array, Dtype, filled, number


class _Dtype(Dtype):
    """Stands for a dtype of objects too: such an array is a list, and is read as one."""

    KINDS = re.compile(rf"{Dtype.KINDS.pattern}|O8?")

    def filled(self, data: Any, shape: Any, order: str) -> Any:
        """The array of some bytes; the list itself where it is of objects."""
        if self.code[0] != "O":
            return super().filled(data, shape, order)
        if not isinstance(data, list) or len(shape) != 1 or len(data) != shape[0]:
            raise UnsafeFileError("holds an array of objects; numbers and text are read")
        return data


class _Call:
    """A function that a pickle may call but not change: it takes no attributes and no state."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise UnsafeFileError("tries to change a function")


class _Reconstruct(_Call):
    def __call__(self, *_: Any) -> Array:
        return Array()


class _FromBuffer(_Call):
    def __call__(self, data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> Array:
        array = Array()
        array.array = filled(dtype, data, shape, "F" if order == "F" else "C")
        return array


class _Scalar(_Call):
    def __call__(self, dtype: Any, data: Any) -> Any:
        return number(dtype, data)


class _Encode(_Call):
    def __call__(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding not in ("latin1", "utf-8"):
            raise UnsafeFileError(f"asks for the encoding {encoding!r}")
        return text.encode(encoding)


_RECONSTRUCT = _Reconstruct()
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): _Scalar(),
    ("numpy._core.multiarray", "scalar"): _Scalar(),
    ("numpy.core.numeric", "_frombuffer"): _FromBuffer(),
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer(),
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encode(),
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafeFileError(
                f"asks for {module}.{name}, which a set of images never needs; it was not loaded and nothing was run"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafeFileError("asks for a persistent object, which a set of images never needs")


MAX_OPCODES = 5_000_000
MOST_DEEP = 5  # lists in lists: rows of pictures of channels


def _scan(data: bytes) -> None:
    """Refuse, before anything is built, opcodes that no such file has and memo numbers that would claim memory."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in _OPCODES:
            raise UnsafeFileError(f"uses the pickle operation {opcode.name}, which a set of images never needs")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:
            raise UnsafeFileError(f"claims a memo of {argument:,} entries after {count:,} operations")
        if count > MAX_OPCODES:
            raise UnsafeFileError(f"has more than {MAX_OPCODES:,} operations")


_NAMES = """PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 BINFLOAT
    STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE
    SHORT_BINUNICODE BINUNICODE8
    EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD"""
_OPCODES = frozenset(re.split(r"\s+", _NAMES))


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, Array):
        if value.array is None:
            raise UnsafeFileError("holds an array without content")
        return value.array if isinstance(value.array, np.ndarray) else [_plain(item, MOST_DEEP) for item in value.array]
    if isinstance(value, bytes):
        return value.decode("latin1")
    if depth < MOST_DEEP and isinstance(value, dict):
        return {_plain(key, depth + 1): _plain(item, depth + 1) for key, item in value.items()}
    if depth < MOST_DEEP and isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise UnsafeFileError(f"holds a {type(value).__name__} at depth {depth}, which a set of images never does")


def load_set_pickle(data: bytes, name: str) -> dict[str, Any]:
    """The dict of a pickled set of images, keys and strings as str, arrays as they are.

    A lone array is its 'data', a pair of arrays its 'data' and 'labels'.

    data: the bytes of the file.
    name: how errors call the file.
    Raises UnsafeFileError when it asks for anything else, DataError when it is damaged.
    """
    try:
        _scan(data)
        value = _plain(_Restricted(io.BytesIO(data), encoding="bytes").load())
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{name}: {error}") from None
    except Exception as error:  # a damaged pickle raises almost anything
        raise DataError(f"{name}: is truncated or not a pickle ({error})") from error
    if isinstance(value, np.ndarray):
        return {"data": value}
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], np.ndarray):
        return {"data": value[0], "labels": value[1]}
    if not isinstance(value, dict):
        raise DataError(f"{name}: holds a {type(value).__name__}; a dict is needed, with data and labels")
    return value
