"""The table of a sweep while it runs: live in a terminal, a line a trial elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from learnerkit.core.text import shortened
from learnerkit.runs.eta import TimeLeft
from learnerkit.runs.trials import Trial

COLORS = {"waiting": "dim", "running": "yellow", "done": "green", "failed": "red"}


class SweepTable:
    """Shows trials; `show` is called with them as they go on.

    console: where to; left: of the whole sweep.
    """

    def __init__(self, console: Console, left: TimeLeft) -> None:
        self.console, self.left = console, left
        self.said = {trial.name for trial in left.trials if trial.state == "done"}  # by an earlier call
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.drawn = 0.0

    def __enter__(self) -> "SweepTable":
        if self.live:
            self.live.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.__exit__(kind, error, trace)

    def show(self, trials: list[Trial], last: bool = False, doing: str = "", number: int = 0) -> None:
        """Draw the trials as they stand, twice a second at most.

        doing: what is done after all are trained; number: the how manieth of it.
        """
        if self.live is None:
            for trial in trials:
                if trial.state in ("done", "failed") and trial.name not in self.said:
                    self.said.add(trial.name)
                    self.console.print(f"{_line(trial)}  {self._course(trials)}")
            if number == 1:
                self.console.print(f"  {doing}")
            return
        if last or doing or time.monotonic() - self.drawn > 0.5:
            self.drawn = time.monotonic()
            course = f"{doing}: {number}" if doing else self._course(trials)
            self.live.update(draw(trials, course, self.console.height - 6), refresh=True)

    def _course(self, trials: list[Trial]) -> str:
        """How far the sweep is, and how long it will still take."""
        ended = sum(trial.state in ("done", "failed") for trial in trials)
        left = self.left.text()
        return f"({ended} of {len(trials)}{f', {left}' if left else ''})"


def _line(trial: Trial) -> str:
    epochs, best, _ = trial.progress()
    value = f"  {trial.recipe.train.monitor} {best:.4f}" if best is not None else ""
    return f"  {trial.name:<32} {trial.state}  {epochs} epochs{value}{'  ' + trial.reason if trial.reason else ''}"


def draw(trials: list[Trial], course: str = "", most: int | None = None) -> Table:
    """State, epochs, best figure and time left of each trial.

    course: how far the sweep is; most: rows that there is room for: what runs and what failed goes before the rest.
    """
    done = sum(trial.state == "done" for trial in trials)
    table = Table(title=f"{done} of {len(trials)} trials done {course}")
    for head in ("trial", "state", "epochs", f"best {trials[0].recipe.train.monitor}", "time left"):
        table.add_column(head)
    for trial in _first(trials, most):
        epochs, best, seconds = trial.progress()
        total = trial.recipe.train.epochs
        left = f"{seconds * (total - epochs):,.0f} s" if seconds is not None and trial.state == "running" else ""
        shown = f"{best:.4f}" if best is not None else ""
        state = Text(trial.state, style=COLORS[trial.state])
        table.add_row(trial.name, state, f"{epochs}/{total}", shown, shortened(trial.reason, 60) or left)
    return table


def _first(trials: list[Trial], most: int | None) -> list[Trial]:
    """As many trials as there is room for, in their order: those that run and have failed, then the last that ended."""
    if most is None or len(trials) <= most:
        return trials
    urgent = {"running": 0, "failed": 1, "done": 2, "waiting": 3}
    places = sorted(range(len(trials)), key=lambda place: (urgent[trials[place].state], -place))
    return [trials[place] for place in sorted(places[: max(1, most)])]
