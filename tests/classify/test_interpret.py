"""Interpretation of a classifier whose answers are known: counts by hand, and equal to fastai's own."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from learnerkit._fastai import ClassificationInterpretation
from learnerkit.all import CutMix, DataError, ImageInterpretation, MixUp, RunError, array_dls, image_learner
from learnerkit.classify.calibration import fit_temperature
from learnerkit.classify.evaluate import evaluate
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.figures import draw_samples
from learnerkit.classify.galleries import blocks
from learnerkit.classify.per_class import per_class_table
from learnerkit.classify.tables import tables
from learnerkit.core.calibrated import Calibration, write_calibration
from learnerkit.core.files import write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz, weights_bytes, write_npz
from tests.conftest import toy_arrays, toy_learner

TRUE = np.repeat([0, 1, 2], [20, 20, 20])
SAID = TRUE.copy()
SAID[[3, 7]], SAID[25] = 2, 0  # two of 'a' are taken for 'c', one of 'b' for 'a'


class Reader(nn.Module):
    """Reads the answer, and how sure it is, from two pixels of an image that was normalised."""

    def __init__(self, stats):
        super().__init__()
        (self.mean,), (self.std,) = stats
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, images):
        images = images * self.std + self.mean
        said = (images[:, 0, 0, 0] * 255 / 100).round().long()
        return self.scale * images[:, 0, 0, 1, None] * nn.functional.one_hot(said, 3)


@pytest.fixture
def learn(tmp_path):
    images = np.zeros((60, 1, 6, 6), np.uint8)
    images[:, 0, 0, 0] = 100 * SAID
    images[:, 0, 0, 1] = np.arange(60) + 150  # the surer the later; equal images would be copies
    dls = array_dls(images, TRUE, bs=8, vocab=["a", "b", "c"], split=(0.5, 0.5, 0.0), stats="data")
    return image_learner(dls, Reader(dls.source.stats), path=tmp_path, channels_last=False)


def test_the_counts_are_those_of_the_answers(learn):
    seen = ImageInterpretation.from_learner(learn)
    rows = learn.dls.split.valid
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (TRUE[rows], SAID[rows]), 1)
    assert np.array_equal(seen.confusion_matrix(), expected)
    assert seen.decoded.tolist() == SAID[rows].tolist() and seen.targs.tolist() == TRUE[rows].tolist()
    wrong = sorted((a, b, n) for a, b, n in seen.most_confused())
    names = np.array(["a", "b", "c"])
    pairs = [(names[TRUE[row]], names[SAID[row]]) for row in rows if TRUE[row] != SAID[row]]
    assert wrong == sorted((*pair, pairs.count(pair)) for pair in set(pairs))


def test_the_greatest_losses_are_the_surest_mistakes(learn):
    seen = ImageInterpretation.from_learner(learn)
    rows = learn.dls.split.valid
    losses, places = seen.top_losses(3)[:2]
    mistakes = sorted((row for row in rows if TRUE[row] != SAID[row]), reverse=True)
    assert [int(rows[int(place)]) for place in places][: len(mistakes)] == [int(row) for row in mistakes]
    assert losses.tolist() == sorted(losses.tolist(), reverse=True)
    surest = 4 * (150 + mistakes[0]) / 255
    assert float(losses[0]) == pytest.approx(np.log(np.exp(surest) + 2), abs=1e-4)


def test_it_is_fastais_own_with_one_pass(learn, monkeypatch):
    ours, fastais = ImageInterpretation.from_learner(learn), ClassificationInterpretation.from_learner(learn)
    assert np.array_equal(ours.confusion_matrix(), fastais.confusion_matrix())
    assert torch.allclose(ours.losses, fastais.losses)
    monkeypatch.setattr(Reader, "forward", None)  # nothing below may run the model again
    inputs, probabilities, targets, decoded, losses = ours[[0, 2]]
    assert inputs.shape[0] == 2 and torch.equal(decoded, probabilities.argmax(1)) and len(targets) == len(losses) == 2
    ours.plot_confusion_matrix()
    assert [text.get_text() for text in plt.gca().get_xticklabels()] == ["a", "b", "c"]
    ours.plot_top_losses(4)


def test_any_part_and_any_loader(learn, capsys):
    train = ImageInterpretation.from_learner(learn, dl=learn.dls.test_dl([3, 25, 40], with_labels=True))
    assert train.decoded.tolist() == [2, 0, 2] and train.targs.tolist() == [0, 1, 2]
    train.print_classification_report()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:5]] == ["a", "b", "c"]


def kept(learn, tmp_path):
    """A run folder with the learner's predictions, as an evaluation leaves it."""
    run = RunFolder.create(tmp_path / "runs" / "few", "a")
    write_json(run.file("run.json"), {"task": "classify", "classes": ["a", "b", "c"]})
    write_json(run.file("class_names.json"), ["a", "b", "c"])
    evaluate(learn, run, ["valid"])
    return run.path


