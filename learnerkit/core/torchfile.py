"""A .pt file of unknown origin as plain values: tensors, arrays, numbers, text, dates; nothing of the file is called.

torch's own `weights_only` reader does the work. The names of numpy and pathlib that harmless files hold are answered by
stand-ins of this module, for a real dtype takes from a file a state that gives numbers out as addresses.
"""

import contextlib
import datetime
import math
import pickle
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.core.files import PathLike

NUMBERS_AND_TEXT = re.compile(r"b1|[iu][1248]|f[248]|[US]\d{1,6}")


class _Dtype:
    """Stands for a numpy dtype of numbers or text."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not NUMBERS_AND_TEXT.fullmatch(code):
            raise UnsafeFileError(f"holds numpy values of dtype {code}; numbers and text are read")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for a numpy array; `plain` gives the array."""

    array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, stored, fortran, data = state
        if not isinstance(stored, _Dtype) or math.prod(shape) * stored.dtype.itemsize != len(data):
            raise UnsafeFileError(f"holds a numpy array of shape {shape} that does not fit its {len(data)} bytes")
        self.array = np.frombuffer(data, stored.dtype).reshape(shape, order="F" if fortran else "C").copy()


def _empty_array(*_: Any) -> _Array:
    return _Array()


def _number(stored: Any, data: Any) -> Any:
    if not isinstance(stored, _Dtype) or len(data) != stored.dtype.itemsize:
        raise UnsafeFileError("holds a numpy number that does not fit its bytes")
    return np.frombuffer(data, stored.dtype)[0].item()


def _path(*parts: str) -> str:
    return "/".join(part.rstrip("/\\") for part in parts)


def _no_bytes() -> bytes:
    return b""


PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
STAND_INS = [
    (_Dtype, "numpy.dtype"),
    (_Array, "numpy.ndarray"),
    (_no_bytes, "builtins.bytes"),
    *((_empty_array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_path, f"{module}.{kind}") for module in ("pathlib", "pathlib._local") for kind in PATHS),
    *((getattr(datetime, kind), f"datetime.{kind}") for kind in ("datetime", "date", "time", "timedelta", "timezone")),
]


@contextlib.contextmanager
def _these_alone() -> Iterator[None]:
    """Within the block torch takes the names of `STAND_INS` beside its own, and none that a script has allowed it."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(STAND_INS)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def read_torch(path: PathLike) -> Any:
    """The content of a file of `torch.save`; numpy arrays in it are given out by `plain`, paths are text.

    UnsafeFileError names an object that would have to be called, DataError says how the file is damaged.
    """
    try:
        with _these_alone(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own words; the errors have better ones
            return torch.load(path, map_location="cpu", weights_only=True)
    except (UnsafeFileError, pickle.UnpicklingError) as error:
        what = str(error) if isinstance(error, UnsafeFileError) else _asked(str(error))
        raise UnsafeFileError(f"{what}; nothing was loaded or run") from None
    except Exception as error:  # a damaged file raises almost anything
        what = str(error).split("\n")[0][:160]
        raise DataError(f"cannot be read: truncated or no .pt file ({type(error).__name__}: {what})") from None


def _asked(text: str) -> str:
    """What torch refused, in words."""
    if found := re.search(r"GLOBAL ([\w.]+)", text):
        return f"asks for {found[1]}, an object that is made by running its code"
    if found := re.search(r"Unsupported operand \d+", text):
        return f"is no file of torch.save, or of another pickle protocol than its own ({found[0]})"
    what = re.split(r"WeightsUnpickler error: ", text)[-1].strip().split("\n")[0][:160]
    return f"asks for what plain values never need ({what})"


def plain(value: Any) -> Any:
    """A value out of `read_torch` with what it stands for."""
    return value.array if isinstance(value, _Array) else value
