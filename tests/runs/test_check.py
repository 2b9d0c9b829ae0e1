"""`learnerkit check`: a clean recipe, each planted fault named, bad input, and what it leaves behind: nothing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback

from learnerkit.all import array_dls
from learnerkit.classify.check import label_of
from learnerkit.data.probe import chance_of, sure_above, told_by_pixels
from learnerkit.data.split import Split
from learnerkit.runs.check import check
from learnerkit.runs.check_data import check_looks, check_parts
from learnerkit.runs.checked import Checked, Line, line_text
from learnerkit.runs.recipes import load_recipe
from learnerkit.tasks import get_task
from tests.conftest import toy_arrays
from tests.json_page import check_document
from tests.pairs import write_pairs
from tests.scenes import write_scenes

CLASSIFY = replace(get_task("classify"), check_s=0.5)
QUICK = {"limit": 200, "bs": 16, "arch": "tiny_cnn", "size": 16, "dropout": "null"}


def lines_of(found):
    return {line.check: line for line in found.lines}


def test_a_clean_recipe(command, tmp_path):
    words = [f"--{key}={value}" for key, value in QUICK.items()]
    code, out, err = command("check", "digits", *words, "--json", "--out", "page")
    document = json.loads(out)
    check_document(document, "check")
    assert (code, err) == (0, "") and document["level"] == "ok"
    names = [one["check"] for one in document["checks"]]
    assert {"data", "parts", "labels", "augmentation", "inputs", "gradients", "one batch", "resume"} <= {*names}
    assert document["bytes"] > 0 and document["seconds"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {"page"}  # no run, no cache
    written = {path.name for path in (tmp_path / "page").iterdir()}
    assert written >= {"check.json", "check.html", "augmented.png"}
    page = (tmp_path / "page" / "check.html").read_text()
    assert "give the same weights, bit for bit" in page and "Before and after augmentation" in page


def with_learner(change):
    def build_learner(recipe, dls, cbs):
        learn = CLASSIFY.build_learner(recipe, dls, cbs)
        change(learn)
        return learn

    return replace(CLASSIFY, build_learner=build_learner)


def freeze_head(learn):
    for name, parameter in learn.model.named_parameters():
        parameter.requires_grad_(name not in learn.head_names)


def shift_labels(learn):
    def shift(cb):
        cb.learn.yb = ((cb.learn.yb[0] + 1) % 10,)

    callback = Callback(before_batch=shift)
    callback.order = -12
    learn.add_cb(callback)


def forget_steps(learn):
    """Something outside the state decides about the weights."""
    seen = []

    def scale(cb):
        seen.append(1)
        cb.learn.loss_grad = cb.learn.loss_grad * (1 + len(seen))

    learn.add_cb(Callback(after_loss=scale))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (freeze_head, "gradients", "of the last layer is set not to train"),
        (shift_labels, "one batch", "0 of 8 are told as they are labelled"),
        (forget_steps, "resume", "differ by up to"),
    ],
)
def test_a_planted_fault_of_the_learner_is_named(change, name, words):
    found = check(load_recipe("digits", QUICK), with_learner(change))
    assert words in lines_of(found)[name].text and lines_of(found)[name].good is False
    assert found.exit_code() == 2


def test_data_that_cannot_be_read_are_one_fault(command, tmp_path):
    code, out, _ = command("check", "classify", "--data", "nowhere")
    assert code == 2 and out.startswith("  FAULT data: nowhere: no such file or folder")
    scenes = write_scenes(tmp_path / "scenes")
    for file in (scenes / "labels").iterdir():
        rows = [line.split() for line in file.read_text().splitlines()]
        file.write_text("".join(" ".join([row[0], *(str(64 * float(v)) for v in row[1:])]) + "\n" for row in rows))
    code, out, _ = command("check", "rgbx-mit", "--data", "scenes")
    assert code == 2 and out.count("FAULT") == 1 and "label lines hold pixels" in out


def test_words_that_are_wrong(command, tmp_path):
    assert command("check")[2].startswith("error: which recipe?")
    assert "did you mean digits" in command("check", "digit")[2]
    code, _, err = command("check", "digits", "--fusion", "add")
    assert code == 2 and "has no --fusion" in err
    (tmp_path / "set").mkdir()
    code, _, err = command("check", "classify", "--data", "set", "--out", "set/page")
    assert code == 2 and "--out set/page: lies in set" in err and not any((tmp_path / "set").iterdir())


def toy_loaders(labels=None, **kwargs):
    images, codes = toy_arrays(n=240, size=16)
    return array_dls(images, codes if labels is None else labels, bs=16, vocab=["top", "middle", "bottom"], **kwargs)


def test_parts_that_share_samples():
    dls = toy_loaders()
    assert all(line.good for line in check_parts(dls))
    split = dls.split
    dls.split = Split(np.concatenate([split.train, split.test[:5]]), split.valid, split.test)
    (line,) = [line for line in check_parts(dls) if line.good is False]
    assert line.text == f"5 of {len(split.test)} test samples are trained on as well"


def test_labels_of_other_rows():
    assert lines_of_looks(toy_loaders())["labels"].good is True
    rolled = np.random.default_rng(0).permutation(np.arange(240) % 3)
    line = lines_of_looks(toy_loaders(labels=rolled))["labels"]
    assert line.good is None and line.text.endswith("the pixels say nothing of the labels")


def lines_of_looks(dls):
    return {line.check: line for line in check_looks(dls, CLASSIFY)[0]}


def test_an_augmentation_that_destroys_the_class():
    line = lines_of_looks(toy_loaders(crop=2))["augmentation"]
    assert line.good is True
    line = lines_of_looks(toy_loaders(cutout=64))["augmentation"]  # it covers all of a picture
    assert line.good is False and "take augmentations away" in line.remedy


def test_a_plain_model_of_pixels():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    features = np.eye(4)[labels] + rng.normal(0, 0.1, (200, 4))
    assert told_by_pixels(features, labels) == 1
    assert told_by_pixels(rng.normal(size=(200, 4)), labels) < 0.4
    assert told_by_pixels(np.repeat(features[:40], 20, axis=1), labels[:40]) == 1  # fewer samples than features
    assert chance_of(np.array([0, 0, 0, 1])) == 0.75
    # three errors of .25 on 100 samples are 3 sqrt(.1875 / 100) = .13
    assert sure_above(0.39, 0.25, 100) and not sure_above(0.37, 0.25, 100)


def test_the_label_of_a_file_is_its_own_folder():
    class Set:
        ids, vocab, labels = ("train/1/stegosaurus.png", "train/cat/a.png"), ["train", "cat", "dinosaur"], [2, 2]

    assert [label_of(Set, row) for row in (0, 1)] == ["dinosaur", "cat"]


def test_levels_and_lines():
    found = Checked(load_recipe("digits"), CLASSIFY, [Line("a", True, "x")])
    assert (found.level, found.exit_code(), found.exit_code(strict=True)) == ("ok", 0, 0)
    found.lines.append(Line("b", None, "y", "z"))
    assert (found.level, found.exit_code(), found.exit_code(strict=True)) == ("warn", 0, 1)
    found.lines.append(Line("c", False, "w"))
    assert found.exit_code() == 2
    assert [line_text(line) for line in found.lines] == ["  ok    a: x", "  warn  b: y. Try: z", "  FAULT c: w"]


@pytest.mark.slow
def test_the_other_tasks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pairs(Path("pairs"), n=20)
    write_scenes(Path("scenes"), n=24)
    pairs = {"data": "pairs", "cache": "cache", "arch": "wrn_10_1", "bs": 8}
    frames = {"data": "scenes", "arch": "timm:test_resnet", "bs": 4, "opt": "adamw", "lr": "0.001", "size": 64}
    for name, settings in (("saliency-wrn", pairs), ("rgbx-mit", frames)):
        recipe = load_recipe(name, settings)
        found = check(recipe, replace(get_task(recipe.task), check_s=6.0))
        assert [line for line in found.lines if line.good is False] == []
        assert {"inputs", "gradients", "one batch", "resume", "forecast"} <= lines_of(found).keys()


def test_randomness_of_the_process_is_its_own():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(load_recipe("digits", {"limit": 5, "data": "nowhere"}))
    assert torch.equal(torch.rand(2), expected)
