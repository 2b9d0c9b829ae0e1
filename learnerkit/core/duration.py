"""Times as people write them: '90s', '30m', '1h30m'; and how long a call takes."""

import re
import time
from collections.abc import Callable
from typing import Any

UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
FORM = re.compile("".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in UNITS))


def seconds_of(text: str) -> float:
    """The seconds of a duration such as '90s', '30m', '1h30m' or '2d'; ValueError for anything else, and for none."""
    found = FORM.fullmatch(text.strip().lower().replace(" ", ""))
    seconds = (
        sum(float(part) * unit for part, unit in zip(found.groups(), UNITS.values(), strict=True) if part)
        if found
        else 0
    )
    if not seconds:
        raise ValueError(f"{text!r} is no duration; say 90s, 30m, 2h or 1h30m")
    return seconds


def shown_duration(seconds: float) -> str:
    """Seconds for people: '45 s', '12 min', '3 h 05 min', '2 d 4 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def durations(
    step: Callable[[], Any],
    repeats: int,
    warmup: int = 0,
    wait: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each of `repeats` calls, after some that are not timed.

    wait: returns once the device has done what it was told; clock: seconds.
    """
    for _ in range(warmup):
        step()
    wait()
    found = []
    for _ in range(repeats):
        begun = clock()
        step()
        wait()
        found.append(clock() - begun)
    return found
