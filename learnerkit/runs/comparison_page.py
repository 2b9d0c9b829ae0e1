"""The table, the pictures and the page of a comparison."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from rich.console import Console
from rich.table import Table

from learnerkit.core.files import atomic_write
from learnerkit.core.run_folder import csv_text
from learnerkit.runs.compare import Comparison
from learnerkit.runs.compare_detection import RANKS
from learnerkit.runs.comparison_figures import draw_all_curves, draw_comparison, draw_detectors

Columns = tuple[tuple[str, str, str], ...]
COLUMNS: Columns = (
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
DETECTION_COLUMNS: Columns = (
    ("variant", "variant", "{}"),
    ("n", "runs", "{}"),
    ("mAP", "mAP", "{:.4f}"),
    ("mAP_std", "std over seeds", "{:.4f}"),
    ("mAP50", "mAP50", "{:.4f}"),
    ("mAP75", "mAP75", "{:.4f}"),
    ("difference", "behind the best", "{:.4f}"),
    ("interval", "95 % interval", "{}"),
    ("rank_accuracy", "place by mAP", "{}"),
    ("ms_per_image", "ms/image", "{:.1f}"),
    ("fps", "FPS", "{:.2f}"),
    ("rank_speed", "place by speed", "{}"),
    ("parameters", "parameters", "{:,.0f}"),
    ("megabytes", "megabytes", "{:,.1f}"),
    ("rank_size", "place by size", "{}"),
    ("seconds", "training s", "{:,.0f}"),
)


def shown(row: dict[str, Any], digits: int = 2, columns: Columns = COLUMNS) -> list[str]:
    """A row of the table as text; '' for what does not apply, 'n/a' for what is undefined.

    digits: of percentages; columns: key, head and form of each.
    """
    applies = ("difference", "interval", "mcnemar_p", "holm_p", "test_std", "mAP_std")
    cells = []
    if row.get("ci_low") is not None:
        size = ".4f" if columns is DETECTION_COLUMNS else f".{digits}%"
        row = {**row, "interval": f"{row['ci_low']:{size}} to {row['ci_high']:{size}}"}
    for key, _, form in columns:
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
    if comparison.detection:
        return _detection_verdict(comparison)
    text = f"Best: {best['variant']}, {best['test_accuracy']:.2%} of {comparison.runs[0].n:,} test samples"
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


def _detection_verdict(comparison: Comparison) -> str:
    best, run = comparison.rows[0], comparison.runs[0]
    if best["mAP"] is None:
        return f"No object stands on the {run.n:,} {run.part} images; there is nothing to rank by."
    place = {name: [row["variant"] for row in comparison.rows if row[name] == 1] for name, _, _ in RANKS}
    fastest = min(row["ms_per_image"] for row in comparison.rows)
    smallest = min(row["parameters"] for row in comparison.rows)
    measured = [row for row in comparison.rows if row["ci_low"] is not None]
    apart = [row["variant"] for row in measured if row["ci_low"] > 0]
    alike = [row["variant"] for row in measured if row["ci_low"] <= 0]
    luck = f"; ahead of {', '.join(apart)} on other images too (interval above 0)" if apart else ""
    luck += f"; not to be told apart from {', '.join(alike)}" if alike else ""
    luck += "; runs of more seeds would say what a seed changes" if measured and best["n"] == 1 else ""
    return (
        f"Most accurate: {' and '.join(place['rank_accuracy'])}, "
        f"mAP {best['mAP']:.4f} on {run.n:,} {run.part} images{luck}; "
        f"fastest: {' and '.join(place['rank_speed'])}, {fastest:.1f} ms/image; "
        f"smallest: {' and '.join(place['rank_size'])}, {smallest:,.0f} parameters."
    )


def write_comparison(comparison: Comparison, out: Path | None = None) -> Path:
    """Write comparison_table.csv, the pictures and comparison.html; returns the page.

    out: the folder; the comparison's root when None.
    """
    out = out or comparison.root
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / "comparison_table.csv", csv_text(comparison.rows))
    columns = DETECTION_COLUMNS if comparison.detection else COLUMNS
    fusion = any(key.rsplit(".", 1)[-1] == "fusion" for key in comparison.varying)
    figures = {
        "fusion_comparison" if fusion else "comparison": (
            draw_detectors(comparison) if comparison.detection else draw_comparison(comparison)
        ),
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
        heads=[head for _, head, _ in columns],
        rows=[shown(row, columns=columns) for row in comparison.rows],
        pictures=pictures,
        runs=comparison.runs,
        varying=comparison.varying,
        unfinished=comparison.unfinished,
        n=comparison.runs[0].n,
        detection=comparison.detection,
        part=comparison.runs[0].part,
    )
    return atomic_write(out / "comparison.html", page)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the table and the verdict."""
    if comparison.detection:
        _print_detectors(comparison, console)
        return
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


def _print_detectors(comparison: Comparison, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    short = (("mAP", "mAP", ".3f"), ("mAP50", "mAP50", ".3f"), ("mAP75", "mAP75", ".3f"))
    short += (("difference", "behind", ".3f"),) if len(comparison.rows) > 1 else ()
    short += (("ms_per_image", "ms/image", ".0f"), ("megabytes", "MB", ",.0f"))
    for head in ("variant", "runs", *(head for _, head, _ in short), "parameters"):
        table.add_column(head, justify="left" if head == "variant" else "right", no_wrap=True)
    for row in comparison.rows:
        missing = {"difference": ""}
        cells = [missing.get(key, "n/a") if row[key] is None else format(row[key], form) for key, _, form in short]
        table.add_row(row["variant"], str(row["n"]), *cells, f"{row['parameters'] / 1e6:.1f} M")
    console.print(table)
    for line in comparison.unfinished:
        console.print(f"  left out: {line}")
    console.print(f"  {verdict(comparison)}")
