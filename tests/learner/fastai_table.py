"""The table of fastai's methods on the three tasks: which there are, and what is known of each."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastai.interpret import ClassificationInterpretation, Interpretation

from learnerkit._fastai import DataLoaders, Learner, TfmdDL

TASKS = ("classify", "fuse", "detect")
OWNERS = {kind.__name__: kind for kind in (Learner, DataLoaders, TfmdDL, Interpretation, ClassificationInterpretation)}
LEFT_OVER = {"o"}  # the variable of a loop in the body of fastai's DataLoader
HEAD = """# fastai's methods on the three tasks

Every public method and property of fastai's `Learner`, `DataLoaders`, `TfmdDL` and `Interpretation`, found by
inspection, and its callbacks. Each cell is a test: a real call on a small learner of that task, and what it asserts of
the result. *Refused* means one error of learnerkit's that says what to use instead; *same*: as in the first column.

`tests/learner/test_fastai_methods.py` holds the calls; this page is written by

    LEARNERKIT_METHODS_TABLE=nbs/fastai_methods.md python -m pytest tests/learner/test_fastai_methods.py

fastai's own `distributed` module needs the package accelerate and is not imported by learnerkit."""


@dataclass(frozen=True)
class Case:
    """One cell: a call that is tested, and in words what holds.

    refused: the words that name ours in the error; None where it works.
    """

    call: Callable[[Any], None]
    said: str
    refused: str | None = None

    @property
    def text(self) -> str:
        """The cell."""
        return f"*refused*: {self.said}" if self.refused else self.said


ROWS: dict[tuple[str, str], dict[str, Case]] = {}


def enter(owner: str, names: str, said: str, tasks: str, refused: str | None = None) -> Callable[[Callable], Callable]:
    """Decorator: a call that tests methods of a class on some tasks.

    owner: the class; names, tasks: with spaces between; said: what holds; refused: words of the error that names ours.
    """

    def keep(call: Callable) -> Callable:
        for name in names.split():
            for task in tasks.split():
                cells = ROWS.setdefault((owner, name), {})
                assert task not in cells, (owner, name, task)
                cells[task] = Case(call, said, refused)
        return call

    return keep


def public(kind: type) -> set[str]:
    """Names of the public methods and properties of a class, those included that modules of fastai have patched in."""
    return {name for name in dir(kind) if not name.startswith("_") and not inspect.isclass(getattr(kind, name))}


def page() -> str:
    """The table as a page of the documentation."""
    lines = [HEAD]
    owners = list(dict.fromkeys(owner for owner, _ in ROWS))
    for owner in sorted(owners, key=[*OWNERS, *owners].index):
        lines += [f"\n## {owner}\n", f"| | {' | '.join(TASKS)} |", "|---" * (len(TASKS) + 1) + "|"]
        for key, cells in sorted(ROWS.items(), key=lambda row: row[0][1].lower()):
            if key[0] == owner:
                texts = [cells[task].text.replace("|", "\\|") for task in TASKS]
                shown = [texts[0], *("same" if text == texts[0] else text for text in texts[1:])]
                lines.append(f"| `{key[1]}` | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"
