"""Among how many processes this one was started, by the environment that torchrun and `accelerate launch` leave."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from learnerkit.core.errors import RecipeError

PATIENCE_S = 8.0  # of one that has nothing to say; the other may still be importing


@dataclass
class Place:
    """Which process this is, also before the others are joined and once they are left.

    rank: its number; speaker: the number of the one that says how a training ended; alone: whether others are ignored.
    """

    rank: int = 0
    speaker: int = 0
    alone: bool = False


PLACE = Place()


def processes() -> int:
    """How many processes were started together; 1 for one by itself. RecipeError where WORLD_SIZE is no number."""
    text = os.environ.get("WORLD_SIZE", "1")
    if not text.isdecimal() or not int(text):
        raise RecipeError(f"WORLD_SIZE={text}: is no number of processes; torchrun sets it, by itself leave it unset")
    return int(text)


def refuse_several(command: str) -> None:
    """RecipeError where a command that runs in one process was started in several."""
    if (number := processes()) > 1:
        raise RecipeError(
            f"learnerkit {command}: runs in one process, and was started in {number} (WORLD_SIZE is set); `learnerkit "
            "train` alone runs in several. Start it without torchrun and accelerate launch"
        )


@contextlib.contextmanager
def only_first_is_heard() -> Iterator[None]:
    """Within the block what the others of several processes print goes nowhere."""
    place = os.environ.get("RANK", "0")
    if processes() > 1 and not place.isdecimal():
        raise RecipeError(f"RANK={place}: is no number of a process; torchrun and accelerate launch set it, from 0 on")
    PLACE.rank = int(place) if processes() > 1 else 0
    with contextlib.ExitStack() as stack:
        if PLACE.rank:
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield


def leave_the_word() -> None:
    """Where this process ends by an error that another one tells: let that one end first, or torchrun would end it."""
    if not speaks():
        time.sleep(PATIENCE_S)


def speaks() -> bool:
    """Whether this is the process that says how a training ended: the first of those that are left."""
    return PLACE.rank == PLACE.speaker
