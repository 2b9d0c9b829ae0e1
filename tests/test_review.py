"""Faults that a second reader found, each kept from coming back."""

import copy
import pickle
import struct

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelFitException, CancelTrainException
from fastai.learner import load_learner
from fastai.optimizer import ranger
from PIL import Image

from learnerkit.all import (
    CutMix,
    EarlyStop,
    MixUp,
    Run,
    SaveTopK,
    array_dls,
    folder_dls,
    image_learner,
    list_models,
    load_run,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.core import checkpoint
from learnerkit.core.errors import DataError, RunError, UnsafeFileError
from learnerkit.core.files import read_json, read_ledger
from learnerkit.core.unpickle import _ALLOWED, load_cifar_pickle
from learnerkit.data.cifar import read_cifar
from learnerkit.data.source import ImageSource
from tests.conftest import assert_same_weights, make_toy_dls, state_of, toy_arrays, toy_learner
from tests.data.test_readers import good_batch, write_cifar10, write_folder
from tests.test_cli import QUICK, command  # noqa: F401


@pytest.mark.parametrize("where", ["..", "other"])
def test_evaluations_never_touch_the_run_itself(command, tmp_path, monkeypatch, where):  # noqa: F811
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


def test_part_folders_in_any_case_and_hidden_folders(tmp_path):
    root = write_folder(tmp_path / "p", parts=("Train", "TEST"), n=20)
    (root / "Train" / ".ipynb_checkpoints").mkdir()
    dls = folder_dls(root, bs=4, crop=0)
    assert list(dls.vocab) == ["a", "b"] and dls.split.counts["test"] == 40


def test_limits_keep_all_classes(tmp_path):
    dls = folder_dls(write_folder(tmp_path, ("a", "b", "c"), n=30), bs=4, crop=0, limit=9)
    assert set(dls.source.labels[dls.split.train]) == {0, 1, 2} and dls.split.counts["train"] == 9
    whole = folder_dls(tmp_path, bs=4, crop=0, fractions=(0.4, 0.4, 0.2))
    first = next(iter(whole.valid.new(bs=12)))[1]
    assert len(set(first.tolist())) == 3


def test_names_must_be_as_many_as_images_and_different(tmp_path):
    batch = good_batch() | {b"filenames": [b"x.png"] * 19}
    with pytest.raises(DataError, match="20 labels but 19 file names"):
        read_cifar(write_cifar10(tmp_path / "c", data_batch_1=batch))
    with pytest.raises(DataError, match="4 images but 1 different names"):
        ImageSource("s", np.zeros((4, 1, 4, 4), np.uint8), np.arange(4) % 2, ["a", "b"], ["x"] * 4)
    with pytest.raises(DataError, match="1 images have no label"):
        array_dls(np.zeros((40, 8, 8), np.uint8), np.array([-1] + [0, 1] * 19 + [0]), bs=8)


def test_a_script_with_two_fits_is_not_resumed_wrongly(tmp_path):
    class Stop(Callback):
        order = 90

        def after_epoch(self):
            if self.learn.epochs_before == 2:
                raise KeyboardInterrupt

    first = toy_learner([Run(tmp_path, "a", checkpoint_every=1), Stop()])
    first.fit(2)
    with pytest.raises(KeyboardInterrupt):
        first.fit(2)
    with pytest.raises(RunError, match="later fit of the script, after 2 epochs"):
        toy_learner([Run(tmp_path, "a", resume=True, allow=("recipe",))]).fit(2)
    assert len(read_ledger(tmp_path / "a" / "history.jsonl")) == 3


def test_a_resume_with_another_rate_or_callback_is_refused(tmp_path):
    def build(p, resume=False):
        return toy_learner([CutMix(p), Run(tmp_path, "a", checkpoint_every=1, resume=resume)])

    build(0.7).fit_one_cycle(2, 0.01)
    with pytest.raises(RunError, match=r"fit was lr: 0\.01, now 5\.0; settings was cut_mix: p: 0\.7, now 0\.1"):
        build(0.1, True).fit_one_cycle(2, 5.0)
    build(0.7, True).fit_one_cycle(2, 0.01)


def test_early_stop_lets_the_run_see_its_last_epoch(tmp_path):
    stop = EarlyStop("valid_loss", "min", patience=0, min_delta=100)
    learn = toy_learner([stop, Run(tmp_path, "a", monitor="valid_loss", mode="min", checkpoint_every=50)])
    learn.fit(9)
    assert stop.stopped and len(read_ledger(tmp_path / "a" / "history.jsonl")) == len(learn.recorder.values) == 2
    assert checkpoint.newest(tmp_path / "a" / "checkpoints")[0].epoch == 2


def test_top_k_over_two_fits_has_one_file_an_epoch(tmp_path):
    learn = toy_learner([SaveTopK("valid_loss", "min", k=4, folder=tmp_path)])
    learn.fit(2)
    learn.fit(2)
    kept = read_json(tmp_path / "topk.json")["kept"]
    assert sorted(entry["epoch"] for entry in kept) == [1, 2, 3, 4]
    assert all((tmp_path / entry["file"]).exists() for entry in kept)


def test_cutmix_and_mixup_take_turns():
    both = []
    learn = toy_learner([CutMix(0.5), MixUp(1.0)])
    learn.add_cb(Callback(after_pred=lambda self: both.append((learn.cut_mix.lam, learn.mix_up.lam))))
    learn.cbs[-1].run_valid = False
    learn.fit(8)
    assert all(cut == 1.0 or mix == 1.0 for cut, mix in both)
    assert {cut != 1.0 for cut, _ in both} == {True, False}


def test_what_cannot_be_recorded_must_be_given_to_load_run(tmp_path):
    learn = toy_learner([Run(tmp_path, "a")], loss_func=torch.nn.CrossEntropyLoss(label_smoothing=0.3))
    learn.fit(1)
    with pytest.raises(RunError, match="loss_func="):
        load_run(tmp_path / "a", data=make_toy_dls())
    loaded = load_run(tmp_path / "a", data=make_toy_dls(), loss_func=torch.nn.CrossEntropyLoss(label_smoothing=0.3))
    assert loaded.validate()[0] == pytest.approx(learn.validate()[0], abs=1e-6)


def test_accumulated_gradients_of_a_cancelled_epoch_are_dropped():
    seen = []

    class Cancel(Callback):
        order = 90

        def before_backward(self):
            if self.epoch == 1 and self.iter == 0:
                seen.extend(p.grad for p in self.model.parameters())

        def after_batch(self):
            if self.training and self.epoch == 0:
                raise CancelTrainException

    toy_learner([Accumulate(2), Cancel()]).fit(2)
    assert seen and all(grad is None for grad in seen)


def test_two_owners_in_one_process_are_refused(tmp_path):
    running = Callback(after_epoch=lambda self: toy_learner([Run(tmp_path, "a", resume=True)]).fit(1))
    running.order = 90
    with pytest.raises(RunError, match="in use by this process"):
        toy_learner([Run(tmp_path, "a", checkpoint_every=1), running]).fit(2)


def test_numpy_is_seeded_by_position_too():
    draws = []
    for _ in range(2):
        learn = toy_learner()
        learn.add_cb(Callback(after_pred=lambda self: draws.append(np.random.rand())))
        learn.fit(1)
        np.random.rand(5)
    assert draws[: len(draws) // 2] == draws[len(draws) // 2 :]


def test_fp16_runs_can_be_evaluated_on_a_cpu():
    assert toy_learner(precision="fp16").validate()[0] == pytest.approx(toy_learner().validate()[0], abs=1e-6)


def test_a_backup_of_a_checkpoint_does_no_harm(tmp_path):
    made = checkpoint.commit(tmp_path, 1, 10, {"a": b"1"})
    made.path.rename(tmp_path / (made.path.name + ".bak"))
    (tmp_path / "best.json").write_text("damaged")
    checkpoint.commit(tmp_path, 2, 20, {"a": b"1"})
    assert checkpoint.newest(tmp_path)[0].step == 20


def test_ranger_resumes(tmp_path):
    def build(folder, resume=False, stop=False):
        class Stop(Callback):
            order = 90

            def after_epoch(self):
                if self.epoch == 0:
                    raise KeyboardInterrupt

        run = Run(tmp_path / folder, "a", checkpoint_every=1, resume=resume, allow=("recipe",))
        return toy_learner([run, *([Stop()] if stop else [])], opt=ranger, lr=0.01)

    whole = build("whole")
    whole.fit(2)
    with pytest.raises(KeyboardInterrupt):
        build("cut", stop=True).fit(2)
    resumed = build("cut", resume=True)
    resumed.fit(2)
    assert_same_weights(state_of(whole), state_of(resumed))


def test_skipped_epochs_are_no_error(tmp_path):
    learn = toy_learner([Run(tmp_path, "a")])
    learn.fit(3, 0.01, start_epoch=1)
    assert [row["epoch"] for row in read_ledger(tmp_path / "a" / "history.jsonl")] == [2, 3]


def damage(run, kind):
    if kind == "npz":
        path = run / "predictions.npz"
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "csv":
        with (run / "batch_metrics.csv").open("a") as file:
            file.write("99,1")
    else:
        (run / f"{kind}.json").write_text("{}")


@pytest.mark.parametrize("kind", ["npz", "csv", "run", "class_names"])
def test_damaged_runs_are_one_error_and_the_others_get_their_report(command, tmp_path, kind):  # noqa: F811
    for name in ("a", "b"):
        command("train", "digits", *QUICK, "--tta", "0", "--name", name)
    run = tmp_path / "runs" / "digits"
    damage(run / "a", kind)
    for name in ("a", "b"):
        (run / name / "report.html").unlink()
    code, _, err = command("report", "--all")
    assert (run / "b" / "report.html").exists() and "Traceback" not in err
    assert (code, (run / "a" / "report.html").exists()) == ((0, True) if kind == "csv" else (2, False))


WRONG = [
    ["--randaugment", "2,31"],
    ["--schedule-args", "{foo: 1}"],
    ["--schedule", "step", "--schedule-args", "{foo: 1}"],
    ["--arch", "timm:nope"],
    ["--out", "taken"],
    ["--name", "x" * 300],
    ["--seed", "99999999999999999999"],
    ["--tta", "20"],
    ["--valid", "0.5"],
    ["--data", ""],
]


@pytest.mark.parametrize("flags", WRONG, ids=[" ".join(words)[:30] for words in WRONG])
def test_wrong_flags_are_refused_before_the_training(command, tmp_path, flags):  # noqa: F811
    (tmp_path / "taken").write_text("a file")
    code, out, err = command("train", "digits", *QUICK, *flags)
    assert code == 2 and err.startswith("error: ") and "epoch" not in out


def test_names_with_brackets_and_formulas(command, tmp_path):  # noqa: F811
    code, out, err = command("train", "digits", *QUICK, "--tta", "0", "--out", tmp_path / "o[/x]", "--name", "[bold]x")
    assert code == 0 and "o[/x]/[bold]x" in out, err
    images, labels = toy_arrays()
    dls = array_dls(images, labels, bs=16, vocab=["$\\foo$", "<script>", "_"])
    learn = image_learner(dls, "tiny_cnn", cbs=Run(tmp_path, "odd"), seed=1)
    learn.logger = lambda row: None
    learn.fit(1)
    from learnerkit.runs.report import write_report
    from learnerkit.tasks.evaluate import evaluate_parts

    evaluate_parts(learn, learn.run_folder, ["valid", "test"])
    assert "<script>" not in write_report(tmp_path / "odd").read_text()


def test_damaged_archives_and_enormous_images(tmp_path, monkeypatch):
    for name in ("a.tar.xz", "b.tar.gz", "c.tar"):
        (tmp_path / name).write_bytes(b"\xfd7zXZ\x00" + b"junk" * 50)
        with pytest.raises(DataError):
            read_cifar(tmp_path / name)
    root = write_folder(tmp_path / "f", size=(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"8 fault\(s\) in 8 samples"):
        folder_dls(root, bs=4)


def test_pickles_that_claim_memory_time_or_our_functions_are_refused():
    with pytest.raises(UnsafeFileError, match="claims a memo"):
        load_cifar_pickle(b"\x80\x02}r" + struct.pack("<I", 20_000_000) + b".", "f")
    nested = []
    for _ in range(40):
        nested = [nested, nested]
    with pytest.raises(UnsafeFileError, match="depth"):
        load_cifar_pickle(pickle.dumps({"a": nested}, protocol=2), "f")
    encode = _ALLOWED["_codecs", "encode"]
    attack = b"\x80\x02c_codecs\nencode\n(N}(X\x07\x00\x00\x00__doc__X\x03\x00\x00\x00pwnutb."
    with pytest.raises(DataError):
        load_cifar_pickle(attack, "f")
    assert encode.__doc__ != "pwn"
    with pytest.raises(UnsafeFileError, match="operation INST"):
        load_cifar_pickle(b"(ios\nsystem\n.", "f")


def test_an_exported_learner_takes_no_images_along(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2000, 3, 16, 16), dtype=np.uint8)
    dls = array_dls(images, np.arange(2000) % 2, bs=16)
    learn = image_learner(dls, "tiny_cnn", path=tmp_path)
    expected = learn.predict(images[0])[2]
    with pytest.warns():
        learn.export("e.pkl")
        loaded = load_learner(tmp_path / "e.pkl")
    assert (tmp_path / "e.pkl").stat().st_size < images.nbytes / 4
    assert torch.allclose(loaded.predict(images[0])[2], expected)
    assert copy.deepcopy(learn.dls).train.one_batch()[0].shape == (16, 3, 16, 16)


def test_smaller_ones():
    assert list_models("wrn*") == ["wrn_D_K"] and "resnet18" in list_models("res*")
    learn = toy_learner(limit_batches=2)
    assert learn.lr_find(num_it=20, show_plot=False).valley > 1e-5


def test_a_fit_cancelled_within_an_epoch_commits_nothing(tmp_path):
    class Cancel(Callback):
        order = 90

        def after_batch(self):
            if self.training and (self.epoch, self.iter) == (1, 1):
                raise CancelFitException

    learn = toy_learner([Run(tmp_path, "a", checkpoint_every=1), Cancel()])
    learn.fit(3)
    assert checkpoint.newest(tmp_path / "a" / "checkpoints")[0].epoch == 1
