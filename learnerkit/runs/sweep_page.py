"""The page of a sweep: what it found in sentences, pictures and a table."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from learnerkit.core.files import atomic_write
from learnerkit.core.text import formatted
from learnerkit.pages.figure import write_figures
from learnerkit.pages.page import Picture, Table, embedded, render
from learnerkit.pages.sweep import draw_against, draw_front, draw_heat_map
from learnerkit.runs.sweep_results import alike, marked, over_seeds, said_of, sign_of, write_results
from learnerkit.runs.trials import Trial
from learnerkit.tasks import get_task

COSTS = {"latency_ms": "latency of an image in ms", "multiply_adds": "multiply-adds of an image"}
MEMORY = {"inference_memory_mb": "memory of inference in MB", "peak_memory_mb": "memory of the training process in MB"}
SUMMARIES = "model_summaries"  # of a profile; below it a folder a model, and in that one a size
PICTURES = {"against": "Against {axis}", "front": "Accuracy against cost", "heat_map": "Every cell"}
SHOWN = ("trial", "state", "epochs", "seconds", "parameters", *COSTS, *MEMORY)


def numeric_axis(rows: Sequence[dict[str, Any]], axes: Sequence[str]) -> str | None:
    """The axis of numbers that figures are drawn against: the size where there is one, else the first but the seed."""
    found = [axis for axis in axes if axis != "seed" and len({row[axis] for row in rows}) > 1]
    numbers = [axis for axis in found if all(type(row[axis]) in (int, float) for row in rows)]
    return "size" if "size" in numbers else next(iter(numbers), None)


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
    heads, cells = (key.replace("_", " ") for key in keys), [tuple(_cell(row.get(key)) for key in keys) for row in rows]
    page = render(
        "sweep.html.j2",
        [Picture(PICTURES[name].format(axis=axis), embedded(file)) for name, file in files.items()],
        name=out.resolve().name,
        said=said_of(trials, rows),
        failed=[f"{row['trial']}: {row['reason']}" for row in rows if row["state"] == "failed"],
        marked=marked(rows),
        trials=Table("Trials", tuple(heads), cells),
    )
    atomic_write(out / "summary.html", page)
    return out / "summary.html"


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return formatted(value, "{:,.0f}" if abs(value) >= 1000 else "{}" if isinstance(value, int) else "{:.4g}")
