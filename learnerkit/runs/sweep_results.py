"""What a sweep has found: a row a trial, from the run folders alone, and what is to be said of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learnerkit.core.errors import LearnerkitError, RunError
from learnerkit.core.files import atomic_write, write_json
from learnerkit.core.monitor import direction
from learnerkit.core.profiles import common_basis, differs, read_summary
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.pages.sweep import front
from learnerkit.runs.trials import Trial
from learnerkit.tasks import get_task


def rows_of(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """A row a trial: its values of the axes, how it ended, and every figure of its results and of its profile."""
    return [_row(trial) for trial in trials]


def _row(trial: Trial) -> dict[str, Any]:
    row = {"trial": trial.name, **{key: _number(value) for key, value in trial.chosen.items()}}
    row |= {"state": trial.state, "reason": trial.reason}
    if trial.state != "done":
        return row
    try:
        results = RunFolder(trial.path).results()
    except LearnerkitError as error:
        return {**row, "reason": str(error)}
    plain = {key: value for key, value in results.items() if isinstance(value, (int, float, str)) and key not in row}
    return {**row, **plain, **read_summary(trial.path)}


def _number(value: Any) -> Any:
    """An axis's value as a number, where the command line had it as text; a list or mapping as text."""
    if isinstance(value, (list, dict)):
        return str(value)
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def over_seeds(rows: Sequence[dict[str, Any]], axes: Sequence[str]) -> list[dict[str, Any]]:
    """A row for those that differ in their seed alone, with the means of what is known of them; they are called so."""
    if "seed" not in axes:
        return list(rows)
    others, alike = [axis for axis in axes if axis != "seed"], {}
    for row in rows:
        alike.setdefault(tuple(str(row[axis]) for axis in others), []).append(row)
    return [_mean_row(" ".join(values), same) for values, same in alike.items()]


def _mean_row(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    mean = f"mean of {len(rows)} seeds"
    found = {**rows[0], "trial": f"{name} ({mean})" if name else mean} if len(rows) > 1 else dict(rows[0])
    for key in dict.fromkeys(key for row in rows for key in row):
        known = [row[key] for row in rows if type(row.get(key)) in (int, float)]
        if known and (len(set(known)) > 1 or found.get(key) is None):
            found[key] = sum(known) / len(known)
    return found


def write_results(trials: Sequence[Trial], out: Path) -> list[dict[str, Any]]:
    """Write results.csv and results.json of a sweep; returns the rows."""
    rows = rows_of(trials)
    atomic_write(out / "results.csv", csv_text(rows))
    write_json(out / "results.json", {"trials": rows})
    return rows


def sign_of(trial: Trial) -> int:
    """-1 where less of its task's first measure is better, else 1."""
    return -1 if direction(get_task(trial.recipe.task).measures[0]) == "min" else 1


def said_of(trials: Sequence[Trial], rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sweep in a few sentences: how far it is, which trial is best on valid, and which no other beats in cost."""
    states = [trial.state for trial in trials]
    said = [f"{states.count('done')} of {len(trials)} trials are done" + _others(states) + "."]
    said += [f"{trial.name}: {trial.reason}." for trial in trials if trial.state == "done" and trial.reason]
    name = get_task(trials[0].recipe.task).measures[0]
    measured = [row for row in alike(rows) if row.get(f"valid_{name}") is not None]
    known = over_seeds(measured, list(trials[0].chosen))
    if not known:
        return said
    sign = sign_of(trials[0])
    best = max(known, key=lambda row: sign * row[f"valid_{name}"])
    test = f", {best[f'test_{name}']:.4f} on test" if best.get(f"test_{name}") is not None else ""
    said.append(f"Best on valid: {best['trial']} with {name.replace('_', ' ')} {best[f'valid_{name}']:.4f}{test}.")
    timed = [row for row in known if row.get("latency_ms") is not None]
    if timed:
        places = front([(row["latency_ms"], sign * row[f"valid_{name}"]) for row in timed])
        listed = ", ".join(f"{timed[place]['trial']} ({timed[place]['latency_ms']:.2f} ms)" for place in places)
        said.append(f"No other is both faster and better on valid: {listed}.")
    return said


def marked(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The trials whose latency does not rank beside those of the most, each with the reason."""
    usual = common_basis(rows)
    return [f"{row['trial']}: {differs(row, usual)}" for row in rows if differs(row, usual)]


def alike(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without the latencies of those: what may be ranked together."""
    usual = common_basis(rows)
    return [{**row, "latency_ms": None} if differs(row, usual) else row for row in rows]


def _others(states: list[str]) -> str:
    counts = [f"{states.count(state)} {state}" for state in ("failed", "running", "waiting") if state in states]
    return f", {', '.join(counts)}" if counts else ""


def failed(trials: Sequence[Trial]) -> RunError | None:
    """The error of a sweep in which trials failed."""
    lost = [f"{trial.name}: {trial.reason}" for trial in trials if trial.state == "failed"]
    if not lost:
        return None
    error = RunError(
        f"{len(lost)} of {len(trials)} trials failed:\n  " + "\n  ".join(lost) + "\nThe same command runs them again."
    )
    error.exit_code = 1
    return error
