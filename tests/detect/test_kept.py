"""What a run kept of its evaluation: interpretations, pictures, tables and galleries without model and data."""

import csv

import numpy as np
import pytest
import torch
from matplotlib import pyplot

from learnerkit.all import DetectionInterpretation
from learnerkit.core.errors import DataError, RecipeError, RunError
from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.detect.boxes import pack_boxes, pack_detections
from learnerkit.detect.data.scan import read_detection
from learnerkit.detect.error_kinds import KINDS
from learnerkit.detect.error_list import COLUMNS, error_list
from learnerkit.detect.figures import draw_classes, figures
from learnerkit.detect.files import LEAST, MOST, ROOM, sample_room
from learnerkit.detect.galleries import blocks
from learnerkit.detect.seen import evaluation_of
from learnerkit.detect.tables import tables
from learnerkit.pages.blocks import Gallery, Matrix
from learnerkit.runs.report import write_report
from tests.detect.planted import fake_detector
from tests.scenes import write_scenes


def shifted(source, seed=0):
    """Truth of a set, and detections: one to the side in each second image, one of another class in each third."""
    rng, found, truth = np.random.default_rng(seed), [], []
    for number, (boxes, codes) in enumerate(zip(source.boxes, source.codes, strict=True)):
        places, said = torch.from_numpy(boxes).clone(), torch.from_numpy(codes).clone()
        if number % 2 and len(places):
            places[0, ::2] += 0.6 * (places[0, 2] - places[0, 0])
        if number % 3 == 0 and len(places):
            said[-1] = 1 - said[-1]
        scores = torch.from_numpy(rng.uniform(0.55, 0.99, len(places)))
        found.append(pack_detections(places, said, scores, 20))
        truth.append(pack_boxes(torch.from_numpy(boxes), torch.from_numpy(codes), 4))
    return found, truth


@pytest.fixture
def source(tmp_path):
    return read_detection(write_scenes(tmp_path / "set", channels=3))


@pytest.fixture
def run(source, tmp_path):
    return fake_detector(tmp_path, "toy-1", source, *shifted(source))


