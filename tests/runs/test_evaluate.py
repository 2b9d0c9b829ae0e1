"""Measuring finished runs again: on their own parts, on other data, and never at the cost of the run."""

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.data.core import DataLoaders
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from learnerkit.all import Run, evaluate_run, folder_dls, image_learner, load_run
from learnerkit.classify import evaluate
from learnerkit.core.errors import LearnerkitError
from learnerkit.core.files import read_json
from learnerkit.core.tensors import read_npz
from tests.conftest import assert_same_weights, state_of, toy_arrays, toy_learner
from tests.images import image_folder, write_cifar10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*its test part is measured:UserWarning", "ignore:.*are of the run's own training")
@pytest.mark.parametrize("where", ["..", "other"])
def test_evaluations_never_touch_the_run_itself(command, tmp_path, monkeypatch, where):
    data = write_cifar10(tmp_path / "a" / "data", rows=40)
    flags = "--epochs 1 --bs 32 --arch tiny_cnn --name a --dropout null --tta 0".split()
    assert command("train", "cifar10-se-resnet", "--data", data, *flags)[0] == 0
    run = (tmp_path / "runs" / "cifar10-se-resnet" / "a").resolve()
    before = (run / "results.json").read_bytes(), (run / "predictions.npz").read_bytes()
    data.rename(tmp_path / "a" / "moved")  # the training data need not be there any more
    inner = tmp_path / "a" / "moved" / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    code, _, err = command("evaluate", run, "--data", ".." if where == ".." else tmp_path / "a" / "moved")
    assert code == 0, err
    assert before == ((run / "results.json").read_bytes(), (run / "predictions.npz").read_bytes())
    assert (run / "evaluations" / "moved" / "results.json").exists()
    other = write_cifar10(tmp_path / "b" / "moved", rows=30)
    assert command("evaluate", run, "--data", other)[0] == 0
    assert len(list((run / "evaluations").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*are of the run's own training part")
def test_a_run_of_greys_is_evaluated_on_pictures_of_any_kind(command, digits_run, tmp_path):
    """The digits themselves, as grey files, as colours and tinted: the same figures where the grey is the same."""
    source = load_run(digits_run).dls.source
    names, figures = source.vocab, {}
    for kind, make in {"grey": lambda x: x, "colour": lambda x: np.stack([x] * 3, axis=-1), "tinted": tinted}.items():
        for row in range(60):
            file = tmp_path / kind / names[source.labels[row]] / f"{row}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(make(source.images[row, 0])).save(file)
        code, _, err = command("evaluate", digits_run, "--data", tmp_path / kind)
        assert code == 0, err
        figures[kind] = read_json(digits_run / "evaluations" / kind / "results.json")["all_log_loss"]
    assert figures["grey"] == figures["colour"] != figures["tinted"]


def tinted(grey):
    return np.stack([grey, grey // 2, grey // 3], axis=-1)


@pytest.mark.slow
def test_evaluations_have_a_folder_each_and_the_first_stays(command, digits_run):
    before = (digits_run / "predictions.npz").read_bytes(), (digits_run / "results.json").read_bytes()
    for words in ([], ["--tta", 2], ["--tta", 2, "--weights", "final"], ["--tta", 2]):
        code, _, err = command("evaluate", digits_run, *words)
        assert code == 0, err
    names = ["own", "own-tta2", "own-tta2-final"]
    assert sorted(path.name for path in (digits_run / "evaluations").iterdir()) == names
    assert before == ((digits_run / "predictions.npz").read_bytes(), (digits_run / "results.json").read_bytes())
    found = {name: read_json(digits_run / "evaluations" / name / "results.json") for name in names}
    own = read_json(digits_run / "results.json")
    assert found["own"]["test_accuracy"] == found["own-tta2"]["test_accuracy"] == own["test_accuracy"]
    assert found["own-tta2"]["tta_views"] == 2 and "test_accuracy_tta" in found["own-tta2-final"]
    assert (digits_run / "evaluations" / "own" / "figures" / "confusion_matrix.png").exists()
    page = (digits_run / "report.html").read_text()
    assert (
        all(f'<th scope="row">{name}</th>' in page for name in names) and f"{found['own']['test_accuracy']:.4f}" in page
    )
    code, _, err = command("evaluate", digits_run, "--weights", "last")
    assert code == 2 and "'best' or 'final'" in err


def test_a_scripts_run_has_its_valid_part_and_page_and_its_test_part_by_evaluate(tmp_path):
    learn = toy_learner(Run(tmp_path, "a"))
    learn.fit(2, 0.1)
    run = learn.run_folder
    weights = state_of(learn)
    assert set(read_npz(run.file("predictions.npz"))["part"]) == {"valid"} and run.file("report.html").exists()
    assert "valid_accuracy" in run.results() and "test_accuracy" not in run.results()
    best = load_run(run.path, data=learn.dls)
    assert run.results()["valid_accuracy"] == pytest.approx(best.validate()[1])
    assert len(learn.recorder.values) == 2 and learn.recorder.losses  # as the fit left them
    assert_same_weights(weights, state_of(learn))


@pytest.mark.parametrize("error", [ValueError("no"), CancelFitException(), LearnerkitError("no")])
def test_what_cannot_be_predicted_afterwards_is_no_fault_of_the_training(error, tmp_path, caplog):
    def fail(self):
        if not self.learn.is_training_run:
            raise error

    learn = toy_learner([Callback(before_batch=fail), Run(tmp_path, "a")])
    learn.fit(1)
    assert learn.run_folder.is_done and "is trained and kept; predictions or report are missing" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["options", "interrupt"])
def test_an_evaluation_that_fails_leaves_the_former_and_no_trace(command, digits_run, fault, monkeypatch):
    assert command("evaluate", digits_run, "--tta", 2)[0] == 0
    before = (digits_run / "evaluations" / "own-tta2" / "results.json").read_bytes()
    if fault == "options":
        assert command("evaluate", digits_run, "--tta", 200)[0] == 2
    else:
        monkeypatch.setattr(evaluate, "predict_part", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate_run(digits_run, tta=2)
    assert (digits_run / "evaluations" / "own-tta2" / "results.json").read_bytes() == before
    assert [path.name for path in (digits_run / "evaluations").iterdir()] == ["own-tta2"]


def interrupted(*args, **kwargs):
    raise KeyboardInterrupt


def test_the_figures_of_results_are_those_of_the_chosen_weights(tmp_path):
    learn = toy_learner([Run(tmp_path, "a", monitor="valid_loss")], lr=0.05)
    learn.fit(3, 0.4)
    rows, results = learn.run_folder.history(), learn.run_folder.results()
    best = min(rows, key=lambda row: row["valid_loss"])
    assert results["best_epoch"] == best["epoch"] and results["valid_loss"] == best["valid_loss"]
    assert results["valid_log_loss"] == pytest.approx(best["valid_loss"], rel=1e-4, abs=1e-6)
    assert results["valid_accuracy"] == pytest.approx(best["accuracy"])


@pytest.mark.slow
def test_arguments_that_no_measurement_needs_do_not_stop_one(tmp_path):
    dls = folder_dls(image_folder(tmp_path / "set"), size=12, bs=8)
    learn = image_learner(
        dls, "tiny_cnn", opt=torch.optim.AdamW, loss_func=nn.CrossEntropyLoss(), cbs=Run(tmp_path, "a")
    )
    learn.logger = lambda row: None
    learn.fit(1, 1e-3)
    with pytest.warns(UserWarning, match="loss_func of a script"):
        place, results = evaluate_run(tmp_path / "a")
    assert place == tmp_path / "a" and "test_accuracy" in results


@pytest.mark.parametrize(("shuffle", "drop"), [(True, False), (False, True)])
def test_loaders_of_ones_own_name_what_they_drew(shuffle, drop, tmp_path):
    images, labels = (torch.as_tensor(part) for part in toy_arrays(24))
    rows = TensorDataset(images.float() / 255, labels)
    dls = DataLoaders(DataLoader(rows, 8), DataLoader(rows, 5, shuffle=shuffle, drop_last=drop))
    dls.c = 3
    learn = toy_learner(Run(tmp_path, "a"), dls=dls)
    learn.fit(1, 0.05)
    arrays = read_npz(tmp_path / "a" / "predictions.npz")
    assert len({len(column) for column in arrays.values()}) == 1
    assert arrays["ids"].tolist() == [f"drawn {n}" if shuffle else str(n) for n in range(20 if drop else 24)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is trained already")
def test_a_finished_run_that_is_resumed_keeps_what_was_measured(tmp_path):
    root = image_folder(tmp_path / "set")

    def fit(resume):
        dls = folder_dls(root, size=12, bs=8)
        learn = image_learner(dls, "tiny_cnn", cbs=Run(tmp_path, "a", resume=resume))
        learn.logger = lambda row: None
        learn.fit(1, 0.01)

    fit(resume=False)
    evaluate_run(tmp_path / "a")
    files = [tmp_path / "a" / name for name in ("predictions.npz", "results.json")]
    before = [file.read_bytes() for file in files]
    assert "test_accuracy" in read_json(files[1])
    fit(resume=True)
    assert [file.read_bytes() for file in files] == before and read_json(tmp_path / "a" / "status.json")[
        "state"
    ] == "done"
