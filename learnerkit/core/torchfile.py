"""A .pt file of unknown origin as plain values: tensors, arrays, numbers, text, dates; nothing of the file is called.

torch's own `weights_only` reader does the work. The names of numpy and pathlib that harmless files hold are answered by
`core.standins` and by functions of this module.
"""

import contextlib
import datetime
import pickle
import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from learnerkit.core.errors import DataError, UnsafeFileError
from learnerkit.core.files import PathLike
from learnerkit.core.standins import Array, Dtype, number


def _empty_array(*_: Any) -> Array:
    return Array()


def _path(*parts: str) -> str:
    return "/".join(part.rstrip("/\\") for part in parts)


def _no_bytes() -> bytes:
    return b""


PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
STAND_INS = [
    (Dtype, "numpy.dtype"),
    (Array, "numpy.ndarray"),
    (_no_bytes, "builtins.bytes"),
    *((_empty_array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((number, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
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
        what = re.split(r"\n|\. ", str(error))[0][:160]  # the first sentence; torch's others are about itself
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
    return value.array if isinstance(value, Array) else value