def test_a_run_says_what_its_learner_said(learn, tmp_path):
    ours = ImageInterpretation.from_learner(learn, groups={"x": ["a", "c"], "y": ["b"]})
    read = ImageInterpretation.from_run(kept(learn, tmp_path), groups={"x": ["a", "c"], "y": ["b"]})
    assert read.learn is None and read.vocab == ["a", "b", "c"] and read.seen.part == "valid"
    assert torch.allclose(read.preds, ours.preds) and torch.allclose(read.losses.float(), ours.losses, atol=1e-5)
    for name in ("confused", "per_class", "best", "worst", "averages", "block_sums"):
        assert getattr(ours, name)().equals(getattr(read, name)()), name
    assert ours.mistakes().drop(columns="confidence").equals(read.mistakes().drop(columns="confidence"))
    assert ours.summary() == read.summary() and ours.most_confused() == read.most_confused()
    assert ours.calibration() == read.calibration()
    assert ours.without_twins() == read.without_twins() and ours.aurc() == pytest.approx(read.aurc())
    assert np.array_equal(ours.sets(0.9), read.sets(0.9))
    assert [row.item() for row in read.top_losses(3)[1]] == [row.item() for row in ours.top_losses(3)[1]]
    for seen in (ours, read):
        for draw in ("wrong", "samples", "plot_per_class", "plot_calibration", "plot_confidence"):
            figure = getattr(seen, draw)()
            assert plt.gcf() is figure and figure.axes
        seen.plot_top_losses(2)
        assert seen.plot_confusion_matrix(groups=True).axes[0].get_xticklabels()[0].get_text() == "x"


def test_what_needs_the_model_or_the_data_says_so(learn, tmp_path):
    read = ImageInterpretation.from_run(kept(learn, tmp_path))
    for ask in (lambda: read.samples(explain=True), lambda: read[[0]]):
        with pytest.raises(RunError, match=r"load_run\(path\)"):
            ask()
    with pytest.raises(DataError, match="no part 'test'; it holds 'valid'"):
        ImageInterpretation.from_run(tmp_path / "runs" / "few" / "a", "test")
    with pytest.raises(DataError, match="groups"):
        read.block_sums()
    with pytest.raises(DataError, match="normalize: 'rows'"):
        read.confusion_matrix(normalize="rows")
    empty = RunFolder.create(tmp_path / "runs" / "few", "b")
    write_json(empty.file("run.json"), {"task": "classify", "classes": []})
    with pytest.raises(RunError, match="was not evaluated yet"):
        ImageInterpretation.from_run(empty.path)


def test_the_surest_mistakes_in_words_and_pictures(learn):
    seen = ImageInterpretation.from_learner(learn, dl=learn.dls.test_dl([2, 3, 25, 40, 7], with_labels=True))
    table = seen.mistakes()
    assert table["id"].tolist() == ["25", "7", "3"] and table["predicted"].tolist() == ["a", "c", "c"]
    assert (np.diff(table["confidence"]) <= 0).all() and table["second"][0].split()[0] in ("b", "c")
    titles = texts_of(seen.wrong())
    assert titles[0].splitlines()[:2] == [f"✗ a {table['confidence'][0]:.0%}", "true: b"] and len(titles) == 3
    titles = texts_of(seen.samples(5))
    assert [title[0] for title in titles] == ["✓", "✗", "✗", "✓", "✗"]


