"""`learnerkit explain`: what it leaves in a run and on its page, on each task, and what it refuses."""

import csv
import shutil
import warnings

import numpy as np
import pytest

from learnerkit.all import (
    DataError,
    Run,
    RunError,
    array_dls,
    fusion_learner,
    image_learner,
    saliency_dls,
    write_report,
)
from learnerkit.core.files import read_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.tensors import read_npz
from learnerkit.explain.methods import METHODS, Asked
from learnerkit.runs.explain import explain_runs
from tests.pairs import write_pairs
from tests.scenes import toy_detector

CONTROLS = {"faithfulness.png", "faithfulness.csv", "randomisation.png", "randomisation.csv"}
MAPS = {"explanations.json", "explanations.png", "images.csv", "maps.npz", "mean_maps.png"}


def rows_of(file):
    with file.open() as lines:
        return list(csv.DictReader(lines))


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_a_run_is_explained_on_its_page(digits_run, command):
    code, said, _ = command("explain", digits_run, "--images", 12, "--methods", "gradcam,saliency")
    folder = digits_run / "explanations"
    assert code == 0 and f"written to           {folder}" in said
    assert "explained            12 images of the test part" in said
    assert names_in(folder) >= MAPS | CONTROLS | {"consistency.csv", "agreement.png"}
    content = read_json(folder / "explanations.json")
    assert (
        content["images"] == 12 and content["part"] == "test" and content["asked"]["methods"] == ["gradcam", "saliency"]
    )
    page = (digits_run / "report.html").read_text()
    for title in (
        "What the model looked at",
        "Does the score follow the map?",
        "Agreement of the maps",
        "Faithfulness",
    ):
        assert title in page
    maps = read_npz(folder / "maps.npz")
    assert {name: values.shape for name, values in maps.items()} == {"gradcam": (12, 16, 16), "saliency": (12, 16, 16)}
    rows = rows_of(folder / "images.csv")
    assert len(rows) == 12 and all(row["explained"] == row["predicted"] for row in rows)
    rows = [row for row in rows_of(folder / "consistency.csv") if row["images"] == "all"]
    pairs = {(row["first"], row["second"], row["measure"]) for row in rows}
    assert pairs == {("gradcam", "saliency", measure) for measure in ("spearman", "ssim", "overlap")}
    assert write_report(digits_run).read_text().count("data:image/png") == page.count("data:image/png")


@pytest.mark.slow
def test_without_controls_none_are_written(digits_run):
    explain_runs([digits_run], Asked(images=10))
    explain_runs([digits_run], Asked(images=10, controls=False))
    assert names_in(digits_run / "explanations") >= MAPS and not CONTROLS & names_in(digits_run / "explanations")


@pytest.mark.slow
def test_sizes_are_compared_and_what_a_model_cannot_take_is_said(digits_run, command):
    code, said, _ = command(
        "explain", digits_run, "--images", 6, "--methods", "gradcam", "--sizes", "24,48", "--no-controls"
    )
    assert code == 0 and "not explained" not in said
    folder = digits_run / "explanations"
    maps = read_npz(folder / "maps.npz")
    assert {name: values.shape[1:] for name, values in maps.items()} == {
        "gradcam 16 px": (16, 16),
        "gradcam 24 px": (24, 24),
        "gradcam 48 px": (48, 48),
    }
    assert len([row for row in rows_of(folder / "consistency.csv") if row["images"] == "all"]) == 9


@pytest.mark.slow
def test_several_runs_are_explained_on_the_same_images_and_classes(digits_run, tmp_path, command):
    other = tmp_path / "twin"
    shutil.copytree(digits_run, other)
    asked = ("--images", 6, "--methods", "gradcam", "--no-controls", "--out", tmp_path / "both")
    code, *_ = command("explain", digits_run, other, *asked)
    assert code == 0
    rows = rows_of(tmp_path / "both" / "consistency.csv")
    assert {row["method"] for row in rows} == {"gradcam"} and len(rows) == 3
    assert all(float(row["mean"]) == pytest.approx(1) for row in rows)  # of the same weights
    first, second = ((run / "explanations" / "images.csv").read_text() for run in (digits_run, other))
    assert first == second and (tmp_path / "both" / "agreement_gradcam.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--methods", "gradcamm"), "method 'gradcamm': did you mean gradcam"),
        (("--layer", "layer9"), "layer 'layer9': did you mean"),
        (("--sizes", "big"), "--sizes big: 'big' is no whole number above 0"),
        (("--out", "there"), "--out there: is for several runs"),
    ],
)
def test_what_is_asked_wrongly_is_refused(digits_run, command, words, said):
    code, _, text = command("explain", digits_run, *words, "--images", 4, "--no-controls")
    assert code == 2 and said in text


