"""Figures without pyplot, so that nothing global is touched: made, named, saved."""

from pathlib import Path
from typing import Any

from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from learnerkit.core.files import made_folder
from learnerkit.core.run_folder import RunFolder
from learnerkit.pages.letters import set_fonts


class NamedFigure(Figure):
    """A figure whose texts are drawn in fonts that have their letters; `pyplot.subplots` takes it as FigureClass."""

    def draw(self, renderer: RendererBase) -> None:
        """As its parent does, once the fonts are chosen."""
        set_fonts(self)
        super().draw(renderer)


def new_figure(width: float = 7, height: float = 4.5, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure on the Agg canvas and its axes; width and height in inches."""
    figure = NamedFigure(figsize=(width, height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def whole_epochs(panel: Any) -> None:
    """Ticks at whole numbers alone on the x axis, one epoch included."""
    panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def save_figures(run: RunFolder, figures: dict[str, Figure]) -> dict[str, Path]:
    """Save figures by their names below a run's figures/; returns the files by name."""
    return write_figures(run.file("figures"), figures)


def write_figures(folder: Path, figures: dict[str, Figure]) -> dict[str, Path]:
    """Save figures by their names in a folder, which is made where there is something to save; returns the files."""
    if figures:
        made_folder(folder)
    files = {name: folder / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        figure.savefig(files[name])
    return files
