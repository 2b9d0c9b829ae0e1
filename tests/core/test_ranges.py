"""The types of arguments: what each takes, and how what it does not take is named."""

from typing import Any, Literal

import numpy as np
import pytest

from learnerkit.core.errors import RecipeError
from learnerkit.core.ranges import (
    AtLeastOne,
    Count,
    Degrees,
    Factor,
    Flag,
    FrameSide,
    Inner,
    Lot,
    NotNegative,
    Number,
    Operations,
    Positive,
    Seed,
    Share,
    ShareBelowOne,
    Side,
    SplitShares,
    checked,
    is_ranged,
    range_fault,
    ranges_of,
)

NAN, INF = float("nan"), float("inf")
TAKEN = {  # values that a type takes, and that it does not
    Count: ((0, 7, np.int64(3)), (-1, 2.5, 2.0, True, "8", None)),
    AtLeastOne: ((1, 9), (0, -1, 1.5, True)),
    Side: ((8, 32), (7, 0)),
    FrameSide: ((32, 640), (31, (32, 32))),
    Seed: ((0, 2**63 - 1), (-1, 2**63, 1.0)),
    Lot: ((0, 2**32 - 1), (2**32, -1)),
    Number: ((-1, 0.5), (NAN, INF, "1", True)),
    NotNegative: ((0, 0.5, np.float32(0.25)), (-0.1, NAN, INF)),
    Positive: ((1e-9, 3), (0, -1, NAN)),
    Share: ((0, 1, 0.5), (-0.1, 1.5, NAN, True)),
    ShareBelowOne: ((0, 0.99), (1, -0.1)),
    Inner: ((0.5,), (0, 1)),
    Factor: ((0.1, 1), (0, 1.1)),
    Degrees: ((0, 15, 180), (-1, 181)),
    Flag: ((True, False), (1, 0, "yes", None)),
    Operations: (((2, 9), [1, 0]), ((2, 31), (0, 9), (2,), 2)),
    SplitShares: (((0.8, 0.2), [0.7, 0.15, 0.15]), ((0.8, 0.3), (1.0,), (1.5, -0.5))),
    Literal["fine", "coarse"]: (("fine", "coarse"), ("x", 1)),
    Share | None: ((None, 0.5), (2,)),
}


@pytest.mark.parametrize(("kind", "values"), TAKEN.items(), ids=map(str, range(len(TAKEN))))
def test_each_type_takes_its_values_alone(kind, values):
    assert is_ranged(kind)
    assert [value for value in values[0] if range_fault(value, kind)] == []
    assert [value for value in values[1] if not range_fault(value, kind)] == []


def test_types_that_say_no_values_are_left_alone():
    def function(path: str, data: Any, share: Share = 1, flag: bool = False, *more: int, **others: int) -> int:
        return len(more)

    assert ranges_of(function) == {"share": Share, "flag": bool}
    assert checked(function)("a", object(), 0.5, False, -1, -2, other=-3) == 2


def test_every_fault_is_named_in_one_message():
    class Thing:
        @checked
        def __init__(self, n: AtLeastOne, p: Share = 0.5, kind: Literal["plain", "mirrored"] = "plain") -> None:
            self.n, self.p, self.kind = n, p, kind

    assert Thing(2, kind="mirrored").n == 2
    with pytest.raises(RecipeError, match=r"Thing\(n=0\).*Thing\(p=1\.5\).*Thing\(kind='plane'\).*did you mean plain"):
        Thing(0, 1.5, "plane")
    with pytest.raises(TypeError, match="missing 1 required"):
        Thing()
