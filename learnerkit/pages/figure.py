"""Figures without pyplot, so that nothing global is touched: made, named, saved."""

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from matplotlib import colormaps, pyplot, rc_context
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from learnerkit.core.files import made_folder
from learnerkit.core.run_folder import RunFolder
from learnerkit.pages.letters import set_fonts

LINES, MARKS = ("-", "--", ":", "-."), "osD^"


class NamedFigure(Figure):
    """A figure whose texts are drawn in fonts that have their letters; `pyplot.subplots` takes it as FigureClass."""

    def draw(self, renderer: RendererBase) -> None:
        """As its parent does, once the fonts are chosen."""
        set_fonts(self)
        super().draw(renderer)


def new_figure(
    width: float = 7, height: float = 4.5, rows: int = 1, columns: int = 1, **grid: Any
) -> tuple[Figure, Any]:
    """A figure on the Agg canvas and its axes; width and height in inches; grid: of `Figure.subplots`."""
    figure = NamedFigure(figsize=(width, height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **grid)


def shown(figure: Figure) -> Figure:
    """A figure handed to pyplot, so that a notebook shows it and `pyplot.savefig` saves it."""
    pyplot.figure(FigureClass=lambda *args, **kwargs: figure)
    figure._ipython_display_ = partial(_show_once, figure)
    return figure


def _show_once(figure: Figure) -> None:
    """Show a figure as the value of a cell, and close it, or pyplot would show it again at the cell's end."""
    if "inline" not in pyplot.get_backend():  # a window shows it, and is left open
        return
    del figure._ipython_display_
    pyplot.close(figure)
    import_module("IPython.display").display(figure)  # who calls this has it, and no script needs it


def look_of(number: int) -> dict[str, Any]:
    """Colour, line and mark of the n-th of many; the eleventh has the first's colour, and another line and mark."""
    turn = number // 10 % len(LINES)
    return {"color": colormaps["tab10"](number % 10), "linestyle": LINES[turn], "marker": MARKS[turn]}


def legend_below(figure: Figure, names: Sequence[str], title: str = "") -> None:
    """Say once, below all panels, which of `look_of` is which name."""
    lines = [Line2D([], [], **look_of(number), markersize=5) for number in range(len(names))]
    columns = max(1, min(len(names), int(figure.get_figwidth() / (0.075 * max(map(len, names)) + 0.55))))
    look = {"loc": "outside lower center", "ncols": columns, "fontsize": 8, "title": title, "title_fontsize": 8}
    figure.legend(lines, names, **look)


def whole_epochs(panel: Any) -> None:
    """Ticks at whole numbers alone on the x axis, one epoch included."""
    panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def save_figures(run: RunFolder, figures: dict[str, Figure]) -> dict[str, Path]:
    """Save figures by their names below a run's figures/; returns the pictures by name."""
    return write_figures(run.file("figures"), figures)


def write_figures(folder: Path, figures: dict[str, Figure]) -> dict[str, Path]:
    """Save figures by their names in a folder, which is made where there is something to save, as PNG and as PDF.

    Returns the PNG files by name. Of a PDF lines and letters are drawn at any size, and pictures have their own pixels.
    """
    if figures:
        made_folder(folder)
    files = {name: folder / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        _settle_layout(figure)
        figure.savefig(files[name])
        figure.savefig(files[name].with_suffix(".pdf"), metadata={"CreationDate": None})
    return files


def _settle_layout(figure: Figure) -> None:
    """Share out the room once: with an engine of layout each `savefig` draws everything twice."""
    if engine := figure.get_layout_engine():
        set_fonts(figure)
        engine.execute(figure)
        with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)
