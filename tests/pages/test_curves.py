"""The curves of a run."""

from learnerkit.core.run_folder import OF_THE_MACHINE, RunFolder
from learnerkit.pages.curves import curve_figures


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
