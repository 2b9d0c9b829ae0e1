"""How long a sweep will still take, from what its trials have taken so far and what each costs."""

from collections.abc import Sequence

from learnerkit.core.duration import seconds_of, shown_duration
from learnerkit.core.errors import LearnerkitError
from learnerkit.runs.trials import Trial
from learnerkit.tasks import get_task


class TimeLeft:
    """The time left of a sweep: epochs to go, each weighed by what its task says that one costs.

    trials: all of them; jobs: at a time.
    """

    def __init__(self, trials: Sequence[Trial], jobs: int = 1) -> None:
        self.trials, self.jobs = trials, jobs
        self.costs = _costs(trials)
        self.known = {trial.name: _spent(trial) for trial in trials if trial.state == "done"}

    def seconds(self) -> float | None:
        """Seconds left; None before the first epoch of any trial has ended."""
        work = spent = left = given = 0.0
        for trial in self.trials:
            ended = trial.state in ("done", "failed")
            if ended and trial.name not in self.known:
                self.known[trial.name] = _spent(trial)
            epochs, seconds = self.known.get(trial.name) or _spent(trial)
            cost = self.costs[trial.name]
            work, spent = work + epochs * cost, spent + seconds
            if ended:
                continue
            if (budget := trial.recipe.train.budget) is not None:
                given += max(0.0, seconds_of(budget) - seconds)
            else:
                left += max(0, trial.recipe.train.epochs - epochs) * cost
        return (spent / work * left + given) / self.jobs if work else None

    def text(self) -> str:
        """The time left in words; '' before anything is known of it."""
        seconds = self.seconds()
        return f"about {shown_duration(seconds)} left" if seconds else ""


def _spent(trial: Trial) -> tuple[int, float]:
    """Epochs that a trial has trained, and their seconds."""
    epochs, _, each = trial.progress()
    return epochs, epochs * (each or 0)


def _costs(trials: Sequence[Trial]) -> dict[str, float]:
    """What an epoch of each trial costs by its name; the mean of the others where that cannot be told."""
    alike = {trial.name: repr((trial.recipe.task, trial.recipe.data, trial.recipe.model)) for trial in trials}
    asked = {alike[trial.name]: trial for trial in trials}  # once for those of several seeds or rates
    known = {key: _cost(trial) for key, trial in asked.items()}
    told = [known[key] for key in alike.values() if known[key] is not None]
    usual = sum(told) / len(told) if told else 1.0
    return {name: usual if known[key] is None else known[key] for name, key in alike.items()}


def _cost(trial: Trial) -> float | None:
    try:
        return get_task(trial.recipe.task).cost(trial.recipe)
    except LearnerkitError:  # its model cannot be: it will fail at once
        return 0.0
    except Exception:  # a model may need data for it
        return None