def texts_of(figure):
    """The texts above the pictures of a grid, without its title."""
    return [text.get_text() for text in figure.axes[0].texts][:-1]


def test_shares_of_rows_and_columns(learn):
    seen = ImageInterpretation.from_learner(learn)
    counts = seen.confusion_matrix()
    assert np.array_equal(seen.confusion_matrix(normalize=True), counts / counts.sum(axis=1, keepdims=True))
    assert np.array_equal(seen.confusion_matrix(normalize="pred"), counts / counts.sum(axis=0, keepdims=True))


def test_a_temperature_for_test_is_fitted_on_valid():
    images, labels = toy_arrays(n=240)
    labels = np.where(np.arange(240) % 7 == 0, (labels + 1) % 3, labels)  # some that no model can learn
    learn = toy_learner(dls=array_dls(images, labels, bs=16))
    learn.fit_one_cycle(2, 0.05)
    test, valid = (ImageInterpretation.from_learner(learn, ds_idx=number) for number in (2, 1))
    found = test.calibration()
    assert found["fitted_on"] == "valid" and found["temperature"] == valid.calibration()["temperature"] != 1
    assert found["temperature"] == pytest.approx(fit_temperature(valid.preds.numpy(), valid.targs.numpy()))
    assert found["nll"] == pytest.approx(float(test.losses.mean()), abs=1e-5)


@pytest.mark.parametrize("mix", [CutMix, MixUp])
def test_the_losses_after_mixing_are_plain_ones(mix):
    learn = toy_learner(cbs=mix(p=1.0))
    learn.fit_one_cycle(1, 0.05)
    seen = ImageInterpretation.from_learner(learn)
    plain = -seen.preds[torch.arange(len(seen.targs)), seen.targs].log()
    assert torch.allclose(seen.losses, plain, atol=1e-5)


def test_twins_of_the_training_part_are_told_apart():
    images, labels = toy_arrays(n=120, size=32)
    images[100:110] = images[:10]  # copies in what will be the test part
    parts = {"train": range(80), "valid": range(80, 100), "test": range(100, 120)}
    with pytest.warns(UserWarning, match="10 of 20 test samples stand in the training part"):
        dls = array_dls(images, labels, bs=16, split={part: list(map(str, rows)) for part, rows in parts.items()})
    learn = toy_learner(dls=dls)
    seen = ImageInterpretation.from_learner(learn, ds_idx=2)
    told, right = seen.without_twins(), (seen.decoded == seen.targs).numpy()
    assert seen.seen.twins.tolist() == [True] * 10 + [False] * 10
    assert told == {"accuracy": right.mean(), "accuracy_without_twins": right[10:].mean(), "twins": 10}


@pytest.mark.parametrize("n", [1, 3])
def test_grad_cam_stands_beside_the_picture(n):
    learn = toy_learner()
    seen = ImageInterpretation.from_learner(learn)
    figure = seen.samples(n, explain=True)
    assert texts_of(figure).count("Grad-CAM") == n


def test_one_class_none_right_and_nothing_at_all():
    """A part of one class, of none, and a class that the part lacks: tables and pictures, no crash."""
    chances = np.array([[0.1, 0.9], [0.2, 0.8]], np.float32)
    for rows in (slice(0, 2), slice(0, 1), slice(0, 0)):
        seen = Evaluation("test", False, np.array(["x", "y"])[rows], np.zeros(2, int)[rows], chances[rows], ["a", "b"])
        if len(seen.ids):
            assert list(per_class_table(seen.targets, seen.predicted, seen.vocab)["support"]) == [len(seen.ids), 0]
        assert len(tables(seen, {})) == (0 if not len(seen.ids) else 5)
    assert draw_samples(seen, [], {}, "nothing").axes


