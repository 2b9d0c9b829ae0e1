"""The picture and the table of measured costs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from learnerkit.core.profiles import DISTURBED, disturbance
from learnerkit.core.text import formatted, short_count
from learnerkit.pages.sweep import draw_against

Row = dict[str, Any]
SHOWN = {  # columns of the table: of what, with head and form
    "mode": ("mode", "{}"),
    "size": ("size", "{}"),
    "bs": ("bs", "{}"),
    "latency_ms": ("ms", "{:,.2f}"),
    "p95_ms": ("p95 ms", "{:,.2f}"),
    "images_per_s": ("images/s", "{:,.1f}"),
    "peak_memory_mb": ("memory MB", "{:,.1f}"),
    "multiply_adds": ("multiply-adds", short_count),
}
DRAWN = {"latency_ms": "latency of a batch in ms", "images_per_s": "images a second"}


def size_text(size: int | Sequence[int]) -> str:
    """A size as 64, or as 48x64 where height and width differ."""
    return str(size) if isinstance(size, int) else "x".join(map(str, size))


def way_text(row: Row) -> str:
    """What was measured in a row, such as 'training bf16 compiled'."""
    return " ".join([row["mode"], row["precision"], *(["compiled"] if row["compiled"] else [])])


def draw_profile(rows: Sequence[Row]) -> Figure:
    """Latency and throughput against the size, a line for each way and batch size; against bs for one size."""
    axis = "size" if len({str(row["size"]) for row in rows}) > 1 else "bs"
    drawn = [{**row, "size": row["size"] if isinstance(row["size"], int) else max(row["size"])} for row in rows]
    for row in drawn:
        row["line"] = f"{way_text(row)}, bs {row['bs']}" if axis == "size" else way_text(row)
    return draw_against(drawn, axis, "line", DRAWN, DRAWN)


def print_profile(rows: Sequence[Row], console: Console) -> None:
    """Print the rows as a table, and under it what all of them share."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head, _ in SHOWN.values():
        table.add_column(head, justify="left" if head == "mode" else "right", no_wrap=True)
    for row in rows:
        texts = {**row, "mode": way_text(row), "size": size_text(row["size"])}
        table.add_row(*(formatted(texts[key], form) for key, (_, form) in SHOWN.items()))
    console.print(table)
    first = rows[0]
    console.print(f"  {first['name']}, {first['parameters']:,} parameters")
    console.print(f"  {first['device']}, {first['threads']} thread(s), torch {first['torch']}")
    console.print(f"  median and 95th percentile of {first['repeats']} passes after {first['warmup']} untimed ones")
    if disturbed := [row for row in rows if disturbance(row)]:
        console.print(
            f"  warning: in {len(disturbed)} of {len(rows)} rows the median is over {DISTURBED} times the least: "
            "something else uses the device; measure again when it is idle"
        )
