"""The one family of errors, and the helpers that make their messages useful.

A message names the file or argument, what was found, what would be right, and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class LearnerkitError(Exception):
    """Base of every error that a user can repair; the command line prints it without a traceback."""

    exit_code = 2


class DataError(LearnerkitError):
    """A data file, folder or split that cannot be used."""


class UnsafeFileError(DataError):
    """A file that asks for code to be run or memory to be claimed on loading."""


class ModelError(LearnerkitError):
    """An unknown model name or impossible model argument."""


class RecipeError(LearnerkitError):
    """A recipe or argument with wrong keys or values; one message lists all of them."""


class RunError(LearnerkitError):
    """A run folder that is missing, in use, damaged or does not fit."""


class TrainingError(LearnerkitError):
    """Training cannot go on: a loss that is not finite, an unsupported precision."""

    exit_code = 1


class StoppedError(LearnerkitError):
    """A training stopped by Ctrl-C or SIGTERM; the exit code says which."""

    exit_code = 130


MEANT = {  # words of other libraries, for what is called otherwise here
    "batch_size": "bs",
    "callbacks": "cbs",
    "div": "div_factor",
    "div_factor": "div",
    "div_final": "final_div_factor",
    "final_div_factor": "div_final",
    "fractions": "split",
    "img_size": "size",
    "normalize": "stats",
    "padding": "crop",
    "shift": "crop",
    "skip_bad": "bad",
    "valid": "split",
    "valid_pct": "split",
    "weight_decay": "wd",
    "workers": "num_workers",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Words for an error message: the known names nearest to `name`, or all of them when none is near."""
    known = sorted(known)
    if MEANT.get(name) in known:
        return f"did you mean {MEANT[name]}?"
    close = get_close_matches(name, known, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"


def differing(before: Any, now: Any) -> str:
    """Words for what changed: only the keys that differ, where both are mappings."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return ", ".join(f"{key}: {differing(before.get(key), now.get(key))}" for key in keys)
    return f"{before!r}, now {now!r}"


def check_keys(given: Iterable[str], known: Iterable[str], what: str) -> list[str]:
    """One fault line for each of `given` that is not in `known`, with the nearest right key."""
    known = list(known)
    return [f"{what}: unknown key '{key}'; {nearest(key, known)}" for key in given if key not in known]