def test_figures_and_errors_of_a_run_are_those_of_its_boxes(run, source):
    found, _ = shifted(source)
    seen = DetectionInterpretation.from_run(run.path)
    assert seen.ids == source.ids and seen.vocab == list(source.vocab) and seen.learn is None
    assert all(torch.equal(a, b) for a, b in zip(seen.detections, found, strict=True))
    assert seen.figures()["mAP50"] == pytest.approx(run.results()["test_mAP50"])
    kinds = seen.error_kinds()
    assert kinds["localisation"]["sure"] == 5 and kinds["class"]["sure"] == 4 and kinds["class"]["boxes"] == 4
    assert seen.error_kinds(score=1.0)["missed"]["sure"] == sum(map(len, source.boxes))
    assert seen.most_confused()[0][2] >= 1 and seen.confusion_matrix().sum() >= sum(map(len, source.boxes))
    with run.file("errors.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    assert lines == [{key: str(value) for key, value in row.items()} for row in seen.errors_table()]
    seen.print_classification_report()
    for draw in (seen.plot_confusion_matrix, seen.plot_precision_recall, seen.plot_error_kinds, seen.plot_worst):
        draw()
    assert pyplot.get_fignums()


def test_what_needs_the_model_says_so(run):
    seen = DetectionInterpretation.from_run(str(run.path), part="test")
    for call in (seen.ablation, seen.top_losses, lambda: seen.losses, lambda: seen.explain(0)):
        with pytest.raises(RunError, match=r"needs the model and the data(?s:.)*from_learner\(load_run"):
            call()


def test_wrong_questions_are_refused_by_what_there_is(run, source, tmp_path):
    with pytest.raises(RunError, match="was evaluated on test, not on 'valid'"):
        DetectionInterpretation.from_run(run.path, part="valid")
    with pytest.raises(RunError, match="without views"):
        DetectionInterpretation.from_run(run.path, tta=True)
    with pytest.raises(RecipeError, match="tta"):
        DetectionInterpretation.from_run(run.path, tta=2)
    seen = DetectionInterpretation.from_run(run.path)
    with pytest.raises(RecipeError, match="score"):
        seen.error_kinds(score=1.5)
    with pytest.raises(RecipeError, match="background"):
        seen.errors_table(iou=0.1)
    run.file("samples.npz").unlink()
    with pytest.raises(RunError, match="kept no frames of 'test'"):
        seen.plot_worst()
    run.file("predictions.npz").unlink()
    with pytest.raises(RunError, match="was not evaluated"):
        DetectionInterpretation.from_run(run.path)


DAMAGES = {
    "has no detections": lambda arrays: arrays.pop("detections"),
    "targets has the shape": lambda arrays: arrays.update(targets=arrays["targets"][:3]),
    "ids has the shape": lambda arrays: arrays.update(ids=arrays["ids"][:, None]),
    "detections holds what is no box of 2 classes": lambda arrays: arrays["detections"].__setitem__((0, 0, 4), 2),
    "targets holds what is no box": lambda arrays: arrays["targets"].__setitem__((0, 0, 1), np.nan),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_a_damaged_file_is_refused_with_what_is_wrong(run, said):
    arrays = read_npz(run.file("predictions.npz"))
    DAMAGES[said](arrays)
    write_npz(run.file("predictions.npz"), **arrays)
    with pytest.raises(DataError, match=rf"predictions\.npz: {said}(?s:.)*learnerkit evaluate"):
        DetectionInterpretation.from_run(run.path)
    run.file("predictions.npz").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="is no npz file, or is damaged"):
        DetectionInterpretation.from_run(run.path)


def test_kept_frames_that_are_damaged_are_refused(run):
    arrays = read_npz(run.file("samples.npz"))
    write_npz(run.file("samples.npz"), **{**arrays, "worst": arrays["worst"] + 100})
    for read in (lambda seen: blocks(seen, run), lambda seen: figures(seen, run, [])):
        with pytest.raises(DataError, match=r"samples\.npz: holds no frames with boxes"):
            read(evaluation_of(run))


def test_galleries_say_what_is_wrong_on_each_frame(run, source):
    seen = evaluation_of(run)
    matrix, worst, spread = blocks(seen, run)
    assert isinstance(matrix, Matrix) and matrix.rows == [*source.vocab, "nothing"] and matrix.counts.shape == (3, 3)
    assert isinstance(worst, Gallery) and worst.wide and len(worst.cards) == len(spread.cards) == len(source)
    errors = [
        sum(row["ID"] == card.name for row in error_list(*shifted(source), source.ids, source.vocab, 0.5))
        for card in worst.cards
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] == 0
    for card, number in zip(worst.cards, errors, strict=True):
        said = (
            0 if card.lines[0] == "nothing wrong" else sum(int(part.split()[0]) for part in card.lines[0].split(", "))
        )
        assert said == number and card.right == (number == 0)
        assert card.picture.dtype == np.uint8 and card.picture.shape[1] <= 640 and 0.5 <= card.confidence <= 1
    one = next(card for card in worst.cards if card.lines[0] == "1 class")
    assert {one.truth, one.found} == set(source.vocab)
    assert {card.name for card in spread.cards} == set(source.ids)
    assert blocks(None, run) == []


def test_the_page_has_kinds_and_classes(run, source):
    arrays = read_npz(run.file("samples.npz"))  # of which two are enough for a picture
    write_npz(run.file("samples.npz"), **{name: array[:2] for name, array in arrays.items()})
    text = write_report(run).read_text()
    for words in ("What goes wrong", "what costs it most AP50", "a box beside an object of its class"):
        assert words in text
    drawn = figures(evaluation_of(run), run, [])
    assert set(drawn) >= {"error_kinds", "class_precision", "top_losses", "predictions", "confusion_matrix"}
    (kinds, classes, *_) = tables(evaluation_of(run), run.results())
    assert [row[0] for row in kinds.rows] == list(KINDS) and kinds.rows[1][3:] == ("5", "5")
    objects = {row[0]: int(row[1]) for row in classes.rows}
    assert sum(objects.values()) == sum(map(len, source.boxes)) and "(" in classes.rows[0][4]


def test_names_that_are_markup_stand_as_text(source, tmp_path):
    source = source.subset(np.arange(2))
    source.vocab = ["<script>alert(1)</script>", "$x_1 & y$"]
    run = fake_detector(tmp_path, "names", source, *shifted(source))
    text = write_report(run).read_text()
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert blocks(evaluation_of(run), run)[0].rows[0] == "<script>alert(1)</script>"


@pytest.mark.parametrize("case", ["nothing found", "nothing there", "one image", "eighty classes"])
def test_the_page_of_a_part_that_is_out_of_the_ordinary(case, source, tmp_path):
    source = source.subset(np.arange(2))
    found, truth = shifted(source)
    if case == "nothing found":
        found = [rows[:1] * 0 - 1 for rows in found]
    elif case == "nothing there":
        truth = [rows * 0 - 1 for rows in truth]
    elif case == "one image":
        source, found, truth = source.subset(np.array([1])), found[1:], truth[1:]
    else:
        source.vocab = [f"class {number}" for number in range(80)]
    run = fake_detector(tmp_path, "a", source, found, truth)
    assert write_report(run).exists() and len(blocks(evaluation_of(run), run)) == 3
    seen = DetectionInterpretation.from_run(run.path)
    kinds = seen.error_kinds()
    assert set(kinds) == set(KINDS) and seen.plot_error_kinds() is not None
    assert (kinds["missed"]["cost"] is None) == (case == "nothing there")
    assert len(seen.errors_table()) == sum(row["sure"] for row in kinds.values())
    seen.plot_precision_recall()


def test_many_classes_are_drawn_by_their_ends():
    areas = np.append(np.linspace(0, 1, 80), np.nan)
    (axes,) = draw_classes(areas, [f"class {number}" for number in range(81)], "test").axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert (
        len(names) == 20
        and names[0] == "class 79"
        and names[-1] == "class 0"
        and "60 more" in axes.texts[-1].get_text()
    )


def test_how_many_frames_are_kept():
    """Small frames many, large ones few, and never more pixels than there is room for."""
    assert sample_room(5, np.array([[64, 64]] * 9)) == (MOST, 64)
    for channels, size in ((3, (480, 640)), (5, (512, 640)), (16, (640, 640)), (5, (3000, 4000))):
        kept, side = sample_room(channels, np.array([size] * 100))
        pixels = channels * round(size[0] * side / max(size)) * side
        assert LEAST <= kept <= MOST and kept * pixels <= 1.01 * ROOM and side <= 640
    assert sample_room(5, np.array([[512, 640]]))[0] == LEAST


def test_a_run_of_many_large_frames_keeps_a_few(tmp_path):
    root = write_scenes(tmp_path / "set", n=30, side=64)
    source = read_detection(root)
    run = fake_detector(tmp_path, "a", source, *shifted(source))
    assert len(read_npz(run.file("samples.npz"))["worst"]) == MOST
