"""Flags by other libraries' names are refused with the right one, and the page of habits lists them all."""

from pathlib import Path

import pytest

from learnerkit.core.errors import MEANT
from learnerkit.runs.options import foreign_flags

PAGE = Path(__file__).parents[1] / "nbs" / "habits.md"


def table():
    """The table of the page: ours, and what it is called elsewhere."""
    found: dict[str, list[str]] = {}
    for name, ours in sorted(foreign_flags().items()):
        found.setdefault(ours, []).append(f"`{name}`")
    lines = [f"| `{ours}` | {', '.join(names)} |" for ours, names in sorted(found.items())]
    return "\n".join(["| here | elsewhere |", "|---|---|", *lines]) + "\n"


def test_the_page_lists_them_all():
    written = PAGE.read_text().partition("refused with the right one.\n\n")[2]
    assert written == table(), f"write this into {PAGE.name}:\n{table()}"


@pytest.mark.parametrize("name", foreign_flags())
def test_each_is_refused_with_the_right_one(command, name):
    for words in ([name, "3"], [f"{name}=3"]):
        code, _, err = command("train", "digits", *words)
        assert code == 2 and f"{name}: is called {foreign_flags()[name]} here" in err


def test_words_of_ones_own_are_left_alone(command):
    code, _, err = command("train", "digits", "--epoch_s", "3")
    assert code == 2 and "is called" not in err
    assert "--epochs" not in foreign_flags() and all(ours not in MEANT for ours in ("bs", "lr", "epochs", "out"))