@pytest.mark.slow
def test_a_page_leaves_out_explanations_of_other_weights(digits_run):
    explain_runs([digits_run], Asked(images=4, controls=False))
    title = "What the model looked at"
    assert title in write_report(digits_run).read_text()
    (digits_run / "best_model.safetensors").write_bytes((digits_run / "final_model.safetensors").read_bytes() + b" ")
    assert title not in write_report(digits_run).read_text()


def test_runs_of_other_classes_are_not_compared(digits_run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(digits_run, other)
    described = read_json(other / "run.json")
    write_json(other / "run.json", {**described, "classes": described["classes"][::-1]})
    with pytest.raises(RunError, match=r"other: has other classes than .*a; the same class"):
        explain_runs([digits_run, other])


def test_a_run_that_is_not_finished_is_refused(digits_run):
    RunFolder.open(digits_run).set_status("interrupted")
    with pytest.raises(RunError, match="is interrupted; the weights that are explained are chosen when"):
        explain_runs([digits_run])


def test_a_run_that_is_given_twice_is_refused(digits_run):
    with pytest.raises(RunError, match="is given twice"):
        explain_runs([digits_run, digits_run.parent / "." / digits_run.name])


def test_a_script_gives_its_loaders_which_have_one_size(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    dls = array_dls(images, np.arange(60) % 2, bs=16)
    learn = image_learner(dls, "tiny_cnn", cbs=Run(tmp_path, name="script"))
    with learn.no_bar():
        learn.fit(1)
    with pytest.raises(RunError, match="not made by plain arguments"):
        explain_runs([tmp_path / "script"], Asked(images=2))
    _, (found,) = explain_runs([tmp_path / "script"], Asked(images=2, at=(32,), controls=False), dls)
    assert list(found.heat) == ["gradcam", "saliency"] and found.notes[0].startswith("32 pixels: the DataLoaders")


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["concat", "max"])
def test_every_method_has_controls_on_pairs(tmp_path, fusion):
    pytest.importorskip("captum")
    write_pairs(tmp_path / "maps", n=12)
    dls = saliency_dls(tmp_path / "maps", bs=8)
    learn = fusion_learner(dls, "tiny_cnn", fusion=fusion, cbs=Run(tmp_path, name="pairs"))
    with learn.no_bar():
        learn.fit(1)
    with warnings.catch_warnings(action="ignore"):  # of gaps, on weights that have learnt nothing
        _, (found,) = explain_runs([tmp_path / "pairs"], Asked(tuple(METHODS), images=2))
    assert not found.notes and {row["method"] for row in found.rows["randomisation"]} == set(METHODS)


@pytest.mark.slow
def test_pairs_and_frames_are_explained(tmp_path):
    write_pairs(tmp_path / "maps", n=12)
    learn = fusion_learner(
        saliency_dls(tmp_path / "maps", bs=8), "tiny_cnn", fusion="add", cbs=Run(tmp_path, name="pairs")
    )
    scenes = toy_detector(tmp_path / "set", cbs=[Run(tmp_path, name="frames")])
    for one in (learn, scenes):
        with one.no_bar():
            one.fit_one_cycle(1, 1e-3)
    _, (found,) = explain_runs([tmp_path / "pairs"], Asked(images=4, at=(16,)))
    shapes = {name: tuple(heat.shape) for name, heat in found.heat.items()}
    both = {f"{name} {side} px": (4, side, 2 * side) for name in ("gradcam", "saliency") for side in (32, 16)}
    assert shapes == both  # both maps side by side
    assert {"faithfulness", "randomisation"} <= set(found.rows)
    with pytest.raises(DataError, match=r"none of the 2 frames of its test part has a detection of a score of 0.99"):
        explain_runs([tmp_path / "frames"], Asked(score=0.99))
    with pytest.raises(DataError, match="Leave --sizes, --methods and --layer out"):
        explain_runs([tmp_path / "frames"], Asked(at=(32,)))
    with pytest.raises(DataError, match="Leave --sizes, --methods and --layer out"):
        explain_runs([tmp_path / "frames"], Asked(layer="middle"))
    with warnings.catch_warnings(action="ignore"):  # of gaps, on weights that have learnt nothing
        _, (found,) = explain_runs([tmp_path / "frames"], Asked(images=1, score=0.01))
    assert names_in(tmp_path / "frames" / "explanations") >= {"modalities.png", "shares.png", "detections.csv"}
    shutil.copytree(tmp_path / "frames", tmp_path / "again")
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(RunError, match="of the task 'detect' are not compared"),
    ):
        explain_runs([tmp_path / "frames", tmp_path / "again"], Asked(images=1, score=0.01))
    row = found.rows["detections"][0]
    assert {"share_RGB", "share_thermal", "share_event", "contribution_event"} <= set(row)
    with pytest.raises(RunError, match="runs of detect, fuse: explanations are compared within one task"):
        explain_runs([tmp_path / "pairs", tmp_path / "frames"])
