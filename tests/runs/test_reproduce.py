"""A run trained again from its page: identical, or where it parts and why."""

import json
import shutil

import numpy as np
import pytest
from fastai.callback.core import Callback
from PIL import Image

from learnerkit import cli
from learnerkit.all import EMA, Accumulate, CutMix, EarlyStop, Run, Schedule, digits_dls, image_learner
from learnerkit.core.errors import DataError, RunError
from learnerkit.core.members import read_members
from learnerkit.core.record import content_of, record_of
from learnerkit.core.run_folder import RunFolder
from learnerkit.runs.replay import replay_step
from learnerkit.runs.reproduce import reproduce_run, told
from tests.conftest import toy_learner
from tests.json_page import check_document


def edited(run, target, change):
    """A page of a run whose record was changed by a function."""
    content = content_of(record_of(RunFolder.open(run)))
    change(content)
    target.write_text(f'<script type="application/json" id="learnerkit-record">{json.dumps(content)}</script>')
    return target


def test_a_page_alone_gives_the_same_weights(digits_run, tmp_path, capsys):
    page = shutil.copy(digits_run / "report.html", tmp_path / "page.html")
    shutil.rmtree(digits_run)
    capsys.readouterr()
    assert cli.main(["reproduce", str(page), "--out", str(tmp_path / "again"), "--name", "b", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    check_document(document, "reproduce")
    assert document["identical"]
    assert (document["step"], document["causes"], document["notes"]) == (None, [], [])
    assert all(then == now is not None for then, now in document["results"].values())
    again = tmp_path / "again" / "b"
    kept = json.loads((again / "reproduction.json").read_text())
    assert kept["weights"] == document["weights"]
    assert json.loads((again / "run.json").read_text())["reproduces"]["source"] == str(page)


def test_a_planted_seed_version_and_thread_count_are_named(digits_run, tmp_path):
    def plant(content):
        content["run"]["resolved"]["seed"] += 1
        content["run"]["versions"]["torch"] = "1.0"
        content["run"]["device"]["threads"] = 7

    page = edited(digits_run, tmp_path / "page.html", plant)
    found = reproduce_run(page, out=tmp_path / "again", threads=1)
    assert not found.identical
    assert found.step == 1
    assert [what for what, _ in found.causes] == ["seed", "version of torch", "threads"]
    lines = told(found)
    assert lines[1].startswith("first                step 1 of 6: loss ")
    assert lines[2] == "likely cause         seed: 42 recorded, 43 now"
    assert "note                 the record of the page was changed since it was written" in lines


def test_a_changed_pixel_is_named(tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "set"
    for name in ("dark", "light"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 100, (16, 16, 3), dtype=np.uint8) + 100 * (name == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:02d}.png")
    settings = "--epochs 1 --bs 8 --arch tiny_cnn --dropout null".split()
    words = ["train", "classify", *settings, "--data", folder, "--out", tmp_path, "--name", "a"]
    assert cli.main([str(word) for word in words]) == 0
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"its data cannot be read: .*--data DIR"):
        reproduce_run(tmp_path / "a", out=tmp_path / "again")
    assert reproduce_run(tmp_path / "a" / "report.html", data=moved, out=tmp_path / "again").identical
    name = read_members(tmp_path / "a").ids["train"][0]
    file = moved / name
    pixels = np.array(Image.open(file))
    pixels[4, 4, 0] ^= 64
    Image.fromarray(pixels).save(file)
    found = reproduce_run(tmp_path / "a", data=moved, out=tmp_path / "again")
    assert found.causes == [("data", f"1 samples are others than recorded: {name}")]
    assert not found.identical
    found = reproduce_run(tmp_path / "a" / "report.html", data=moved, out=tmp_path / "again")
    assert found.causes[0][0] == "data"
    assert found.causes[0][1].startswith("fingerprint ")


def test_a_run_whose_losses_have_six_digits_parts_at_no_step(digits_run, tmp_path):
    file = digits_run / "batch_metrics.csv"
    head, *rows = [line.split(",") for line in file.read_text().splitlines()]
    place = head.index("loss")
    for row in rows:
        row[place] = f"{float(row[place]):.6g}"
    file.write_text("".join(",".join(row) + "\n" for row in (head, *rows)))
    assert replay_step(digits_run, 1).same
    found = reproduce_run(digits_run, out=tmp_path / "again")
    assert (found.identical, found.step) == (True, None)


def test_equal_weights_though_something_differs(digits_run, tmp_path):
    page = edited(digits_run, tmp_path / "page.html", lambda content: content["run"].update(platform="another"))
    lines = told(reproduce_run(page, out=tmp_path / "again"))
    assert lines[0].startswith("identical            final weights ")
    assert lines[1].startswith("differed, and made no difference: platform: another recorded")


@pytest.fixture
def script(tmp_path):
    """A function that fits a learner as a script does; returns its run folder."""

    def fit(*cbs, **fitting):
        learn = image_learner(
            digits_dls(bs=32, size=16, limit=96),
            "tiny_cnn",
            cbs=[*cbs, Run(tmp_path, "script", report=False)],
            precision="bf16",
            clip=1.0,
            seed=3,
        )
        with learn.no_bar(), learn.no_logging():
            learn.fit_one_cycle(2, 0.05) if not fitting else learn.fit(2, 0.05, **fitting)
        return tmp_path / "script"

    return fit


@pytest.mark.parametrize("fitting", [{}, {"cbs": Schedule("cosine")}], ids=["one cycle", "cosine"])
def test_a_script_comes_again_with_its_callbacks(script, tmp_path, fitting):
    run = script(CutMix(p=0.7), EMA(0.9), Accumulate(2), EarlyStop("accuracy", patience=5), **fitting)
    assert replay_step(run, 4).same
    found = reproduce_run(run, out=tmp_path / "again")
    assert found.identical
    assert found.causes == []


class Foreign(Callback):
    """Of the script itself."""


def test_a_script_with_a_callback_of_its_own_is_refused_by_its_name(script, tmp_path):
    run = script(Foreign())
    assert json.loads((run / "run.json").read_text())["further_callbacks"] == ["Foreign"]
    with pytest.raises(RunError, match="cannot say what its callbacks Foreign do"):
        reproduce_run(run, out=tmp_path / "again")


def test_what_cannot_be_reproduced(tmp_path, digits_run):
    learn = toy_learner(cbs=Run(tmp_path, "script", report=False))
    with learn.no_bar():
        learn.fit_one_cycle(1)
    with pytest.raises(RunError, match=r"run.json cannot say images, labels of array_dls"):
        reproduce_run(tmp_path / "script", out=tmp_path / "again")
    RunFolder.open(digits_run).set_status("interrupted")
    with pytest.raises(RunError, match=r"not trained to its end \(interrupted\)"):
        reproduce_run(digits_run, out=tmp_path / "again")
    assert not (tmp_path / "again").exists()
