"""Measuring finished runs again: on their own parts, on other data, and never at the cost of the run."""

import numpy as np
import pytest
from PIL import Image

from learnerkit.all import load_run
from learnerkit.core.files import read_json
from tests.images import write_cifar10


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
