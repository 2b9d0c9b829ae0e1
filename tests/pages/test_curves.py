"""The curves of a run."""

from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot

from learnerkit.core.run_folder import OF_THE_MACHINE, RunFolder
from learnerkit.pages.curves import curve_figures
from learnerkit.pages.figure import new_figure, shown


def test_how_the_machine_was_is_no_metric(digits_run):
    """Samples a second and megabytes beside an accuracy would press it flat."""
    run = RunFolder.open(digits_run)
    rows = run.history()
    assert set(OF_THE_MACHINE) <= set(rows[0])
    for name, place in (("training_curves", 1), ("validation", 1), ("accuracy", 0), ("combined", 1)):
        panel = curve_figures(run, rows)[name].axes[place]
        drawn = [line.get_label() for line in panel.get_lines()]
        assert "valid accuracy" in drawn and not {name.replace("_", " ") for name in OF_THE_MACHINE} & set(drawn)
        assert panel.get_ylim()[1] < 1.2


def test_a_figure_of_pyplots_is_shown_once_by_a_notebook(monkeypatch):
    """Whether the cell's value shows it or pyplot at the cell's end; asked for again, it is shown as any other."""
    drawn = []
    monkeypatch.setattr("IPython.display.display", drawn.append)
    figure, _ = new_figure(2, 2)
    given = shown(figure)
    assert given is figure and pyplot.gcf() is figure
    assert DisplayFormatter().format(figure) == ({}, {}) and not drawn and pyplot.get_fignums()  # a window shows it
    monkeypatch.setattr(pyplot, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    assert DisplayFormatter().format(figure) == ({}, {})
    assert drawn == [figure] and not pyplot.get_fignums()
    assert "text/plain" in DisplayFormatter().format(figure)[0]
