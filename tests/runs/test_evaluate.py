"""Measuring finished runs again: on their own parts, on other data, and never at the cost of the run."""

import pytest

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
