"""Reports from the files alone, of damaged runs and of odd names."""

import shutil

import pytest

from learnerkit.all import Run, array_dls, image_learner, write_report
from learnerkit.classify.evaluate import evaluate
from tests.conftest import toy_arrays
from tests.images import QUICK


def damage(run, kind):
    if kind == "npz":
        path = run / "predictions.npz"
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "csv":
        with (run / "batch_metrics.csv").open("a") as file:
            file.write("99,1")
    else:
        (run / f"{kind}.json").write_text("{}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npz", "csv", "run", "class_names"])
def test_damaged_runs_are_one_error_and_the_others_get_their_report(command, digits_run, kind):
    run = digits_run.parent
    shutil.copytree(digits_run, run / "b")
    damage(run / "a", kind)
    for name in ("a", "b"):
        (run / name / "report.html").unlink()
    code, _, err = command("report", "--all")
    assert (run / "b" / "report.html").exists() and "Traceback" not in err
    assert (code, (run / "a" / "report.html").exists()) == ((0, True) if kind == "csv" else (2, False))


def test_names_with_brackets_and_formulas(command, tmp_path):
    code, out, err = command("train", "digits", *QUICK, "--tta", "0", "--out", tmp_path / "o[/x]", "--name", "[bold]x")
    assert code == 0 and "o[/x]/[bold]x" in out, err
    images, labels = toy_arrays()
    dls = array_dls(images, labels, bs=16, vocab=["$\\foo$", "<script>", "_"])
    learn = image_learner(dls, "tiny_cnn", cbs=Run(tmp_path, "odd"), seed=1)
    learn.logger = lambda row: None
    learn.fit(1)
    evaluate(learn, learn.run_folder, ["valid", "test"])
    assert "<script>" not in write_report(tmp_path / "odd").read_text()
