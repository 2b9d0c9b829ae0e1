"""What stands for numpy's own names where a pickle of plain values is read: filled from bytes alone, nothing is called.

A real dtype takes a state from the file that can give numbers out as addresses; these take a code and a byte order. The
format (reconstruct, dtype, state tuple) is numpy's: numpy/_core/src/multiarray/methods.c, `array_setstate`.
"""

import math
import re
from typing import Any, ClassVar

import numpy as np

from learnerkit.core.errors import UnsafeFileError

MOST_BYTES = 2**31


class Dtype:
    """Stands for a numpy dtype of numbers or text."""

    KINDS: ClassVar[re.Pattern[str]] = re.compile(r"b1|[iu][1248]|f[248]|[US]\d{1,6}")

    def __init__(self, code: Any, *_: Any) -> None:
        code = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(code, str) or not self.KINDS.fullmatch(code):
            raise UnsafeFileError(f"holds an array of dtype {code!r}; numbers and text are read")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        order = order.decode("latin1") if isinstance(order, bytes) else order
        if order not in ("<", ">", "|", "="):
            raise UnsafeFileError(f"holds an array of byte order {order!r}")
        self.order = order

    def filled(self, data: Any, shape: Any, order: str) -> Any:
        """The array of some bytes, in the machine's byte order.

        data: bytes, or text that stands for them; order: 'C' or 'F'.
        """
        kind, raw = np.dtype(self.order + self.code), data.encode("latin1") if isinstance(data, str) else data
        size = math.prod(shape) * kind.itemsize
        if not isinstance(raw, (bytes, bytearray)) or len(raw) != size or size > MOST_BYTES:
            raise UnsafeFileError(f"holds an array of shape {shape} that does not fit its bytes")
        return np.frombuffer(raw, kind).reshape(shape, order=order).astype(kind.newbyteorder("="))


class Array:
    """Stands for an empty ndarray that is filled from the state tuple."""

    array: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.array = filled(dtype, data, shape, "F" if fortran else "C")


def filled(dtype: Any, data: Any, shape: Any, order: str) -> Any:
    """What `Dtype.filled` gives; UnsafeFileError where the file has something else for a dtype."""
    if not isinstance(dtype, Dtype):
        raise UnsafeFileError(f"holds an array whose dtype is a {type(dtype).__name__}")
    return dtype.filled(data, shape, order)


def number(dtype: Any, data: Any) -> Any:
    """One number or text."""
    return filled(dtype, data, (1,), "C")[0].item()
