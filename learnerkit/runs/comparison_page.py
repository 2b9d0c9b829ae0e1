"""The table, the pictures and the page of a comparison."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from matplotlib import colormaps
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from learnerkit.core.files import atomic_write
from learnerkit.core.run_folder import csv_text
from learnerkit.runs.compare import Comparison
from learnerkit.runs.figures import new_figure, plain_text

COLUMNS = (
    ("variant", "variant", "{}"),
    ("n", "runs", "{}"),
    ("test_accuracy", "test accuracy", "{:.2%}"),
    ("test_std", "std over seeds", "{:.2%}"),
    ("valid_accuracy", "valid accuracy", "{:.2%}"),
    ("test_macro_f1", "macro F1", "{:.4f}"),
    ("difference", "behind the best", "{:.2%}"),
    ("interval", "95 % interval", "{}"),
    ("mcnemar_p", "McNemar p", "{:.4f}"),
    ("holm_p", "Holm p", "{:.4f}"),
    ("parameters", "parameters", "{:,.0f}"),
    ("seconds", "seconds", "{:,.0f}"),
)


def shown(row: dict[str, Any], digits: int = 2) -> list[str]:
    """A row of the table as text; '' for what does not apply, 'n/a' for what is undefined.

    digits: of percentages.
    """
    applies = ("difference", "interval", "mcnemar_p", "holm_p", "test_std")
    cells = []
    if row.get("ci_low") is not None:
        row = {**row, "interval": f"{row['ci_low']:.{digits}%} to {row['ci_high']:.{digits}%}"}
    for key, _, form in COLUMNS:
        value, form = row.get(key), form.replace(".2%", f".{digits}%")
        if key in ("mcnemar_p", "holm_p") and value is not None and value < 1e-4:
            value, form = "< .0001", "{}"
        cells.append(form.format(value) if value is not None else "" if key in applies else "n/a")
    return cells


def is_apart(best: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether the best variant is better beyond luck: the test and the interval say so, in the same direction."""
    same_direction = best["ensemble_accuracy"] > row["ensemble_accuracy"]
    return row["holm_p"] < 0.05 and row["ci_low"] > 0 and same_direction


def verdict(comparison: Comparison) -> str:
    """One sentence: the best variant, and from which others it can be told apart."""
    best, *others = comparison.rows
    text = f"Best: {best['variant']}, {best['test_accuracy']:.2%} of {len(comparison.runs[0].targets):,} test samples"
    if not others:
        return text + "; there is no other to compare it with."
    apart = [row["variant"] for row in others if is_apart(best, row)]
    alike = [row["variant"] for row in others if not is_apart(best, row)]
    parts = []
    if apart:
        parts.append(f"better than {', '.join(apart)} (Holm p < .05, interval above 0)")
    if alike:
        parts.append(f"not to be told apart from {', '.join(alike)}")
    return f"{text}; {'; '.join(parts)}."


def write_comparison(comparison: Comparison, out: Path | None = None) -> Path:
    """Write comparison_table.csv, the pictures and comparison.html; returns the page.

    out: the folder; the comparison's root when None.
    """
    out = out or comparison.root
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / "comparison_table.csv", csv_text(comparison.rows))
    fusion = any(key.rsplit(".", 1)[-1] == "fusion" for key in comparison.varying)
    figures = {
        "fusion_comparison" if fusion else "comparison": draw_comparison(comparison),
        "all_training_curves": draw_all_curves(comparison),
    }
    pictures = []
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png")
        pictures.append((name, base64.b64encode((out / f"{name}.png").read_bytes()).decode()))
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = environment.get_template("comparison.html.j2").render(
        name=comparison.root.resolve().name,
        verdict=verdict(comparison),
        heads=[head for _, head, _ in COLUMNS],
        rows=[shown(row) for row in comparison.rows],
        pictures=pictures,
        runs=comparison.runs,
        varying=comparison.varying,
        unfinished=comparison.unfinished,
        n=len(comparison.runs[0].targets),
    )
    return atomic_write(out / "comparison.html", page)


def _colors(labels: list[str]) -> dict[str, Any]:
    palette = colormaps["tab10" if len(labels) <= 10 else "turbo"]
    last = max(1, len(labels) - 1)
    return {name: palette(i) if len(labels) <= 10 else palette(i / last) for i, name in enumerate(labels)}


def draw_comparison(comparison: Comparison) -> Figure:
    """Test accuracy with its spread, validation against test accuracy, and each run's curve."""
    rows = comparison.rows
    labels = [row["variant"] for row in rows]
    colors = _colors(labels)
    figure, (bars, points, curves) = new_figure(17, max(4.6, 0.32 * len(rows) + 2), 1, 3)
    places = np.arange(len(rows))[::-1]
    values = [row["test_accuracy"] for row in rows]
    spread = [row["test_std"] or 0 for row in rows] if any(row["test_std"] for row in rows) else None
    bars.barh(places, values, xerr=spread, color=[colors[name] for name in labels], capsize=3)
    bars.set_yticks(places, [plain_text(name) for name in labels])
    for place, value in zip(places, values, strict=True):
        bars.text(0.005, place, f"{value:.1%}", va="center", color="white", fontsize=8, fontweight="bold")
    bars.set(title="Test accuracy, spread over seeds", xlabel="accuracy")
    for run in comparison.runs:
        pair = run.results.get("valid_accuracy"), run.results["test_accuracy"]
        if pair[0] is not None:
            points.scatter(*pair, color=colors[run.label], s=36)
    low, high = points.get_xlim()
    points.plot([low, high], [low, high], color="grey", linewidth=0.8, linestyle="--")
    points.set(title="Validation against test", xlabel="valid accuracy", ylabel="test accuracy")
    _curves(curves, comparison, "accuracy", colors)
    curves.set(title="Validation accuracy of each run", xlabel="epoch", ylabel="accuracy")
    for panel in (bars, points, curves):
        panel.grid(alpha=0.3)
    return figure


def draw_all_curves(comparison: Comparison) -> Figure:
    """Training loss, validation loss, accuracy and rate of every run over the epochs."""
    colors = _colors([row["variant"] for row in comparison.rows])
    figure, axes = new_figure(13, 8.5, 2, 2)
    titles = {"train_loss": "Training loss", "valid_loss": "Validation loss", "accuracy": "Accuracy", "lr": "Rate"}
    for panel, (key, title) in zip(axes.ravel(), titles.items(), strict=True):
        _curves(panel, comparison, key, colors)
        panel.set(title=title, xlabel="epoch")
        panel.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=8)
    return figure


def _curves(panel: Any, comparison: Comparison, key: str, colors: dict[str, Any]) -> None:
    named = set()
    for run in comparison.runs:
        values = [np.nan if row.get(key) is None else row[key] for row in run.history]
        label = plain_text(run.label) if run.label not in named else None
        named.add(run.label)
        epochs = [row["epoch"] for row in run.history]
        panel.plot(epochs, values, color=colors[run.label], label=label, linewidth=1.3)
    panel.xaxis.get_major_locator().set_params(integer=True)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table and the verdict."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("variant", "runs", "test", "std", "valid", "behind", "95 % interval", "Holm p"):
        table.add_column(head, justify="left" if head == "variant" else "right", no_wrap=True)
    for row in comparison.rows:
        name, n, test, std, valid, _, behind, interval, _, p, *_ = shown(row, digits=1)
        table.add_row(name, n, test, std, valid, behind, interval, p)
    console.print(table)
    for line in comparison.unfinished:
        console.print(f"  left out: {line}")
    console.print(f"  {verdict(comparison)}")
