"""What a sweep has found: a row a trial, from the run folders alone; as CSV and JSON, as pictures, on a page."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from learnerkit.core.errors import LearnerkitError
from learnerkit.core.files import atomic_write, write_json
from learnerkit.core.monitor import direction
from learnerkit.core.profiles import common_basis, differs, read_summary
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.text import formatted
from learnerkit.pages.figure import write_figures
from learnerkit.pages.page import embedded, render
from learnerkit.pages.sweep import draw_against, draw_front, draw_heat_map, front
from learnerkit.runs.trials import Trial
from learnerkit.tasks import get_task

COSTS = {"latency_ms": "latency of an image in ms", "multiply_adds": "multiply-adds of an image"}
MEMORY = {"inference_memory_mb": "memory of inference in MB", "peak_memory_mb": "memory of the training process in MB"}
SUMMARIES = "model_summaries"  # of a profile; below it a folder a model, and in that one a size
PICTURES = {"against": "Against {axis}", "front": "Accuracy against cost", "heat_map": "Every cell"}
SHOWN = ("trial", "state", "epochs", "seconds", "parameters", *COSTS, *MEMORY)


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


def numeric_axis(rows: Sequence[dict[str, Any]], axes: Sequence[str]) -> str | None:
    """The axis of numbers that figures are drawn against: the size where there is one, else the first but the seed."""
    found = [axis for axis in axes if axis != "seed" and len({row[axis] for row in rows}) > 1]
    numbers = [axis for axis in found if all(type(row[axis]) in (int, float) for row in rows)]
    return "size" if "size" in numbers else next(iter(numbers), None)


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


def draw_sweep(trials: Sequence[Trial], rows: Sequence[dict[str, Any]]) -> dict[str, Figure]:
    """The pictures of a sweep by their names; none before a trial has been measured, or of what no trial knows."""
    axes, measures = list(trials[0].chosen), _measures(trials[0], rows)
    axis, done = numeric_axis(rows, axes), [row for row in alike(rows) if row["state"] == "done"]
    if not done or not measures:
        return {}
    others = [key for key in axes if key not in (axis, "seed")]
    done = [{**row, "variant": " ".join(str(row[key]) for key in others) or row["trial"]} for row in done]
    known = {key: title for key, title in {**COSTS, **MEMORY}.items() if any(row.get(key) for row in done)}
    memory = next((key for key in MEMORY if key in known), None)
    figures: dict[str, Figure] = {}
    if axis is not None:
        shown = [key for key in ("latency_ms", memory) if key in known]
        drawn = {**dict(list(measures.items())[:2]), **{key: known[key] for key in shown}}
        figures["against"] = draw_against(done, axis, "variant", drawn, shown)
    first = next(iter(measures.items()))
    if costs := {key: title for key, title in COSTS.items() if key in known}:
        figures["front"] = draw_front(
            over_seeds(done, axes), first, costs, lambda row: row["variant"], sign_of(trials[0])
        )
    if axis is not None and len({row["variant"] for row in done}) > 1:
        figures["heat_map"] = draw_heat_map(done, axis, "variant", first, "{:.3f}")
    return figures


def _measures(trial: Trial, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The measures of a task that the rows have, on test where they were measured there, with their titles."""
    names = get_task(trial.recipe.task).measures
    part = next((part for part in ("test", "valid") if any(f"{part}_{names[0]}" in row for row in rows)), None)
    return {f"{part}_{name}": f"{part} {name.replace('_', ' ').replace('f1', 'F1')}" for name in names} if part else {}


def write_results(trials: Sequence[Trial], out: Path) -> list[dict[str, Any]]:
    """Write results.csv and results.json of a sweep; returns the rows."""
    rows = rows_of(trials)
    atomic_write(out / "results.csv", csv_text(rows))
    write_json(out / "results.json", {"trials": rows})
    return rows


def write_summary(trials: Sequence[Trial], out: Path) -> Path:
    """Write results, pictures, the summaries of the models and the page of a sweep; returns the page."""
    rows = write_results(trials, out)
    for trial in trials:
        if (made := trial.path / "profile" / SUMMARIES).is_dir():
            shutil.copytree(made, out / SUMMARIES, dirs_exist_ok=True)
    files = write_figures(out / "figures", draw_sweep(trials, rows))
    axes, measures = list(trials[0].chosen), _measures(trials[0], rows)
    axis = numeric_axis(rows, axes)
    keys = [key for key in (*SHOWN[:2], *axes, *measures, *SHOWN[2:]) if any(row.get(key) is not None for row in rows)]
    page = render(
        "sweep.html.j2",
        name=out.resolve().name,
        said=said_of(trials, rows),
        heads=[key.replace("_", " ") for key in keys],
        rows=[[_cell(row.get(key)) for key in keys] for row in rows],
        failed=[f"{row['trial']}: {row['reason']}" for row in rows if row["state"] == "failed"],
        marked=marked(rows),
        pictures=[(PICTURES[name].format(axis=axis), embedded(file)) for name, file in files.items()],
    )
    atomic_write(out / "summary.html", page)
    return out / "summary.html"


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


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return formatted(value, "{:,.0f}" if abs(value) >= 1000 else "{}" if isinstance(value, int) else "{:.4g}")
