"""Figures without pyplot, so that nothing global is touched: made, named, saved."""

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from learnerkit.core.files import made_folder
from learnerkit.core.run_folder import RunFolder


def new_figure(width: float = 7, height: float = 4.5, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure on the Agg canvas and its axes; width and height in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def plain_text(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def whole_epochs(panel: Any) -> None:
    """Ticks at whole numbers alone on the x axis, one epoch included."""
    panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def save_figures(run: RunFolder, figures: dict[str, Figure]) -> dict[str, Path]:
    """Save figures by their names below a folder's figures/; returns the files by name."""
    folder = made_folder(run.file("figures"))
    files = {name: folder / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        figure.savefig(files[name])
    return files