def test_an_evaluation_keeps_where_its_mistakes_looked(tmp_path):
    images, labels = toy_arrays()
    learn = toy_learner(dls=array_dls(images, (labels + np.arange(96) // 3) % 3, bs=16))
    run = RunFolder.create(tmp_path / "runs", "a")
    write_json(run.file("run.json"), {"task": "classify", "classes": []})
    write_json(run.file("class_names.json"), [str(name) for name in learn.dls.vocab])
    evaluate(learn, run, ["valid", "test"])
    read, ours = ImageInterpretation.from_run(run.path), ImageInterpretation.from_learner(learn, ds_idx=2)
    assert len(read.mistakes()) > 2
    figures = [seen.wrong(2, explain=True) for seen in (read, ours)]
    pictures = [[image.get_array() for image in figure.axes[0].images] for figure in figures]
    assert len(pictures[0]) == len(pictures[1]) == 4
    for kept, made in zip(*pictures, strict=True):
        assert np.abs(np.asarray(kept, float) - made).max() <= 2  # half precision is kept


def test_a_part_or_loader_that_is_not_there(learn):
    for number in (2, 5, -1):
        with pytest.raises(DataError, match=rf"ds_idx={number}: there are 0 train, 1 valid"):
            ImageInterpretation.from_learner(learn, ds_idx=number)
    plain = torch.utils.data.DataLoader([(torch.zeros(1, 6, 6), 0)])
    with pytest.raises(DataError, match="one of PyTorch's own"):
        ImageInterpretation.from_learner(learn, dl=plain)
    ImageInterpretation.from_learner(learn).plot_top_losses(1000)  # all there are


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"targets": np.array([0, 9])}, "targets from 0 to 9 of 3 classes"),
        ({"targets": np.array([-1, 0])}, "targets from -1 to 0 of 3 classes"),
        ({"targets": np.array([0.5, 1.0])}, "targets are float64"),
        ({"ids": np.array(["a"])}, "of 2 samples there are {'ids': 1}"),
        ({"probabilities": np.array([[0.2, 0.3, np.nan], [1, 0, 0]])}, "some probabilities are nan"),
        ({"probabilities": np.array([0.2, 0.3])}, "not floats"),
    ],
)
def test_predictions_that_do_not_fit_are_told(learn, tmp_path, change, said):
    path = kept(learn, tmp_path)
    good = {"ids": np.array(["a", "b"]), "part": np.array(["valid"] * 2), "targets": np.array([0, 1])}
    write_npz(path / "predictions.npz", **{**good, "probabilities": np.full((2, 3), 1 / 3), **change})
    with pytest.raises(DataError, match=f"is damaged: .*{said}"):
        ImageInterpretation.from_run(path)


def test_what_was_fitted_before_serves_a_part_that_stands_alone(learn, tmp_path):
    path = kept(learn, tmp_path)
    arrays = read_npz(path / "predictions.npz")
    write_npz(path / "predictions.npz", **{**arrays, "part": np.full(len(arrays["ids"]), "test")})
    with pytest.raises(DataError, match="the valid part was not predicted"):
        ImageInterpretation.from_run(path).calibration()
    (path / "best_model.safetensors").write_bytes(weights_bytes({"a": torch.ones(2)}))
    write_calibration(path, {"plain": Calibration(1.7, {"0.9": 0.2}, "valid", 30)})
    read = ImageInterpretation.from_run(path)
    assert read.calibration()["temperature"] == 1.7 and read.sets(0.9).shape == (len(arrays["ids"]), 3)


def test_ten_thousand_classes_have_a_page_of_their_most_confused(tmp_path):
    rng, n_out = np.random.default_rng(0), 10_000
    targets = rng.integers(0, n_out, 40)
    chances = np.full((40, n_out), 1e-6, np.float32)
    chances[np.arange(40), np.where(np.arange(40) % 2, targets, 7)] = 0.5
    vocab = [f"class {code}" for code in range(n_out)]
    seen = Evaluation("test", False, np.arange(40).astype(str), targets, chances, vocab)
    (matrix,) = blocks(seen, RunFolder(tmp_path))
    assert (
        matrix.counts.shape == (len(matrix.rows),) * 2 and len(matrix.rows) <= 50 and "of 10,000 classes" in matrix.note
    )
    assert matrix.counts[:, matrix.rows.index("class 7")].sum() >= 20 and "class 7" in matrix.columns
