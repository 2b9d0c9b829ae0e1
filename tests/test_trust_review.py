"""Faults that a second reader of the guard, the checkpoints and the data checks found; each stays found."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.callback.fp16 import MixedPrecision
from fastai.optimizer import ranger
from PIL import Image

from learnerkit.all import EMA, EarlyStop, Guard, Run, folder_dls, verify
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.core import checkpoint, fsops
from learnerkit.core.errors import DataError, LearnerkitError, RunError, TrainingError
from learnerkit.core.files import read_json
from learnerkit.core.run_folder import cut_csv
from learnerkit.data.cifar import read_cifar
from learnerkit.data.folder import check_image, list_folder, read_folder
from learnerkit.data.source import array_source
from learnerkit.ops.finite import all_finite
from learnerkit.tasks.recipe import load_recipe
from learnerkit.tasks.train import train
from tests.conftest import toy_arrays, toy_learner
from tests.data.test_readers import write_cifar10
from tests.reliability.toy import image_folder

FILES = {"a": b"x" * 50}


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))


class Bad(Callback):
    """Puts NaN into the loss, or the input, of some training batches."""

    order = -15

    def __init__(self, batches, place="loss", valid=False):
        self.batches, self.place, self.valid = batches, place, valid

    def before_batch(self):
        if self.place == "input" and self.training != self.valid and self.iter in self.batches:
            self.learn.xb = (self.learn.xb[0] * float("nan"),)

    def after_loss(self):
        if self.place == "loss" and self.training and self.iter in self.batches:
            self.learn.loss_grad = self.learn.loss_grad * float("nan")
            self.learn.loss = self.learn.loss_grad.detach()


def finite(learn):
    states = [value for item in learn.opt.opt.state.values() for value in item.values() if torch.is_tensor(value)]
    return all(torch.isfinite(t).all() for t in [*learn.model.state_dict().values(), *states])


# the guard


@pytest.mark.parametrize("place", ["loss", "input"])
@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_late_flags_before_the_first_step_of_an_accumulated_group(place, policy):
    learn = toy_learner([Bad([1], place), Guard(policy, late=True), Accumulate(2)])
    learn.fit(2)
    assert finite(learn) and learn.guard.skipped == 2


def test_a_rollback_drops_the_counts_of_the_group():
    learn = toy_learner([Bad([1]), Guard("rollback"), Accumulate(3)])
    seen = []
    learn.add_cb(Looker(seen))
    learn.fit(1)
    assert seen[-1] == (0, 0) and finite(learn)


class Looker(Callback):
    order = 7

    def __init__(self, seen):
        self.seen = seen

    def before_step(self):
        self.seen.append((self.learn.accumulate.count, self.learn.accumulate.samples))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_guard_is_on_again_after_a_broken_lr_find():
    class Break(Callback):
        def after_batch(self):
            if hasattr(self.learn, "lr_finder") and self.iter == 1:
                raise KeyboardInterrupt

    learn = toy_learner([breaking := Break()])
    with pytest.raises(KeyboardInterrupt):
        learn.lr_find(show_plot=False)
    learn.remove_cb(breaking)
    assert learn.guard.run
    with pytest.raises(TrainingError, match="batch 2"):
        learn.fit(1, cbs=Bad([1]))
    assert finite(learn)


def test_inputs_of_any_structure_are_looked_at():
    good = {"a": [torch.ones(2), (torch.full((1,), 3.0), "text", None)]}
    assert all_finite(good) and all_finite([torch.ones(3, dtype=torch.int64)]) is None
    assert all_finite([torch.full((2,), 1e300, dtype=torch.float64), torch.full((1,), 6e4, dtype=torch.half)])
    assert not all_finite({**good, "b": torch.tensor([1.0, float("nan")])})
    assert not all_finite([torch.tensor([float("-inf")], dtype=torch.bfloat16)])


def test_a_fit_in_which_every_batch_is_passed_over_is_an_error():
    with pytest.raises(TrainingError, match="of every batch is not finite"):
        toy_learner([Bad(range(99)), Guard("skip")]).fit(1)


def test_skipped_batches_stand_in_the_ledger_and_are_said(tmp_path, capsys):
    learn = toy_learner([Bad([2]), Guard("skip"), Run(tmp_path, "a")])
    learn.fit(2)
    assert [row["skipped"] for row in learn.run_folder.history()] == [1, 2]
    assert "guard: batch 3 of epoch 2 passed over, its loss is not finite" in capsys.readouterr().out


@pytest.mark.parametrize("late", [False, True])
def test_bad_validation_inputs_stop_either_way(late):
    with pytest.raises(TrainingError, match="the input is not finite in validation batch 1"):
        toy_learner([Bad([0], "input", valid=True), Guard("skip", late=late)]).fit(1)


def test_a_guard_given_to_fit_takes_the_place_of_the_default():
    learn = toy_learner()
    default = learn.guard
    learn.fit(1, cbs=[skipping := Guard("skip"), Bad([1])])
    assert skipping.skipped == 1 and learn.guard is default and sum(isinstance(cb, Guard) for cb in learn.cbs) == 1
    assert sum(isinstance(cb, Guard) for cb in toy_learner([Guard]).cbs) == 1


def test_fastais_autocast_is_left():
    depth = [0]

    class Counting:
        def __enter__(self):
            depth[0] += 1

        def __exit__(self, *_):
            depth[0] -= 1

    class OnCpu(MixedPrecision):
        def before_fit(self):
            self.autocast, self.learn.scaler, self.scales = Counting(), torch.amp.GradScaler("cpu", enabled=False), []

    toy_learner([Bad([1]), Guard("skip"), OnCpu()]).fit(1)
    assert depth == [0]


def test_train_metrics_pass_over_a_bad_batch():
    learn = toy_learner([Bad([0], "input"), Guard("skip")])
    learn.recorder.train_metrics = True
    learn.fit(1)
    assert np.isfinite(learn.recorder.values[-1]).all()


def test_an_average_of_the_weights_reads_the_flags_at_once():
    learn = toy_learner([Bad([1]), Guard("skip", late=True), EMA(0.9)])
    learn.fit(1)
    assert not learn.guard.is_late and int(learn.ema.averaged.n_averaged) == 1 + 3


def test_predictions_within_a_fit_leave_the_fit_alone(tmp_path):
    class Predict(Callback):
        order = 82

        def after_epoch(self):
            self.learn.get_preds()

    learn = toy_learner([Predict(), EarlyStop("valid_loss", "min", 5), Guard("skip"), Bad([1]), Run(tmp_path, "a")])
    learn.fit(3)
    plain = toy_learner([EarlyStop("valid_loss", "min", 5), Guard("skip"), Bad([1])])
    plain.fit(3)
    assert learn.guard.skipped == 3 and len(learn.recorder.values) == 3
    assert learn.recorder.losses == plain.recorder.losses and len(learn.run_folder.history()) == 3


# runs and checkpoints


def test_a_done_run_is_not_begun_anew(tmp_path):
    first = toy_learner([Run(tmp_path, "d", keep_checkpoints=False, checkpoint_every=1)])
    first.fit(2)
    first.run_folder.unlock()
    with pytest.raises(RunError, match="is done and its checkpoints were removed"):
        toy_learner([Run(tmp_path, "d", resume=True, keep_checkpoints=False, checkpoint_every=1)]).fit(2)
    assert len(first.run_folder.history()) == 2 and first.run_folder.status()["state"] == "done"


def test_a_run_that_was_stopped_early_stays_as_it_ended(tmp_path):
    def build(resume=False):
        return toy_learner([Run(tmp_path, "e", resume=resume), EarlyStop("valid_loss", "max", 0)])

    first = build()
    first.fit(9)
    epochs = len(first.run_folder.history())
    first.run_folder.unlock()
    again = build(resume=True)
    again.fit(9)
    assert len(again.run_folder.history()) == epochs < 9
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True))


def test_new_checkpoints_are_kept_where_newer_ones_are_damaged(tmp_path):
    for epoch, step in ((5, 20), (8, 32), (9, 36)):
        checkpoint.commit(tmp_path, epoch, step, FILES, keep_last=9)
    for epoch, step in ((8, 32), (9, 36)):
        (tmp_path / checkpoint.folder_name(epoch, step) / "a").write_bytes(b"damaged")
    used, faults = checkpoint.newest(tmp_path)
    assert used.epoch == 5 and len(faults) == 2
    checkpoint.set_aside(tmp_path, used)
    new = checkpoint.commit(tmp_path, 6, 24, FILES)
    assert new.path.exists() and checkpoint.newest(tmp_path)[0].epoch == 6
    assert len(list(tmp_path.glob(".bad-*"))) == 2


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    checkpoint.commit(tmp_path, 1, 4, FILES)
    plain, renames = fsops.replace, []

    def killed(source, target):
        renames.append(source)
        if source.name.startswith(".tmp-"):
            raise KeyboardInterrupt
        plain(source, target)

    os.replace(tmp_path / checkpoint.folder_name(1, 4), tmp_path / f".del-{checkpoint.folder_name(1, 4)}")
    checkpoint.recover(tmp_path)  # what a resume does first
    assert checkpoint.newest(tmp_path)[0].step == 4
    fsops.replace = killed
    try:
        with pytest.raises(KeyboardInterrupt):
            checkpoint.commit(tmp_path, 1, 4, FILES)
    finally:
        fsops.replace = plain
    assert checkpoint.newest(tmp_path)[0].step == 4


def test_permanent_checkpoints_are_whole_epochs(tmp_path):
    learn = toy_learner([Run(tmp_path, "a", checkpoint_every=1, keep_every=2)])
    learn.fit(7)
    kept = [path.name[:9] for path in reversed(checkpoint.candidates(learn.run_folder.checkpoints))]
    best = read_json(learn.run_folder.checkpoints / "best.json")["checkpoint"][:9]
    assert set(kept) == {"epoch_002", "epoch_004", "epoch_006", "epoch_007", best}


def test_a_fit_cancelled_before_its_first_checkpoint_is_done(tmp_path):
    class Cancel(Callback):
        def before_batch(self):
            raise CancelFitException

    learn = toy_learner([Run(tmp_path, "a", keep_checkpoints=False), Cancel()])
    learn.fit(1)
    assert learn.run_folder.status()["state"] == "done"


@pytest.mark.parametrize(("settings", "copies"), [({"checkpoint_every": 0}, 2), ({"checkpoint_every": 1}, 4)])
def test_the_forecast_counts_what_is_committed(tmp_path, settings, copies):
    learn = toy_learner([Run(tmp_path, "a", **settings)])
    learn.create_opt()
    learn.n_epoch = 5
    weights = sum(t.numel() * t.element_size() for t in learn.model.state_dict().values())
    assert learn.run_log._forecast() == copies * 2 * weights + 2 * weights
    other = toy_learner([Run(tmp_path, "b", checkpoint_every=1)], opt=ranger)
    other.create_opt()
    other.n_epoch = 5
    assert other.run_log._forecast() == 4 * 4 * weights + 2 * weights


def test_a_torn_ledger_line_does_not_spoil_the_run(tmp_path, monkeypatch):
    learn = toy_learner([Run(tmp_path, "a")])
    learn.fit(1)
    with learn.run_folder.file("history.jsonl").open("a") as file:
        file.write('{"epoch": 2, "tra')
    learn.fit(1)
    assert [row["epoch"] for row in learn.run_folder.history()] == [1, 2]
    plain = fsops.append

    def full(path, data):
        plain(path, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fsops, "append", full)
    with pytest.raises(LearnerkitError, match="No space left"):
        learn.run_folder.append_epoch({"epoch": 3})
    monkeypatch.undo()
    assert learn.run_folder.file("history.jsonl").read_text().endswith("}\n")


def test_an_empty_or_torn_table_of_batches_does_not_stop_a_resume(tmp_path):
    path = tmp_path / "batch_metrics.csv"
    for text, kept, left in (("", 0, None), ("step,epo", 0, None), ("step,a\n1,x\n2,x\n3", 2, "step,a\n1,x\n2,x\n")):
        path.write_text(text)
        assert cut_csv(path, 5) == kept and (path.read_text() if path.exists() else None) == left


def test_a_disk_that_refuses_everything_does_not_hide_the_cause(tmp_path, monkeypatch):
    class Boom(Callback):
        def after_batch(self):
            def refuse(*_, **__):
                raise OSError(30, "Read-only file system")

            for name in ("write", "append", "replace"):
                monkeypatch.setattr(fsops, name, refuse)
            monkeypatch.setattr(Path, "unlink", refuse)
            raise RuntimeError("the real cause")

    learn = toy_learner([Run(tmp_path, "a"), Boom()])
    with pytest.raises(RuntimeError, match="the real cause"):
        learn.fit(1)
    monkeypatch.undo()
    learn.run_folder.lock()  # was given up


# data


def test_labels_that_do_not_fit_the_images_are_refused_with_skip_bad_too():
    images, labels = toy_arrays()
    for wrong in (labels[:90], np.concatenate([labels, [0, 7, 9]]), np.eye(3)[labels]):
        with pytest.raises(DataError, match="96 images but labels of shape"):
            array_source(images, wrong, ["a", "b", "c"], skip_bad=True)


def test_a_passing_fault_is_not_remembered(tmp_path, monkeypatch):
    root = image_folder(tmp_path / "images", 12)
    plain, failing = Image.open, [True]

    def sometimes(file):
        if failing and str(file).endswith("000.png"):
            raise OSError(24, "Too many open files")
        return plain(file)

    monkeypatch.setattr(Image, "open", sometimes)
    assert len(verify(root).faults) == 1
    failing.clear()
    assert verify(root)


@pytest.mark.parametrize("content", ["null", "5", "{", '{"a": 1}'])
def test_a_spoiled_cache_costs_time_alone(tmp_path, content):
    root = image_folder(tmp_path / "images", 12)
    assert verify(root)
    (cache,) = (tmp_path / "home" / "checked").iterdir()
    cache.write_text(content)
    assert verify(root)


def test_a_home_that_cannot_be_written_costs_time_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "file" / "below"))
    assert verify(image_folder(tmp_path / "images", 12))


def test_a_cifar_set_with_damaged_names_or_a_folder_for_a_file(tmp_path):
    import pickle

    for number, names in enumerate(([], 5, b"abcdefghij", [1, 2])):
        folder = write_cifar10(tmp_path / str(number))
        (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))
        with pytest.raises(DataError, match=r"batches\.meta: .*"):
            read_cifar(folder)
    folder = write_cifar10(tmp_path / "folder")
    (folder / "data_batch_3").unlink()
    (folder / "data_batch_3").mkdir()
    with pytest.raises(DataError, match=r"data_batch_3: .*directory"):
        read_cifar(folder)
    assert len(verify(folder).faults) == 1


def test_verify_sees_equal_pixels_in_other_files(tmp_path):
    root = image_folder(tmp_path / "images", 12)
    Image.open(root / "a" / "000.png").save(root / "b" / "again.png", compress_level=1)
    assert (root / "b" / "again.png").read_bytes() != (root / "a" / "000.png").read_bytes()
    assert {fault.file for fault in verify(root).faults} == {"a/000.png", "b/again.png"}


def test_a_jpeg_whose_second_half_is_zeros_is_bad(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    assert check_image(path)[0] == ""
    data = path.read_bytes()
    path.write_bytes(data + b"some trailer")
    assert check_image(path)[0] == ""
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    assert "second half is missing" in check_image(path)[0]


def test_names_that_are_no_utf8(tmp_path):
    root = image_folder(tmp_path / "images", 40)
    os.rename(os.fsencode(root / "a" / "000.png"), os.fsencode(root / "a") + b"/\xff.png")
    dls = folder_dls(root, size=12, bs=8)
    learn = toy_learner([Run(tmp_path / "runs", "a")], dls=dls)
    learn.fit(1)
    assert verify(root) and folder_dls(root, size=12, bs=8, resident=False).source.fingerprint


def test_a_class_that_loses_every_image_is_named(tmp_path):
    root = image_folder(tmp_path / "images", 40)
    (root / "c").mkdir()
    for number in range(3):
        (root / "c" / f"{number}.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"every image of the class\(es\) c is bad"):
        folder_dls(root, size=12, bs=8, skip_bad=True)


def test_a_folder_with_the_name_of_an_archive(tmp_path):
    root = image_folder(tmp_path / "images.tar", 40)
    assert verify(root) and len(read_folder(list_folder(root))) == 40


def test_a_run_killed_before_its_evaluation_is_only_measured(tmp_path):
    recipe = load_recipe("digits", {"epochs": "1", "limit": "300", "bs": "32", "keep_checkpoints": False, "tta": "0"})
    folder = train(recipe, tmp_path, "a")
    folder.file("predictions.npz").unlink()  # as a kill between fit and evaluation leaves it
    before, history = folder.file("best_model.safetensors").read_bytes(), folder.history()
    again = train(recipe, tmp_path, "a", resume=True)
    assert again.file("predictions.npz").exists() and again.history() == history
    assert again.file("best_model.safetensors").read_bytes() == before
    with pytest.raises(RunError, match="its checkpoints were removed"):
        train(recipe, tmp_path, "a", resume=True)


def test_a_resume_removes_what_a_kill_left_though_nothing_is_committed(tmp_path):
    first = toy_learner([Run(tmp_path, "a", checkpoint_every=1)])
    first.fit(2)
    first.run_folder.unlock()
    (first.run_folder.checkpoints / ".del-epoch_000_step_000001").mkdir()
    toy_learner([Run(tmp_path, "a", checkpoint_every=1, resume=True)]).fit(2)
    assert not list(first.run_folder.checkpoints.glob(".del-*"))
