"""Planted wrong labels are found; folds are honest; what a run's suspects leave."""

import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import cross_val_predict

from learnerkit.all import DataError, LearnerkitError, RunError, array_dls
from learnerkit.classify.evaluation import Evaluation
from learnerkit.classify.label_issues import suspects_of
from learnerkit.classify.suspects import fold_names, out_of_fold
from learnerkit.core import optional as optional_module
from learnerkit.core.files import read_json, write_json
from learnerkit.runs.suspects import find_suspects
from tests.conftest import toy_arrays, toy_learner


def evaluation(probabilities, targets, vocab=None):
    names = vocab or [str(code) for code in range(probabilities.shape[1])]
    return Evaluation("valid", False, np.arange(len(targets)).astype(str), targets, probabilities, names)


def test_planted_labels_among_digits():
    images, labels = load_digits(return_X_y=True)
    rng, given = np.random.default_rng(0), labels.copy()
    planted = rng.choice(len(labels), 90, replace=False)
    given[planted] = (given[planted] + rng.integers(1, 10, 90)) % 10
    model = ExtraTreesClassifier(200, random_state=0)
    table = suspects_of(evaluation(cross_val_predict(model, images, given, cv=5, method="predict_proba"), given))
    found = set(table["row"]) & set(planted)
    assert len(found) / 90 >= 0.9 and len(found) / len(table) >= 0.8
    right = [row for row in table.itertuples() if row.row in found and int(row.suggested) == labels[row.row]]
    assert len(right) >= 0.9 * len(found)
    assert table["row"].head(20).isin(planted).mean() >= 0.95  # the likeliest first


def test_one_class_and_no_suspects():
    alone = evaluation(np.array([[1.0, 0.0], [0.9, 0.1]]), np.array([0, 0]))
    assert len(suspects_of(alone)) == 0
    with pytest.raises(DataError, match="do not sum to 1"):
        suspects_of(evaluation(np.array([[0.9, 0.9], [0.1, 0.2]]), np.array([0, 1])))


def absent(module):
    raise ImportError(module)


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr(optional_module, "import_module", absent)
    with pytest.raises(LearnerkitError, match=r"learnerkit\[clean\]"):
        suspects_of(evaluation(np.eye(2), np.array([0, 1])))


def test_a_run_that_never_trained_and_a_missing_extra_are_told_before_any_training(digits_run, monkeypatch, tmp_path):
    def never(dls):
        raise AssertionError("a model was trained")

    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(digits_run / "run.json", bare)
    with pytest.raises(RunError, match="nothing has been trained yet"):
        find_suspects(bare, train=never)
    monkeypatch.setattr(optional_module, "import_module", absent)
    with pytest.raises(LearnerkitError, match=r"learnerkit\[clean\]"):
        find_suspects(digits_run, train=never)


def test_every_sample_is_predicted_once_by_a_model_that_did_not_see_it():
    images, labels = toy_arrays(n=60)
    images[50:] = images[:10]  # copies stay together
    parts = {"train": [str(n) for n in range(50)], "valid": [str(n) for n in range(50, 60)]}
    with pytest.warns(UserWarning, match="training part"):
        dls = array_dls(images, labels, bs=8, split=parts)
    folds = list(fold_names(dls, 3, seed=0))
    tested = [name for names in folds for name in names["valid"]]
    assert sorted(tested, key=int) == [str(n) for n in range(60)]
    for names in folds:
        assert not set(names["train"]) & set(names["valid"]) and len(names["train"]) + len(names["valid"]) == 60
        assert {int(name) % 50 for name in names["train"]} & {int(name) % 50 for name in names["valid"]} == set()
        assert {labels[int(name)] for name in names["valid"]} == {0, 1, 2}
    assert folds != list(fold_names(dls, 3, seed=1))
    for wrong in (1, 21):
        with pytest.raises(DataError, match="at most 20, the samples of the smallest class"):
            next(fold_names(dls, wrong, 0))


def test_predictions_come_back_under_their_names():
    images, labels = toy_arrays(n=60)
    dls = array_dls(images, labels, bs=8, split=(0.8, 0.2, 0.0))
    asked = []

    def fitted(names):
        asked.append(names)
        return toy_learner(dls=array_dls(images, labels, bs=8, split=names))

    found = out_of_fold(dls, fitted, folds=3)
    assert len(asked) == 3 and len(found.ids) == 60
    assert found.targets.tolist() == [labels[int(name)] for name in found.ids]
    learn = fitted(asked[0])
    expected = dict(zip(asked[0]["valid"], learn.get_preds(dl=learn.dls.valid)[0].numpy(), strict=True))
    rows = {name: row for row, name in enumerate(found.ids.tolist())}
    for name, chances in expected.items():
        assert np.allclose(found.probabilities[rows[name]], chances, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the models agree with:UserWarning")  # they are hardly trained
def test_a_run_looks_at_its_own_labels(digits_run, command):
    before = (digits_run / "predictions.npz").read_bytes()
    code, said, error = command("suspects", digits_run, "--folds", "2", "--epochs", "1")
    assert code == 0, error
    table = pd.read_csv(digits_run / "suspects" / "suspects.csv", dtype={"id": str})
    assert list(table)[:4] == ["id", "part", "label", "suggested"] and f"suspected labels     {len(table):,}" in said
    assert (digits_run / "suspects" / "out_of_fold.npz").exists()
    assert (digits_run / "predictions.npz").read_bytes() == before
    assert "Suspected labels" in (digits_run / "report.html").read_text()


def test_a_scripts_run_needs_its_training(digits_run):
    described = read_json(digits_run / "run.json")
    write_json(digits_run / "run.json", {key: value for key, value in described.items() if key != "resolved"})
    with pytest.raises(RunError, match=r"find_suspects\(path, train=\.\.\.\)"):
        find_suspects(digits_run)
