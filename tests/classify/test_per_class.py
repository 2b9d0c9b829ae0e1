"""Tables of classes by hand and by scikit-learn, groups, confused pairs, what confidence is worth."""

import numpy as np
import pytest
from sklearn.metrics import classification_report, precision_recall_fscore_support, top_k_accuracy_score
from statsmodels.stats.proportion import proportion_confint

from learnerkit.classify.cifar import read_cifar
from learnerkit.classify.confidence import aurc, coverage_at, coverage_curve
from learnerkit.classify.confused import confused_table, inside_group
from learnerkit.classify.per_class import averages_table, per_class_table, summary_of, top_k_accuracy
from learnerkit.classify.superclasses import CIFAR100, block_sums, grouped_order, groups_of
from learnerkit.core.errors import DataError
from learnerkit.core.statistics import wilson

VOCAB = ["cat", "dog", "car", "bus", "eel"]
GROUPS = {"pets": ["cat", "dog"], "vehicles": ["car", "bus"], "fish": ["eel"]}
TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 3, 3])  # no eel
SAID = np.array([0, 0, 0, 1, 1, 0, 2, 3, 3, 0])


def test_classes_by_hand():
    table = per_class_table(TRUE, SAID, VOCAB)
    assert table["accuracy"].tolist()[:4] == [0.75, 0.5, 0.5, 0.5] and np.isnan(table["accuracy"]["eel"])
    assert table["precision"].tolist() == [0.6, 0.5, 1.0, 0.5, 0.0]
    assert table["f1"]["cat"] == pytest.approx(2 * 0.75 * 0.6 / 1.35) and table["f1"]["eel"] == 0
    assert table["support"].tolist() == [4, 2, 2, 2, 0] and table["predicted"].tolist() == [5, 2, 1, 2, 0]
    assert np.isnan(table.loc["eel", ["accuracy_low", "accuracy_high", "precision_low"]].astype(float)).all()


@pytest.mark.parametrize("seed", range(3))
def test_they_are_scikit_learns_and_statsmodels(seed):
    rng = np.random.default_rng(seed)
    targets, said, names = rng.integers(0, 6, 80), rng.integers(0, 7, 80), list("abcdefgh")
    table = per_class_table(targets, said, names)
    known = precision_recall_fscore_support(targets, said, labels=range(8), zero_division=0)
    for key, expected in zip(("precision", "recall", "f1", "support"), known, strict=True):
        assert table[key].to_numpy() == pytest.approx(expected)
    report = classification_report(
        targets, said, labels=range(8), target_names=names, output_dict=True, zero_division=0
    )
    averages = averages_table(targets, said, 8)
    for name in ("macro", "weighted"):
        for key, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert averages[key][name] == pytest.approx(report[f"{name} avg"][theirs])
    right = np.array([((targets == code) & (said == code)).sum() for code in range(6)])
    low, high = proportion_confint(right, np.bincount(targets), method="wilson")
    assert table["accuracy_low"].to_numpy()[:6] == pytest.approx(low)
    assert table["accuracy_high"].to_numpy()[:6] == pytest.approx(high)


def test_wilson_by_hand_and_at_its_ends():
    low, high = wilson(np.array([0, 8, 10, 0]), np.array([10, 10, 10, 0]))
    assert (low[0], high[2]) == (0, 1) and np.isnan(low[3]) and np.isnan(high[3])
    assert (low[1], high[1]) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_top_k_is_scikit_learns():
    rng = np.random.default_rng(0)
    probabilities, targets = rng.dirichlet(np.ones(12), 200), rng.integers(0, 12, 200)
    for k in (1, 3, 5):
        theirs = top_k_accuracy_score(targets, probabilities, k=k, labels=range(12))
        assert top_k_accuracy(probabilities, targets, k) == pytest.approx(theirs)
    alike = np.full((2, 10), 0.1)  # of equal ones the first classes count, as argmax takes them
    assert top_k_accuracy(alike, np.array([4, 5]), 5) == 0.5 and top_k_accuracy(alike, np.array([0, 1]), 1) == 0.5


def test_groups_in_every_form():
    expected = ["pets", "pets", "vehicles", "vehicles", "fish"]
    assert groups_of(VOCAB, GROUPS) == groups_of(VOCAB, expected) == expected
    assert groups_of(VOCAB, dict(zip(VOCAB, expected, strict=True))) == expected
    assert groups_of(VOCAB) == []
    fine = sorted(name for names in CIFAR100.values() for name in names.split())
    assert len(fine) == 100 and set(groups_of(fine)) == CIFAR100.keys() and groups_of(fine)[0] == "fruit_and_vegetables"


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"pets": ["cat", "dgo"]}, "'dgo' is no class; did you mean dog"),
        ({"pets": ["cat", "dog"]}, "car, bus, eel stand in no group"),
        ({"a": ["cat"], "b": ["cat"]}, "cat stands in a and in b"),
        (["a", "b"], "a group for each of 5 classes"),
        ("fine", "a group for each of 5 classes"),
    ],
)
def test_wrong_groups_are_named(groups, said):
    with pytest.raises(DataError, match=said):
        groups_of(VOCAB, groups)


def test_the_superclasses_are_those_of_the_files(real_data):
    fine, coarse = (read_cifar(real_data / "cifar-100-python", label) for label in ("fine", "coarse"))
    of_class = groups_of(fine.vocab)
    pairs = {(of_class[a], coarse.vocab[b]) for a, b in zip(fine.labels, coarse.labels, strict=True)}
    assert len(pairs) == 20 and all(ours == theirs for ours, theirs in pairs)


def test_groups_by_hand():
    of_class = groups_of(VOCAB, GROUPS)
    matrix = np.zeros((5, 5), int)
    np.add.at(matrix, (TRUE, SAID), 1)
    sums = block_sums(matrix, of_class)
    assert list(sums.index) == ["fish", "pets", "vehicles"]
    assert sums.to_numpy().tolist() == [[0, 0, 0], [0, 6, 0], [0, 1, 3]]
    assert [VOCAB[code] for code in grouped_order(of_class)] == ["eel", "cat", "dog", "car", "bus"]
    assert inside_group(TRUE, SAID, of_class) == pytest.approx(3 / 4)  # of four mistakes one leaves its group
    table = confused_table(TRUE, SAID, VOCAB, of_class)
    assert table.iloc[0].tolist() == ["cat", "dog", 1, 0.25, True] and len(table) == 4
    assert table.iloc[-1].tolist() == ["bus", "cat", 1, 0.5, False]
    chances = np.eye(5)[SAID] * 0.9 + 0.02
    found = summary_of(chances, TRUE, of_class)
    assert found["accuracy"] == 0.6 and found["group_accuracy"] == 0.9 and found["mistakes_inside_group"] == 0.75
    assert "top5_accuracy" not in found  # all five classes would count


def test_confidence_by_hand():
    # sure .9 right, .8 wrong, .7 right, .6 right: risks 0, 1/2, 1/3, 1/4 of the surest 1, 2, 3, 4
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    targets = np.array([0, 1, 0, 0])
    coverage, accuracy = coverage_curve(chances, targets)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1] and accuracy == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert aurc(chances, targets) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert coverage_at(chances, targets, 0.75) == 1 and coverage_at(chances, targets, 0.9) == 0.25
    assert coverage_at(1 - chances, targets, 0.9) == 0 and np.isnan(aurc(chances[:0], targets[:0]))
