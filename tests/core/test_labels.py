"""Settings in words."""

import pytest

from learnerkit.core.finished import Finished, label_runs
from learnerkit.core.labels import Named, brief, key_names, shortened, worded, worded_apart


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        (0.5, ".5"),
        (-0.05, "-.05"),
        (1.05, "1.05"),
        (10.0, "10"),
        (0.0, "0"),
        (1e-05, "1e-05"),
        ((0.5, 0.5), ".5,.5"),
        ((0.7, None, True), ".7,none,yes"),
        (3, "3"),
        ("torchvision:resnet18", "torchvision:resnet18"),
        ("/somewhere/data/pairs", "data/pairs"),
        (Named("/somewhere/data/pairs", "f", "s"), "data/pairs"),
    ],
)
def test_a_setting_in_words(value, said):
    assert worded(value) == said


def test_different_settings_are_called_differently():
    assert worded_apart(["/a/x/data/one", "/b/x/data/one", "/a/x/data/one"]) == [
        "a/x/data/one",
        "b/x/data/one",
        "a/x/data/one",
    ]
    same = [Named("x/data", "f", "1"), Named("x/data", "f", "2"), Named("x/data", "f", "1")]
    assert worded_apart(same) == ["x/data", "x/data #2", "x/data"]
    assert worded_apart([None, "none", None]) == ["none", "none #2", "none"]
    assert worded_apart([0.5, 0.25]) == [".5", ".25"]


def test_keys_by_as_many_words_as_tell_them_apart():
    assert key_names(["model.size", "data.size", "train.lr"]) == ["model.size", "data.size", "lr"]


def test_short_names_stay_apart():
    long = [f"fusion=concat dropout=.{n} depth=.5,.5" for n in range(12)]
    short = shortened([*long, "short"], 16)
    assert len(set(short.values())) == 13 and max(map(len, short.values())) <= 16 and short["short"] == "short"
    labels = {"fusion=add lr=.5": {"fusion": "add", "lr": ".5"}, "fusion=max lr=1": {"fusion": "max", "lr": "1"}}
    assert brief(labels, 20) == ({label: label for label in labels}, "")
    assert brief(labels, 8) == ({"fusion=add lr=.5": "add .5", "fusion=max lr=1": "max 1"}, "fusion lr")
    assert brief({}, 8) == ({}, "")


def test_a_run_is_called_by_the_settings_that_vary_alone():
    def run(**settings):
        return Finished(None, {}, {}, [], "test", 1, "s", settings=settings)

    runs = [run(**{"train.lr": 0.1, "data.flip": flip, "model.depth": (0.5, 0.5)}) for flip in (True, False)]
    assert label_runs(runs) == ["data.flip"] and [one.label for one in runs] == ["flip=yes", "flip=no"]
    runs += [run(**{"train.lr": 0.05, "data.flip": True, "model.depth": (0.1, 1.0)})]
    label_runs(runs)
    assert [one.label for one in runs] == [
        "lr=.1 flip=yes depth=.5,.5",
        "lr=.1 flip=no depth=.5,.5",
        "lr=.05 flip=yes depth=.1,1",
    ]


def test_data_that_differ_by_their_settings_alone_are_not_named_beside_these():
    """A folder decoded at two sizes has two fingerprints; other data, or other parts of them, have a name."""

    def runs(*facts):
        settings = [{"data.size": size, "data": Named(path, print_, split)} for size, path, print_, split in facts]
        return [Finished(None, {}, {}, [], "test", 1, "s", settings=one) for one in settings]

    assert label_runs(runs((32, "x", "f", "s"), (64, "x", "g", "s"), (64, "x", "g", "s"))) == ["data.size"]
    assert label_runs(runs((32, "x", "f", "s"), (64, "x", "g", "s"), (64, "x", "h", "s"))) == ["data.size", "data"]
    assert label_runs(runs((32, "x", "f", "s"), (64, "y", "g", "s"))) == ["data.size", "data"]
    assert label_runs(runs((32, "x", "f", "s"), (32, "x", "g", "s"))) == ["data"]
