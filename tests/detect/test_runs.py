"""Detectors from the command line: train, evaluate, report, doctor, sweep, compare, on scenes and on real frames."""

import csv
import json
import shutil
import warnings

import numpy as np
import pytest

from learnerkit.all import TTA, DetectionInterpretation, Run, compare_runs, detection_dls, load_run, verify
from learnerkit.core.errors import LearnerkitError, RecipeError, RunError
from learnerkit.core.files import read_json, write_json
from learnerkit.core.tensors import read_npz
from learnerkit.detect.compare import rank
from learnerkit.detect.evaluate import evaluate as evaluate_detection
from learnerkit.detect.matching import as_tensors
from learnerkit.detect.metrics import average_precision
from learnerkit.runs.compare import verdict, write_comparison
from learnerkit.runs.evaluate import evaluate_run
from learnerkit.runs.report import write_report
from tests.scenes import BAD_LINES, GOOD, QUICK, bad_frames, call, scene, toy_detector, write_scenes

QUICK += ["--box-batch-size-per-image", "16", "--anchors", "8,16,32,64,128"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch on scenes whose frames are shown to the model at another size."""
    root = tmp_path_factory.mktemp("detector")
    write_scenes(root / "set")
    call(
        "train", "rgbx-mit", "--data", root / "set", "--size", "96", *QUICK, "--out", root, "--name", "a", "--tta", "2"
    )
    return root / "a"


def test_the_run_folder_is_whole(run):
    names = {path.name for path in run.iterdir()}
    assert names >= {"metrics.csv", "batch_metrics.csv", "results.json", "predictions.npz", "predictions.csv"}
    assert names >= {"predictions.json", "annotations.json", "best_model.safetensors", "final_model.safetensors"}
    assert names >= {"model.json", "report.html", "samples.npz", "checkpoints"}
    figures = {path.stem for path in (run / "figures").iterdir()}
    assert figures >= {"loss_parts", "precision_recall", "confusion_matrix", "top_losses", "predictions"}
    results = read_json(run / "results.json")
    for key in ("valid_mAP", "test_mAP", "test_mAP50", "test_mAP75", "test_mAP_small", "test_mAP_tta", "ms_per_image"):
        assert key in results
    assert set(results["ablation"]["rows"]) == {"all channels", "without RGB", "without thermal", "without event"}
    page = (run / "report.html").read_text()
    for words in ("What each modality is worth", "Precision and recall", "Images with most errors", "Loss parts"):
        assert words in page


def test_results_are_those_of_the_written_predictions(run):
    results, arrays = read_json(run / "results.json"), read_npz(run / "predictions.npz")
    for part in ("valid", "test"):
        chosen = arrays["part"] == part
        for suffix, kind in (("", "detections"), ("_tta", "detections_tta")):
            measured = average_precision(as_tensors(arrays[kind][chosen]), as_tensors(arrays["targets"][chosen]))
            for key, value in measured.items():
                assert results[f"{part}_{key}{suffix}"] == (None if value is None else pytest.approx(value, abs=1e-6))


def test_what_a_run_kept_is_what_its_learner_finds(run):
    learn = load_run(run)
    for tta, cbs in ((False, None), (True, [TTA(2)])):
        kept = DetectionInterpretation.from_run(run, tta=tta)
        anew = DetectionInterpretation.from_learner(learn, ds_idx=2, cbs=cbs)
        assert kept.ids == anew.ids and kept.vocab == anew.vocab
        for key in ("mAP", "mAP50", "mAP75"):
            assert kept.figures()[key] == pytest.approx(anew.figures()[key], abs=1e-6)
        first, second = kept.error_kinds(score=0.05), anew.error_kinds(score=0.05)
        for kind, row in first.items():
            assert row == pytest.approx(second[kind], abs=1e-6), kind
        assert (kept.confusion_matrix(score=0.05) == anew.confusion_matrix(score=0.05)).all()
        places = [[(row["ID"], row["Kind"], row["Score"]) for row in seen.errors_table(0.05)] for seen in (kept, anew)]
        assert places[0] == places[1]
    assert kept.errors_table(0.05) and (run / "errors.csv").read_text().startswith("ID,Kind,True,Found,Score")
    valid = DetectionInterpretation.from_run(run, part="valid")
    assert len(valid.ids) == 2
    with pytest.raises(RunError, match="kept no frames of 'valid'"):
        valid.plot_worst()


def test_truth_is_written_in_pixels_of_the_stored_frames(run):
    source = detection_dls(run.parent / "set").source
    arrays = read_npz(run / "predictions.npz")
    for name, rows in zip(arrays["ids"], arrays["targets"], strict=True):
        held = rows[rows[:, 4] >= 0]
        row = source.ids.index(name)
        assert (
            np.allclose(held[:, :4], source.boxes[row], atol=1e-3) and held[:, 4].tolist() == source.codes[row].tolist()
        )


def test_coco_files_fit_each_other(run):
    truth, found = read_json(run / "annotations.json"), read_json(run / "predictions.json")
    lines = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    ids = {entry["id"]: entry["file_name"] for entry in truth["images"]}
    assert sorted(ids.values()) == ["images/0008.npy", "images/0009.npy"] and len(lines) == len(found)
    names = {entry["id"]: entry["name"] for entry in truth["categories"]}
    for line, entry in zip(lines, found, strict=True):
        assert line["ID"] == ids[entry["image_id"]] and line["Label"] == names[entry["category_id"]]
        assert float(line["x1"]) == pytest.approx(entry["bbox"][0], abs=0.01)


@pytest.mark.slow
def test_evaluate_again_and_on_other_frames(run, tmp_path):
    before = read_json(run / "results.json")
    call("evaluate", run, "--tta", "2")
    again = read_json(run / "results.json")
    assert all(again[key] == before[key] for key in before if "mAP" in key)
    other = write_scenes(tmp_path / "other", n=6, seed=5, parts=False)
    assert "all mAP50" in call("evaluate", run, "--data", other)
    results = read_json(run / "evaluations" / "other" / "results.json")
    assert results["images"] == 6 and "all_mAP" in results and "all_per_class" in results
    assert (run / "evaluations" / "other" / "figures" / "top_losses.png").exists()
    shutil.rmtree(other / "labels")
    call("evaluate", run, "--data", other / "images")
    for name in ("predictions.csv", "predictions.json", "figures/predictions.png"):
        assert (run / "evaluations" / "images" / name).exists()
    assert "error" in call("evaluate", run, "--data", tmp_path)


def test_other_frames_that_do_not_fit_are_refused(run, tmp_path):
    assert "3 channel(s), the run's 5" in call("evaluate", run, "--data", write_scenes(tmp_path / "rgb", channels=3))
    named = write_scenes(tmp_path / "named")
    (named / "classes.txt").write_text("cat\ndog\n")
    assert "its class(es) cat, dog are not among the run's: square, bar" in call("evaluate", run, "--data", named)


def test_a_report_is_drawn_from_the_files_alone(run):
    (run / "report.html").unlink()
    call("report", run)
    assert (run / "report.html").stat().st_size > 100_000


@pytest.mark.filterwarnings("default:.*is trained and measured already:UserWarning")
def test_a_finished_run_resumes_to_nothing(run):
    before = (run / "metrics.csv").read_text()
    call("train", "--resume", run)
    assert (run / "metrics.csv").read_text() == before


def test_flags(tmp_path):
    said = call("train", "rgbx-mit", "--data", tmp_path, "--tta", "5")
    assert "0 or 2" in said
    assert "has no --cutmix" in call("train", "rgbx-mit", "--cutmix", ".5")
    assert "did you mean mit_b5" in call(
        "train", "rgbx-mit", "--arch", "mit_b9", "--data", write_scenes(tmp_path / "s")
    )
    assert "--lr-step-size" in call("train", "--help")


@pytest.mark.slow
def test_quarantine_stands_in_the_run(tmp_path):
    root = write_scenes(tmp_path / "set")
    (root / "labels" / "0001.txt").write_text(f"{GOOD}\n0 0.95 0.5 0.2 0.2\n")
    refused = call("train", "rgbx-mit", "--data", root, *QUICK, "--out", tmp_path, "--name", "a")
    assert "labels/0001.txt: line 2" in refused and "--bad skip" in refused and not (tmp_path / "a").exists()
    call("train", "rgbx-mit", "--data", root, *QUICK, "--out", tmp_path, "--name", "a", "--bad", "clip")
    (row,) = csv.DictReader((tmp_path / "a" / "quarantine.csv").read_text().splitlines())
    assert row["file"] == "labels/0001.txt" and row["place"] == "line 2" and row["reason"].endswith("clipped")


def test_doctor(tmp_path):
    root = write_scenes(tmp_path / "set")
    said = call("doctor", root)
    assert "class square" in said and "thermal: " in said and "anchors that fit" in said and "FAULT" not in said
    (root / "labels" / "0001.txt").write_text(f"{GOOD}\n0 0.95 0.5 0.2 0.2\n7 0.5 0.5 0.1 0.1\n")
    said = call("doctor", root, code=2)
    assert said.count("FAULT") == 2 and "labels/0001.txt: line 2" in said and "line 3: class 7 is not in 0..1" in said
    said = call("doctor", root, "--bad", "clip")
    assert "1 box(es) cut, 1 fault(s) left out; 10 of 10 images" in said


@pytest.mark.slow
def test_sweep_and_compare(tmp_path):
    root = write_scenes(tmp_path / "set")
    out = tmp_path / "sweep"
    grid = ["--grid", "arch=mit_b0,torchvision:resnet18"]
    call("sweep", "rgbx-mit", "--data", root, *QUICK, *grid, "--out", out)
    said = call("compare", out)
    assert "fastest" in said and "smallest" in said and "torchvision:resnet18" in said
    comparison = compare_runs(out)
    assert comparison.task == "detect" and {row["variant"]: row["n"] for row in comparison.rows} == {
        "mit_b0": 1,
        "torchvision:resnet18": 1,
    }
    sizes = {row["variant"]: row["parameters"] for row in comparison.rows}
    assert sizes["mit_b0"] == 27_796_683 - 5 * 1025  # of the published count, one class less
    for row in comparison.rows:
        runs = [run for run in comparison.runs if run.label == row["variant"]]
        assert row["mAP"] == pytest.approx(np.mean([run.results["test_mAP"] for run in runs]))
        assert row["fps"] > 0 and row["megabytes"] > 1
    assert (out / "comparison.html").exists() and (out / "comparison.png").exists()
    assert {row["state"] for row in read_json(out / "sweep.json")["trials"]} == {"done"}
    (out / "arch-mit_b0" / "predictions.npz").unlink()
    call("sweep", "rgbx-mit", "--data", root, *QUICK, *grid, "--out", out)  # does what is missing
    assert (out / "arch-mit_b0" / "predictions.npz").exists()


def test_places_by_hand():
    rows = [
        {"variant": "a", "mAP": 0.3, "ms_per_image": 20.0, "parameters": 5},
        {"variant": "b", "mAP": 0.5, "ms_per_image": 20.0, "parameters": 9},
        {"variant": "c", "mAP": None, "ms_per_image": 10.0, "parameters": 7},
    ]
    ranked = rank(rows)
    assert [row["variant"] for row in ranked] == ["b", "a", "c"]
    assert [row["rank_accuracy"] for row in ranked] == [1, 2, None]
    assert [row["rank_speed"] for row in ranked] == [2, 2, 1] and [row["rank_size"] for row in ranked] == [3, 1, 2]


def test_runs_on_other_frames_cannot_be_ranked(run, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(run, tmp_path / name)
    described = read_json(tmp_path / "b" / "run.json")
    described["resolved"]["model"]["arch"] = "mit_b1"
    write_json(tmp_path / "b" / "run.json", described)
    comparison = compare_runs(tmp_path)
    assert "Tied on valid: mit_b0 and mit_b1" in verdict(comparison) and "for its name alone" in verdict(comparison)
    assert write_comparison(comparison, tmp_path / "page").exists()
    arrays = read_npz(tmp_path / "b" / "predictions.npz")
    arrays["targets"][..., 0] += 1
    np.savez(tmp_path / "b" / "predictions.npz", **arrays)
    with pytest.raises(LearnerkitError, match="cannot be ranked"):
        compare_runs(tmp_path)


# real frames


@pytest.fixture(scope="session")
def multimodal(tmp_path_factory, unpacked):
    return unpacked("multimodal60") / "multimodal60"


def test_every_fault_planted_in_real_frames_is_found(multimodal, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(multimodal, root)
    assert verify(root) and verify(root).samples == 60
    names = sorted(path.stem for path in (root / "images").iterdir())
    planted = set()
    for name, (line, _) in zip(names, BAD_LINES.values(), strict=False):
        line = line.replace("2", "3", 1) if line.startswith("2 ") else line  # there are three classes
        (root / "labels" / f"{name}.txt").write_text(f"{GOOD}\n{line}\n")
        planted.add(f"labels/{name}.txt: line 2")
    for name, (write, _) in zip(names[20:], bad_frames().values(), strict=False):
        write(root / "images" / f"{name}.npy")
        planted.add(f"images/{name}.npy")
    (root / "labels" / f"{names[50]}.txt").unlink()
    (root / "images" / f"{names[51]}.npy").unlink()
    planted |= {f"images/{names[50]}.npy", f"labels/{names[51]}.txt"}
    found = {f"{fault.file}: {fault.place}" if fault.place else fault.file for fault in verify(root).faults}
    assert planted <= found, planted - found
    lists = {place for place in found - planted}
    assert all(place.startswith(("train.txt", "val.txt")) for place in lists), lists


@pytest.mark.slow
def test_eight_real_frames_are_learnt_by_heart(multimodal):
    dls = detection_dls(multimodal, bs=2, limit=8, flip=False)
    quick = {"proposals": (300, 100), "stochastic_depth": 0.0}
    learn = toy_detector(None, dls=dls, arch="mit_b0", box_batch_size_per_image=64, model_args=quick)
    frames = dls.test_dl([int(row) for row in dls.split.train], with_labels=True, bs=4)
    dls.loaders[1] = dls.test_dl([int(dls.split.valid[0])], with_labels=True, bs=1)  # what it costs is the training
    with learn.no_bar():
        learn.fit_one_cycle(30, 5e-4)
    assert learn.validate(dl=frames)[2] > 0.9


def trained(root, out, **kwargs):
    learn = toy_detector(root, [Run(out, "a")], **kwargs)
    learn.fit(1)
    return learn


@pytest.fixture
def root(tmp_path):
    return write_scenes(tmp_path / "set")


def test_a_run_is_loaded_with_the_anchors_it_was_trained_with(root, tmp_path):
    learn = trained(root, tmp_path / "runs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = load_run(tmp_path / "runs" / "a", data=detection_dls(root, size=192))
    assert other.model.spec["anchors"] == learn.model.spec["anchors"]


@pytest.mark.slow
def test_the_file_of_first_weights_is_not_needed_again(root, tmp_path):
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    config = transformers.SegformerConfig(depths=[2, 2, 2, 2], hidden_sizes=[32, 64, 160, 256])
    file = tmp_path / "seg.safetensors"
    save_file({k: v.contiguous() for k, v in transformers.SegformerModel(config).state_dict().items()}, file)
    trained(root, tmp_path / "runs", arch="mit_b0", weights=file)
    file.unlink()
    assert load_run(tmp_path / "runs" / "a").model.spec["name"] == "detect:mit_b0"


@pytest.mark.slow
def test_frames_without_labels_and_the_whole_of_other_data_are_evaluated(root, tmp_path):
    trained(root, tmp_path / "runs", limit_batches=1)
    shutil.copytree(root / "images", tmp_path / "plain")
    with pytest.warns(UserWarning, match="6 of 10 samples are of the run's own training part"):
        folder, results = evaluate_run(tmp_path / "runs" / "a", data=tmp_path / "plain")
    assert results["images"] == 10 and (folder / "predictions.csv").exists()
    shutil.copytree(root, tmp_path / "other")
    (tmp_path / "other" / "classes.txt").unlink()
    for label in (tmp_path / "other" / "labels").iterdir():  # of the first class alone
        label.write_text("".join(f"{line}\n" for line in label.read_text().splitlines() if line.startswith("0")))
    for part in ("train", "val", "test"):
        (tmp_path / "other" / f"{part}.txt").unlink()
    with pytest.warns(UserWarning, match="6 of 10 samples are of the run's own training part"):
        folder, results = evaluate_run(tmp_path / "runs" / "a", data=tmp_path / "other")
    assert len(json.loads((folder / "annotations.json").read_text())["images"]) == 10
    assert "limited_to" not in results


@pytest.mark.slow
def test_a_valid_part_without_boxes_is_refused_before_the_training(root, tmp_path):
    for name in ("0006", "0007"):
        (root / "labels" / f"{name}.txt").write_text("")
    said = call("train", "rgbx-mit", "--data", root, *QUICK, "--out", tmp_path, "--name", "a")
    assert "no box stands on the 2 frames of the valid part" in said and "--monitor valid_loss" in said
    words = ["--out", tmp_path, "--name", "a", "--monitor", "valid_loss", "--mode", "min"]
    call("train", "rgbx-mit", "--data", root, *QUICK, *words)
    assert (tmp_path / "a" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels_goes_to_the_report(tmp_path, channels):
    root = write_scenes(tmp_path / "set", channels=5)
    for file in (root / "images").iterdir():
        np.save(file, np.load(file)[:, :, :channels])
    learn = trained(root, tmp_path / "runs")
    learn.dls.show_batch(max_n=1)
    results = evaluate_detection(learn, learn.run_folder, ["valid"])
    assert write_report(learn.run_folder).exists()
    assert ("ablation" in results) == (channels in (2, 4))


@pytest.mark.slow
def test_views_that_a_detector_does_not_have(root, tmp_path):
    trained(root, tmp_path / "runs")
    with pytest.raises(RecipeError, match="0 or 2"):
        evaluate_run(tmp_path / "runs" / "a", tta=8)
    learn = toy_detector(None, [Run(tmp_path / "runs", "b")], dls=detection_dls(root, keeps=()))
    learn.fit(1)
    with pytest.raises(RecipeError, match="mirror"):
        evaluate_run(tmp_path / "runs" / "b", tta=2)


@pytest.mark.slow
def test_an_own_set_evaluated_as_it_was_taken(root, tmp_path):
    (root / "labels" / "0001.txt").write_text(f"{GOOD}\n0 0.95 0.5 0.2 0.2\n")
    learn = toy_detector(None, [Run(tmp_path / "runs", "a")], dls=detection_dls(root, bad="clip"))
    learn.fit(1)
    with pytest.warns(UserWarning, match="its test part is measured, 2 of 10 samples"):
        assert evaluate_run(tmp_path / "runs" / "a", data=root)[1]["images"] == 2


def test_evaluation_of_frames_alone_needs_channels_that_fit(root, tmp_path):
    trained(root, tmp_path / "runs")
    frame, _ = scene(np.random.default_rng(0), channels=3)
    (tmp_path / "rgb").mkdir()
    np.save(tmp_path / "rgb" / "a.npy", frame)
    with pytest.raises(LearnerkitError, match=r"3 channel\(s\), the run's 5"):
        evaluate_run(tmp_path / "runs" / "a", data=tmp_path / "rgb")


@pytest.mark.slow
def test_a_second_evaluation_has_a_folder_with_pictures(tmp_path):
    learn = toy_detector(tmp_path / "scenes", [Run(tmp_path, "a", report=False)])
    learn.fit(1)
    assert evaluate_run(tmp_path / "a")[0] == tmp_path / "a"
    for options, name in (({}, "own"), ({"tta": 2}, "own-tta2"), ({"weights": "final"}, "own-final")):
        place, results = evaluate_run(tmp_path / "a", **options)
        assert place == tmp_path / "a" / "evaluations" / name and "test_mAP50" in results
        assert list((place / "figures").glob("*.png"))
        assert f'<th scope="row">{name}</th>' in (tmp_path / "a" / "report.html").read_text()
