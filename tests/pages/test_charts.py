"""The numbers of the curves, and which figures of a ledger stand together."""

import json
import math

import pytest

from learnerkit.core.files import atomic_write
from learnerkit.pages.charts import MOST_POINTS, Chart, Curve, number, thinned
from learnerkit.pages.course_charts import course_charts
from learnerkit.pages.curves import curve_figures, metric_groups, run_charts
from learnerkit.pages.figure import new_figure, write_figures
from learnerkit.pages.letters import plain_text
from learnerkit.pages.page import Picture, render
from learnerkit.runs.compare import compare_runs
from tests.runs.fake import fake_run


def row(epoch, **figures):
    return {
        "epoch": epoch,
        "train_loss": 1.0,
        "valid_loss": 1.5,
        "lr": 0.1,
        "seconds": 1.0,
        "is_best": False,
        **figures,
    }


def test_numbers_are_short_and_gaps_are_null():
    values = [1 / 3, math.nan, None, math.inf, True, "x", 2]
    assert [number(value) for value in values] == [0.333333, None, None, None, None, None, 2.0]
    content = Chart("T", "epoch", [1, 2], [Curve("a", [0.5, math.nan])]).content()
    assert json.loads(json.dumps(content, allow_nan=False))["lines"][0]["values"] == [0.5, None]


def test_long_lines_are_thinned_to_their_ends():
    assert thinned(5, 5) == [0, 1, 2, 3, 4] and thinned(9, 5) == [0, 2, 4, 6, 8] and thinned(0, 5) == []
    steps = list(range(100_001))
    content = Chart("T", "step", steps, [Curve("a", steps)]).content()
    assert len(content["x"]) == MOST_POINTS and (content["x"][0], content["x"][-1]) == (0, 100_000)
    assert content["lines"][0]["values"] == content["x"]


def test_figures_stand_with_their_kind_and_range():
    """By hand: accuracies together, shares together, degrees by themselves, figures of eight classes apart."""
    classes = {f"AP_{name}": 0.5 for name in "abcdefgh"}
    rows = [row(1, accuracy=0.5, train_accuracy=0.6, macro_f1=0.4, degrees=30.0, note="x", skipped=0, **classes)]
    assert metric_groups(rows) == [
        ("Accuracy", ["accuracy", "train_accuracy"]),
        ("Metrics", ["macro_f1"]),
        ("Degrees", ["degrees"]),
        ("AP (8 figures)", list(classes)),
    ]
    assert metric_groups([row(1)]) == []


def test_charts_and_pictures_of_a_run(tmp_path):
    run = fake_run(tmp_path, "a", "add", 1, 0.8, epochs=3)
    classes = {f"AP_{name}": 0.5 for name in "abcdefgh"}
    rows = [row(1, accuracy=0.5, **classes), row(2, accuracy=None, is_best=True, **classes), row(3, accuracy=0.7)]
    charts = run_charts(run, rows)["training_curves"]
    assert [chart.title for chart in charts] == ["Loss", "Accuracy", "AP (8 figures)"]
    assert charts[1].content()["lines"][0]["values"] == [0.5, None, 0.7] and charts[0].best == 2
    assert charts[2].content()["lines"][0]["values"] == [0.5, 0.5, None]
    figures = curve_figures(run, rows)
    assert set(figures) == {
        "training_curves", "loss", "accuracy", "validation", "learning_rate", "combined", "classes_1",
    }  # fmt: skip
    assert len(figures["classes_1"].axes[0].get_lines()) == 8
    assert len(figures["combined"].axes[1].get_lines()) == len(figures["accuracy"].axes[0].get_lines()) == 1
    assert run_charts(run, []) == curve_figures(run, []) == {}


def test_validation_has_its_loss_and_its_accuracy_on_axes_of_their_own(tmp_path):
    run = fake_run(tmp_path, "a", "add", 1, 0.8, epochs=1)
    left, right = curve_figures(run, [row(1, accuracy=0.5, train_accuracy=0.6)])["validation"].axes
    assert [line.get_label() for line in left.get_lines()] == ["valid loss"]
    assert [line.get_label() for line in right.get_lines()] == ["valid accuracy"]
    assert left.get_lines()[0].get_color() != right.get_lines()[0].get_color()


@pytest.mark.parametrize("epochs", [1, 1000])
def test_one_epoch_and_a_thousand(opened, tmp_path, epochs):
    """A point is drawn as one, a thousand epochs as lines, and what is known of no epoch as nothing."""
    x = list(range(1, epochs + 1))
    chart = Chart("Loss", "epoch", x, [Curve("a", [1 / e for e in x]), Curve("b", [None] * epochs)], 1)
    shown = {"run": {}, "status": {}, "title": "a", "name": "a"}
    page_text = render("report.html.j2", [Picture("Curves", "data:,", [chart])], **shown)
    with opened(atomic_write(tmp_path / "a.html", page_text)) as page:
        page.locator(".plot").press("Home")
        assert page.locator(".chart output").inner_text() == "epoch 1"
        assert page.locator(".legend b").all_inner_texts() == ["1", "\u2013"]
        blue = """canvas => {
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            let found = 0;
            for (let k = 0; k < pixels.length; k += 4)
                found += pixels[k] === 11 && pixels[k + 1] === 99 && pixels[k + 2] === 165 && pixels[k + 3] === 255;
            return found; }"""  # the first line's colour, --c0
        assert page.locator(".plot canvas").evaluate(blue) > 20


def test_courses_of_variants_are_means_over_their_seeds(tmp_path):
    for seed in (1, 2):
        fake_run(tmp_path, f"a{seed}", "add", seed, 0.8, epochs=4)
    fake_run(tmp_path, "b", "max", 1, 0.7, epochs=3)
    comparison = compare_runs(tmp_path)
    charts = {chart.title: chart for chart in course_charts(comparison, ("accuracy", "accuracy"))}
    assert list(charts) == ["Training loss", "Validation loss", "Accuracy", "Learning rate"]
    loss = charts["Training loss"]
    assert loss.x == [1, 2, 3, 4] and [curve.label for curve in loss.curves] == ["add", "max"]
    losses = [run.history[1]["train_loss"] for run in comparison.runs if run.label == "add"]
    assert loss.curves[0].values[1] == pytest.approx(sum(losses) / 2) and loss.curves[1].values[3] is None


def test_figures_are_written_as_pixels_and_as_lines(tmp_path):
    """The PDF holds its curve as a path and the pixels of an image as they are, and nothing of the day it was made."""
    figure, (left, right) = new_figure(4, 2, 1, 2)
    left.plot([0, 1], [0, 1])
    left.set_title(plain_text("$x$ 中文"))
    right.imshow([[0, 1], [1, 0]])
    files = write_figures(tmp_path / "figures", {"a": figure})
    assert files == {"a": tmp_path / "figures" / "a.png"} and files["a"].read_bytes()[:4] == b"\x89PNG"
    vector = files["a"].with_suffix(".pdf").read_bytes()
    assert vector[:5] == b"%PDF-" and b"/Subtype /Image" in vector and b"CreationDate" not in vector
