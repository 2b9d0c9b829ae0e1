"""Every public method of fastai's Learner, DataLoaders and Interpretation on each task: as documented, or one error.

A method that fastai has and the table has not fails a test; so does a page in the documentation that says otherwise.
"""

import contextlib
import os
import re
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, FetchPredsCallback
from fastai.callback.hook import ActivationStats
from fastai.callback.mixup import CutMix, MixUp
from fastai.callback.progress import CSVLogger, ProgressCallback, ShowGraphCallback
from fastai.callback.schedule import ParamScheduler, SchedCos
from fastai.callback.tracker import (
    EarlyStoppingCallback,
    ReduceLROnPlateau,
    SaveModelCallback,
    TerminateOnNaNCallback,
    TrackerCallback,
)
from fastai.callback.training import BnFreeze, GradientAccumulation, GradientClip, ShortEpochCallback
from fastai.interpret import ClassificationInterpretation
from fastai.learner import load_learner
from fastai.torch_core import default_device
from fasttransform import ItemTransform
from PIL import Image
from torch import nn

import learnerkit.all
from learnerkit._fastai import DataBlock, DataLoaders
from learnerkit.all import (
    TTA,
    DetectionInterpretation,
    ImageInterpretation,
    digits_dls,
    fusion_learner,
    image_learner,
)
from learnerkit.callbacks.progress import Progress
from learnerkit.classify.blocks import CifarBlock, LabelBlock
from learnerkit.core.errors import LearnerkitError
from learnerkit.data.loaders import KitLoaders
from learnerkit.detect.dls import BoxBlock, MultispectralBlock, detection_dls
from learnerkit.detect.interpret import quiet
from learnerkit.detect.learner import Found
from learnerkit.fuse.transforms import SaliencyBlock
from learnerkit.models.groups import parameter_groups
from tests.conftest import assert_same_weights, state_of
from tests.learner.fastai_table import LEFT_OVER, OWNERS, ROWS, TASKS, enter, page, public
from tests.pairs import make_pair_dls
from tests.scenes import SMALL, toy_detector, write_scenes

PAGE = Path(__file__).parents[2] / "nbs" / "fastai_methods.md"
ALL, CLASSES = "classify fuse detect", "classify fuse"
RATE = 1e-3


class Bench:
    """A task's data and learners: `learn` is shared by tests that leave it as it was, `fresh` makes another."""

    def __init__(self, task, root):
        self.task, self.root = task, root
        self.done = {}  # one call may test several methods
        self.dls = self.loaders()
        self.learn = self.fresh()
        self.learn.fit(1, RATE)

    def loaders(self):
        if self.task == "classify":
            return digits_dls(bs=16, limit=48, size=16, crop=2, rotate=10)
        if self.task == "fuse":
            return make_pair_dls(noise=0.1)
        return detection_dls(self.root / "set", bs=3, scale_jitter=0.3)

    def fresh(self, cbs=None, **kwargs):
        settings = {"seed": 1, "lr": RATE, "path": self.root, **kwargs}
        if self.task == "classify":
            learn = image_learner(self.dls, "tiny_cnn", cbs=cbs, model_args={"width": 4}, **settings)
        elif self.task == "fuse":
            learn = fusion_learner(self.dls, "tiny_cnn", cbs=cbs, model_args={"width": 4}, **settings)
        else:
            settings = {"limit_batches": 1, "opt": "sgd", "model_args": {**SMALL, "score_threshold": 0.0}, **settings}
            learn = toy_detector(None, cbs, dls=self.dls, **settings)
        learn.logger = lambda row: None
        learn.remove_cb(learn.progress)
        return learn

    def batch(self):
        return self.dls.train.one_batch()

    def interpretation(self):
        kind = DetectionInterpretation if self.task == "detect" else ImageInterpretation
        return kind.from_learner(self.learn)


@pytest.fixture(scope="module", params=TASKS)
def bench(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    if request.param == "detect":
        write_scenes(root / "set")
    return Bench(request.param, root)


def moved(before, learn):
    """The parameters that a training has changed."""
    return {name for name, tensor in learn.model.named_parameters() if not torch.equal(before[name], tensor)}


def n_valid(bench):
    return len(bench.dls.valid_ds)


# Learner: training


@enter("Learner", "fit", "trains so many epochs at one rate; a row of figures an epoch", ALL)
def _(bench):
    learn = bench.fresh()
    before = state_of(learn)
    learn.fit(2, 2 * RATE)
    assert moved(before, learn) and len(learn.recorder.values) == 2
    assert set(learn.recorder.lrs) == {2 * RATE} and np.isfinite(learn.recorder.values[-1][0])


@enter("Learner", "fit_one_cycle", "the rate rises to its top and falls to nearly nothing", ALL)
def _(bench):
    learn = bench.fresh(limit_batches=None)
    learn.fit_one_cycle(2, RATE, div=10, pct_start=0.5)
    rates = learn.recorder.lrs
    assert rates[0] == pytest.approx(RATE / 10) and max(rates) <= RATE and rates[-1] < rates[len(rates) // 2]


@enter("Learner", "fit_flat_cos", "the rate is flat and then falls along a cosine", ALL)
def _(bench):
    learn = bench.fresh(limit_batches=None)
    learn.fit_flat_cos(2, RATE, pct_start=0.5)
    half = len(learn.recorder.lrs) // 2
    assert set(learn.recorder.lrs[:half]) == {RATE} and learn.recorder.lrs[-1] < RATE


@enter("Learner", "fit_sgdr", "cycles of falling rates, each twice as long", ALL)
def _(bench):
    learn = bench.fresh(limit_batches=None)
    learn.fit_sgdr(2, 1, RATE)
    rates, n = learn.recorder.lrs, len(bench.dls.train)
    assert len(learn.recorder.values) == 3 and rates[0] == rates[n] == RATE and rates[n - 1] < RATE


@enter("Learner", "fine_tune", "trains the last group alone, then all, lower groups at lower rates", ALL)
def _(bench):
    learn, frozen = bench.fresh(), []
    learn.add_cb(Callback(before_epoch=lambda self: frozen.append(self.opt.frozen_idx)))
    learn.fine_tune(1, RATE)
    low, *_, high = (group["lr"] for group in learn.opt.hypers)
    assert frozen == [len(learn.opt.hypers) - 1, 0] and low < high


@enter("Learner", "freeze freeze_to", "all groups but the last (norm layers apart) stay as they are", ALL)
def _(bench):
    for freeze in (lambda learn: learn.freeze(), lambda learn: learn.freeze_to(1)):
        learn = bench.fresh()
        freeze(learn)
        body = {id(p) for p in parameter_groups(learn.model)[0]}
        norms = {id(p) for m in learn.model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
        before, names = state_of(learn), {name: id(p) for name, p in learn.model.named_parameters()}
        learn.fit(1, RATE)
        changed = {names[name] for name in moved(before, learn)}
        assert changed - body and not changed & (body - norms)


@enter("Learner", "unfreeze", "every parameter is trained again", ALL)
def _(bench):
    learn = bench.fresh()
    learn.freeze()
    assert not all(p.requires_grad for p in learn.model.parameters())
    learn.unfreeze()
    assert all(p.requires_grad for p in learn.model.parameters()) and learn.opt.frozen_idx == 0


@enter("Learner", "lr_find", "suggests a rate and leaves the weights as they were", ALL)
def _(bench):
    learn = bench.fresh()
    before = state_of(learn)
    found = learn.lr_find(num_it=6, show_plot=False)
    assert found.valley > 0
    assert_same_weights(before, state_of(learn))


@enter("Learner", "create_opt", "an optimizer of all parameters at the learner's rate", ALL)
def _(bench):
    learn = bench.fresh()
    learn.create_opt()
    held = {id(p) for group in learn.opt.param_lists for p in group}
    assert held == {id(p) for p in learn.model.parameters()} and learn.opt.hypers[-1]["lr"] == RATE


@enter("Learner", "one_batch all_batches", "train on one batch, on all batches of `dl`, within a fit", ALL)
def _(bench):
    learn = bench.fresh(limit_batches=None)
    learn.fit(1, RATE)
    learn.dl, learn.training, learn.epoch, before = bench.dls.valid, False, 0, state_of(learn)
    learn.batch_device = next(learn.model.parameters()).device
    with torch.no_grad(), learn.validation_context():
        learn.one_batch(0, bench.dls.valid.one_batch())
        assert torch.isfinite(learn.loss)
        learn.all_batches()
    assert learn.n_iter == len(bench.dls.valid)
    assert_same_weights(before, state_of(learn))


@enter("Learner", "to_bf16", "the forward pass in bfloat16, weights in float32", ALL)
def _(bench):
    learn, kinds = bench.fresh(), set()
    assert learn.to_bf16() is learn
    layer = next(m for m in learn.model.modules() if isinstance(m, nn.Conv2d))
    handle = layer.register_forward_hook(lambda m, i, o: kinds.add(o.dtype))
    learn.fit(1, RATE)
    handle.remove()
    assert kinds == {torch.bfloat16} and {p.dtype for p in learn.model.parameters()} == {torch.float32}


@enter(
    "Learner", "to_fp16 to_fp32", "adds mixed precision (on a CPU a fit refuses it, naming bf16) and takes it away", ALL
)
def _(bench):
    learn = bench.fresh()
    assert learn.to_fp16() is learn and hasattr(learn, "mixed_precision")
    if bench.dls.device.type == "cpu":
        with pytest.raises(LearnerkitError, match="bf16"):
            learn.fit(1, RATE)
    assert learn.to_fp32() is learn and not hasattr(learn, "mixed_precision")
    learn.fit(1, RATE)
    assert {p.dtype for p in learn.model.parameters()} == {torch.float32}


@enter("Learner", "to_non_native_fp16", "precision='bf16' or 'fp16', `Autocast`", ALL, refused="Autocast")
def _(bench):
    bench.learn.to_non_native_fp16()


@enter("Learner", "to_non_native_fp32", "nothing to take away: the learner as it is", ALL)
def _(bench):
    names = [cb.name for cb in bench.learn.cbs]
    assert bench.learn.to_non_native_fp32() is bench.learn and [cb.name for cb in bench.learn.cbs] == names


@enter("Learner", "to_channelslast to_contiguous", "weights in that memory layout, and back", ALL)
def _(bench):
    learn = bench.fresh(channels_last=False)
    weight = next(m for m in learn.model.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1).weight
    assert learn.to_channelslast(use_amp=False) is learn
    learn.fit(1, RATE)
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    learn.to_contiguous()
    assert weight.is_contiguous()
    learn.fit(1, RATE)
    for parameter, kept in learn.opt.opt.state.items():  # a fused step on a GPU needs one layout
        assert kept["momentum_buffer"].stride() == parameter.stride()


# Learner: measuring and predicting


@enter("Learner", "validate", "loss and metrics of the valid part, the same every time", ALL)
def _(bench):
    first, again = bench.learn.validate(), bench.learn.validate()
    assert list(first) == list(again) and len(first) == 1 + len(bench.learn.metrics)
    assert list(bench.learn.validate(dl=bench.dls.valid)) == list(first)


@enter("Learner", "get_preds", "probabilities and targets in order; decoded, losses, input on demand", CLASSES)
def _(bench):
    preds, targets = bench.learn.get_preds()
    inputs, again, _, decoded, losses = bench.learn.get_preds(with_input=True, with_decoded=True, with_loss=True)
    assert preds.shape == (n_valid(bench), bench.dls.c) and torch.allclose(preds.sum(1), torch.ones(len(preds)))
    assert torch.equal(preds, again) and torch.equal(decoded, preds.argmax(1))
    expected = -preds[torch.arange(len(preds)), targets].log()
    assert torch.allclose(losses.as_subclass(torch.Tensor), expected, atol=1e-4)
    assert float(losses.mean()) == pytest.approx(bench.learn.validate()[0], rel=1e-4)
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    assert len(parts) == bench.dls.n_inp and all(len(part) == len(preds) for part in parts)


@enter("Learner", "get_preds", "detections [N,D,6] and boxes [N,M,5]; loss of each frame, input on demand", "detect")
def _(bench):
    detections, targets = bench.learn.get_preds()
    (frames, sizes), again, _, decoded = bench.learn.get_preds(with_input=True, with_decoded=True)
    losses = bench.learn.get_preds(with_loss=True)[2]
    assert detections.shape[0] == n_valid(bench) and detections.shape[2] == 6 and targets.shape[2] == 5
    assert torch.equal(detections, again) and torch.equal(decoded, again)
    assert frames.shape[:2] == (n_valid(bench), 5) and sizes.shape == (n_valid(bench), 2)
    assert len(losses) == n_valid(bench) and losses[0] != losses[1]


@enter("Learner", "predict", "class, its number and probabilities, of a row, an array, a picture", "classify")
def _(bench):
    row = bench.dls.valid.items[0]
    name, number, probabilities = bench.learn.predict(row)
    assert torch.allclose(probabilities, bench.learn.get_preds()[0][0], atol=1e-6)
    assert name == bench.dls.vocab[int(number)] and int(number) == int(probabilities.argmax())
    pixels = bench.dls.source.images[row]
    for item in (pixels, torch.as_tensor(pixels), Image.fromarray(np.asarray(pixels)[0])):
        assert torch.equal(bench.learn.predict(item)[2], probabilities)
    shown, *_ = bench.learn.predict(row, with_input=True)
    assert torch.allclose(shown.as_subclass(torch.Tensor) * 255, torch.as_tensor(pixels).float(), atol=0.5)
    with pytest.raises(LearnerkitError, match="row 9999: digits has"):
        bench.learn.predict(9999)


@enter("Learner", "predict", "class, its number and probabilities, of a row or a pair of maps", "fuse")
def _(bench):
    row = bench.dls.valid.items[0]
    name, number, probabilities = bench.learn.predict(row)
    assert torch.allclose(probabilities, bench.learn.get_preds()[0][0], atol=1e-6)
    assert name == bench.dls.vocab[int(number)]
    maps = tuple(bench.dls.source.maps[side][row] for side in (0, 1))
    assert torch.equal(bench.learn.predict(maps)[2], probabilities)
    with pytest.raises(LearnerkitError, match="row 9999"):
        bench.learn.predict(9999)


@enter(
    "Learner",
    "predict",
    "`Found`: boxes in pixels of the frame given (row, path, array, picture)",
    "detect",
)
def _(bench):
    source, row = bench.dls.source, bench.dls.valid.items[0]
    found = bench.learn.predict(row)
    detections = bench.learn.get_preds()[0][0]
    kept = detections[detections[:, 4] >= 0]
    assert isinstance(found, Found) and torch.allclose(found.boxes, kept[:, :4]) and len(found.boxes)
    file = source.frames[row].files[0]
    array = np.load(file)
    for item in (file, str(file), array, torch.as_tensor(array), array.transpose(2, 0, 1), np.float32(array / 255)):
        assert torch.allclose(bench.learn.predict(item).boxes, found.boxes, atol=1e-3)
    frame, _ = bench.learn.predict(row, with_input=True)
    assert torch.allclose(frame, torch.from_numpy(source.frame(row)))
    for item, said in (
        (Image.new("RGB", (64, 64)), "3 channel.*5 are needed"),
        (np.zeros((32, 32, 5), np.int64), "int64"),
        (np.full((32, 32, 5), 200.0), "floats are in 0..1"),
        (99, "row 99: set has 10 samples"),
    ):
        with pytest.raises(LearnerkitError, match=said):
            bench.learn.predict(item)


@enter("Learner", "tta", "means over augmented views, weighed with the plain ones by beta", CLASSES)
def _(bench):
    plain, targets = bench.learn.get_preds()
    preds, same = bench.learn.tta(n=2)
    assert preds.shape == plain.shape and torch.equal(targets, same)
    assert torch.allclose(preds.sum(1), torch.ones(len(preds)), atol=1e-4) and not torch.equal(preds, plain)
    assert torch.allclose(bench.learn.tta(n=1, beta=1)[0], plain, atol=1e-5)
    assert torch.equal(bench.learn.get_preds()[0], plain)


@enter(
    "Learner",
    "tta",
    "boxes of frames and mirrors merged, as `TTA(2)`; other views refused",
    "detect",
)
def _(bench):
    merged, targets = bench.learn.tta()
    expected, truth = bench.learn.get_preds(cbs=TTA(2))
    assert torch.equal(merged, expected) and torch.equal(targets, truth)
    for arguments in ({"beta": 0.5}, {"n": 8}, {"use_max": True}, {"item_tfms": []}):
        with pytest.raises(LearnerkitError, match=rf"{next(iter(arguments))}: .*TTA\(2\)"):
            bench.learn.tta(**arguments)


@enter("Learner", "show_results", "draws samples with what is true and what was predicted", ALL)
def _(bench):
    plt.close("all")
    bench.learn.show_results(max_n=2)
    assert plt.get_fignums() and sum(bool(axes.images) for axes in plt.gcf().axes) >= 2


@enter("Learner", "summary", "layers with shapes and parameters, optimizer, loss, callbacks", ALL)
def _(bench):
    learn = bench.fresh()
    before, text = state_of(learn), learn.summary()
    total = sum(p.numel() for p in learn.model.parameters())
    assert f"Total params: {total:,}" in text and f"Total trainable params: {total:,}" in text
    assert "Conv2d" in text and "LeanRecorder" in text and "Optimizer used" in text
    assert_same_weights(before, state_of(learn))
    assert not any(module._forward_hooks for module in learn.model.modules())
    learn.freeze()
    assert f"frozen up to parameter group #{len(learn.opt.param_lists) - 1}" in learn.summary()


@enter("Learner", "loss_not_reduced", "within it the loss is one number a sample", ALL)
def _(bench):
    with bench.learn.loss_not_reduced():
        assert bench.learn.loss_func.reduction == "none"
    assert bench.learn.loss_func.reduction == "mean"


@enter("Learner", "x y", "inputs and targets of the batch under way", ALL)
def _(bench):
    learn, seen = bench.learn, []
    learn.get_preds(cbs=Callback(after_batch=lambda self: seen.append((self.learn.x, self.learn.y))))
    inputs, targets = seen[0]
    assert len(targets) == min(bench.dls.valid.bs, n_valid(bench))
    assert isinstance(inputs, tuple) is (bench.dls.n_inp > 1)


@enter("Learner", "metrics", "what is measured; what is set is made metrics", ALL)
def _(bench):
    learn = bench.fresh()
    names = list(learn.metrics.attrgot("name"))
    assert names[0] == ("mAP" if bench.task == "detect" else "accuracy")
    learn.metrics = [lambda preds, *targets: torch.tensor(3.0)]
    assert learn.validate()[1] == 3


@enter("Learner", "to_detach", "a tensor without its gradient, on the CPU", ALL)
def _(bench):
    detached = bench.learn.to_detach(torch.ones(2, requires_grad=True) * 2)
    assert not detached.requires_grad and detached.device.type == "cpu"


# Learner: callbacks and contexts


class Counter(Callback):
    """Counts the batches that it sees."""

    def __init__(self):
        self.seen = 0

    def after_batch(self):
        self.seen += 1


@enter("Learner", "add_cb add_cbs remove_cb remove_cbs", "callbacks come and go, by object or class", ALL)
def _(bench):
    learn, counter = bench.fresh(), Counter()
    n = len(learn.cbs)
    assert learn.add_cb(counter) is learn and learn.counter is counter and counter.learn is learn
    learn.remove_cb(Counter)
    assert not hasattr(learn, "counter") and len(learn.cbs) == n
    learn.add_cbs([counter, Callback(before_fit=lambda self: None)])
    learn.remove_cbs([counter])
    assert len(learn.cbs) == n + 1


@enter("Learner", "added_cbs removed_cbs", "callbacks come and go for a block", ALL)
def _(bench):
    counter, learn = Counter(), bench.learn
    with learn.added_cbs(counter):
        learn.validate()
        assert counter.seen == len(bench.dls.valid)
        with learn.removed_cbs(counter):
            learn.validate()
    assert counter.seen == len(bench.dls.valid) and not hasattr(learn, "counter")


@enter("Learner", "ordered_cbs show_training_loop", "callbacks of an event in their order; the loop printed", ALL)
def _(bench):
    names = [cb.name for cb in bench.learn.ordered_cbs("before_batch")]
    assert names.index("guard") < names.index("cast_to_tensor")
    bench.learn.show_training_loop()


@enter("Learner", "no_bar no_logging no_mbar", "no bar, no rows, no master bar within a block", ALL)
def _(bench):
    learn, rows = bench.fresh(), []
    learn.logger = rows.append
    learn.add_cb(Progress())
    with learn.no_logging(), learn.no_mbar(), learn.no_bar():
        learn.fit(1, RATE)
        assert not learn.create_mbar and not hasattr(learn, "progress")
    assert not rows and learn.create_mbar and hasattr(learn, "progress")
    with learn.no_bar():
        learn.fit(1, RATE)
    assert len(rows) == 1


@enter("Learner", "validation_context", "silent, with further callbacks, for a block", ALL)
def _(bench):
    counter = Counter()
    with bench.learn.validation_context(cbs=counter):
        assert bench.learn.counter is counter
    assert not hasattr(bench.learn, "counter")


# Learner: files


@enter("Learner", "save load", "weights and optimizer to a file and back", ALL)
def _(bench):
    learn, other = bench.fresh(), bench.fresh(seed=2)
    learn.fit(1, RATE)
    file = learn.save("kept")
    assert file == bench.root / "models" / "kept.pth"
    assert other.load("kept") is other
    assert_same_weights(state_of(learn), state_of(other))
    assert len(other.opt.opt.state) == len(learn.opt.opt.state) > 0


@enter("Learner", "export", "a pickle that `load_learner` predicts with, after a warning that it runs code", ALL)
def _(bench):
    learn = bench.fresh()
    with pytest.warns(UserWarning, match="export_model"):
        learn.export("whole.pkl")
    with pytest.warns(UserWarning, match="pickle"):
        again = load_learner(bench.root / "whole.pkl")
    assert_same_weights(state_of(learn), state_of(again))
    assert len(again.dls.train_ds) == 0 and len(learn.dls.train_ds) > 0
    item = bench.dls.source.frame(0) if bench.task == "detect" else None
    if bench.task == "classify":
        item = np.asarray(bench.dls.source.images[0])
    if bench.task == "fuse":
        item = tuple(bench.dls.source.maps[side][0] for side in (0, 1))
    before, after = learn.predict(item), again.predict(item)
    assert str(before) == str(after)


# DataLoaders


@enter("DataLoaders", "train valid train_ds valid_ds", "the loaders and their sets", ALL)
def _(bench):
    dls = bench.dls
    assert dls.train is dls[0] and dls.valid is dls[1] and len(dls) == 3
    assert len(dls.train_ds) == len(dls.split.train) and len(dls.valid_ds) == len(dls.split.valid)
    assert len(dls.valid_ds[0]) == (3 if bench.task == "fuse" else 2)


@enter("DataLoaders", "vocab c", "class names, and how many", ALL)
def _(bench):
    assert list(bench.dls.vocab) == list(bench.dls.source.vocab) and bench.dls.c == len(bench.dls.source.vocab)


@enter("DataLoaders", "device to cpu cuda", "where batches are put; `cuda` takes the accelerator if there is one", ALL)
def _(bench):
    dls = bench.loaders()
    assert dls.cpu() is dls and dls.device.type == "cpu"
    assert dls.cuda().device == default_device()
    assert dls.to(torch.device("cpu")) is dls and all(part.device.type == "cpu" for part in dls.one_batch())


@enter("DataLoaders", "test_dl", "a loader of any items in order, with the valid part's transforms", ALL)
def _(bench):
    items = [int(row) for row in bench.dls.split.test]
    dl = bench.dls.test_dl(items)
    preds = bench.learn.get_preds(dl=dl)
    assert len(preds[0]) == len(items) and preds[1] is None
    labelled = bench.dls.test_dl(items, with_labels=True)
    again, targets = bench.learn.get_preds(dl=labelled)
    assert torch.equal(preds[0], again) and len(targets) == len(items)


@enter("DataLoaders", "new_empty", "the same transforms and no items", ALL)
def _(bench):
    empty = bench.dls.new_empty()
    assert type(empty) is type(bench.dls) and [len(dl.dataset) for dl in empty.loaders] == [0, 0, 0]
    assert list(empty.vocab) == list(bench.dls.vocab)


@enter("DataLoaders", "add_tfms", "a transform more in some loaders", ALL)
def _(bench):
    dls = bench.loaders()
    dls.add_tfms([ItemTransform(lambda batch: (*batch[:-1], batch[-1] * 0))], "after_batch", "valid")
    assert not (dls.valid.one_batch()[-1] != 0).any() and (dls.train.one_batch()[-1] != 0).any()


def blocks_of(bench):
    source = bench.dls.source
    if bench.task == "classify":
        return (CifarBlock(source), LabelBlock(source)), 1
    if bench.task == "fuse":
        return (SaliencyBlock(source), SaliencyBlock(source, "attention"), LabelBlock(source)), 2
    return (MultispectralBlock(source), BoxBlock(source)), None


@enter("DataLoaders", "from_dblock", "loaders of one's own DataBlock with the blocks of the task", ALL)
def _(bench):
    blocks, n_inp = blocks_of(bench)
    n = len(bench.dls.source)
    block = DataBlock(blocks=blocks, n_inp=n_inp, splitter=lambda items: (items[: n // 2], items[n // 2 :]))
    dls = KitLoaders.from_dblock(block, list(range(n)), bs=4, num_workers=0)
    assert type(dls.train) is type(bench.dls.train) and len(dls.train_ds) == n // 2
    assert len(dls.one_batch()) == 3 if bench.task != "classify" else 2


@enter("DataLoaders", "from_dsets", "loaders of sets that are there", ALL)
def _(bench):
    dls = DataLoaders.from_dsets(
        bench.dls.train_ds, bench.dls.valid_ds, bs=2, num_workers=0, dl_type=type(bench.dls.train)
    )
    assert len(dls.valid_ds) == n_valid(bench) and len(dls.train.one_batch()[0]) == 2


# TfmdDL


@enter("TfmdDL", "one_batch n_inp", "a batch of inputs and targets; how many of its parts are inputs", ALL)
def _(bench):
    batch = bench.batch()
    n_inp = {"classify": 1, "fuse": 2, "detect": 2}[bench.task]
    assert bench.dls.train.n_inp == n_inp and len(batch) == n_inp + 1
    assert all(len(part) == bench.dls.train.bs for part in batch)


@enter("TfmdDL", "new", "the same loader with some arguments changed", ALL)
def _(bench):
    dl = bench.dls.train.new(bs=2, shuffle=False, drop_last=False)
    assert dl.bs == 2 and len(dl) == -(-len(dl.dataset) // 2) and bench.dls.train.bs != 2
    assert len(dl.one_batch()[0]) == 2


@enter("TfmdDL", "show_batch", "draws samples; `unique` one again and again, `show=False` what is shown", ALL)
def _(bench):
    plt.close("all")
    dl = bench.loaders().train
    dl.show_batch(max_n=2)
    assert plt.get_fignums()
    for show in (True, False):
        shown = dl.show_batch(max_n=3, unique=True, show=show)
    samples = shown[2]
    assert len(samples) == 3
    targets = [str(sample[-1]) for sample in samples] if bench.task != "detect" else []
    assert len(set(targets)) <= 1  # one sample
    pictures = [sample[0].as_subclass(torch.Tensor) for sample in samples]
    assert any(a.shape != b.shape or not torch.equal(a, b) for a, b in pairwise(pictures))
    assert len(list(dl)) == len(dl)  # the loader is what it was


@enter("TfmdDL", "show_results", "draws samples with what is true and predicted", ALL)
def _(bench):
    batch = bench.dls.valid.one_batch()
    preds = bench.learn.get_preds(dl=[batch], with_decoded=True)[2]
    plt.close("all")
    bench.dls.valid.show_results(batch, preds, max_n=2)
    assert plt.get_fignums()
    shown = bench.dls.valid.show_results(batch, preds, max_n=2, show=False)
    assert len(shown) == 4 and len(shown[3]) == 2


@enter("TfmdDL", "decode", "inputs in 0..1 again, or as they are stored", ALL)
def _(bench):
    batch = bench.dls.valid.one_batch()
    decoded = bench.dls.valid.decode(batch)
    row = int(bench.dls.valid.items[0])
    if bench.task == "fuse":
        expected = torch.as_tensor(np.asarray(bench.dls.source.maps[0][row]))
    else:
        source = bench.dls.source
        stored = source.frame(row) if bench.task == "detect" else np.asarray(source.images[row]) / 255
        expected = torch.as_tensor(np.float32(stored))
    assert torch.allclose(decoded[0][0].as_subclass(torch.Tensor), expected, atol=1e-4)


@enter("TfmdDL", "decode_batch", "a tuple of decoded inputs and target for each sample", ALL)
def _(bench):
    samples = bench.dls.valid.decode_batch(bench.dls.valid.one_batch(), max_n=2)
    assert len(samples) == 2 and len(samples[0]) == (3 if bench.task == "fuse" else 2)
    row = int(bench.dls.valid.items[0])
    if bench.task == "detect":
        boxes = torch.from_numpy(bench.dls.source.boxes[row])
        assert torch.allclose(samples[0][1][:, :4].as_subclass(torch.Tensor), boxes)
    else:
        assert samples[0][-1] == bench.dls.vocab[bench.dls.source.labels[row]]


@enter("TfmdDL", "device to", "where batches are put", ALL)
def _(bench):
    dl = bench.loaders().train
    dl.to(torch.device("cpu"))
    assert dl.device.type == "cpu" and all(part.device.type == "cpu" for part in dl.one_batch())


@enter("TfmdDL", "get_idxs shuffle_fn randomize", "positions of a pass: all of them, shuffled anew in training", ALL)
def _(bench):
    dl = bench.loaders().train
    first = dl.get_idxs()
    dl.randomize()
    assert sorted(first) == list(range(len(dl.dataset))) and dl.get_idxs() != first
    assert bench.dls.valid.get_idxs() == list(range(n_valid(bench)))
    assert sorted(dl.shuffle_fn([3, 1, 2])) == [1, 2, 3]


@enter(
    "TfmdDL",
    "create_item do_item create_batches do_batch chunkify retain",
    "items and batches",
    ALL,
)
def _(bench):
    dl = bench.dls.valid
    item = dl.do_item(0)
    assert len(item) == len(dl.create_item(0)) == (3 if bench.task == "fuse" else 2)
    (batch,) = dl.create_batches([0, 1])
    assert len(batch[0]) == 2 and type(batch[0]) is type(item[0])
    again = dl.do_batch([dl.do_item(0), dl.do_item(1)])
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))
    assert [len(part) for part in dl.chunkify(iter(range(2 * dl.bs)))] == [dl.bs, dl.bs]


@enter("TfmdDL", "create_batch", "items stacked, which have one shape", CLASSES)
def _(bench):
    dl = bench.dls.valid
    batch = dl.create_batch([dl.do_item(0), dl.do_item(1)])
    assert len(batch[0]) == 2


@enter("TfmdDL", "create_batch", "items of one shape stacked; `do_batch` pads those of several", "detect")
def _(bench):
    dl = bench.dls.valid
    assert dl.create_batch([dl.do_item(0), dl.do_item(1)])[0].shape[:2] == (2, 5)


@enter(
    "TfmdDL",
    "after_item before_batch after_batch after_iter before_iter sample wif prebatched",
    "the steps of a pass",
    ALL,
)
def _(bench):
    dl = bench.loaders().valid
    seen = []
    dl.after_iter = lambda: seen.append("after")
    assert len(list(dl)) == len(dl) and seen == ["after"]
    assert dl.prebatched is False and dl.wif() is None and callable(dl.sample)
    assert dl.before_iter() is None and dl.after_batch.split_idx == dl.dataset.split_idx == 1
    assert [type(step).__name__ for step in (dl.after_item, dl.before_batch)] == ["Pipeline"] * 2


# Interpretation


def top(bench):
    seen = bench.interpretation()
    values, numbers = seen.top_losses(2)
    assert len(values) == 2 and values[0] >= values[1]
    every = bench.learn.get_preds(with_loss=True)[2]
    assert torch.allclose(values.as_subclass(torch.Tensor), every[numbers].as_subclass(torch.Tensor), atol=1e-4)
    assert torch.equal(values.sort().values, every.topk(2)[0].sort().values)
    assert len(seen.top_losses(1, largest=False, items=True)) == 3


def drawn(bench, draw):
    plt.close("all")
    draw(bench.interpretation())
    assert plt.get_fignums() and sum(bool(axes.images) for axes in plt.gcf().axes) >= 2


for owner in ("Interpretation", "ClassificationInterpretation"):
    for tasks, kind in ((CLASSES, "ImageInterpretation"), ("detect", "DetectionInterpretation")):
        said = f"`{kind}`: "
        enter(owner, "from_learner", f"{said}one pass over a part, kept", tasks)(
            lambda bench: len(bench.interpretation().losses) == n_valid(bench) or pytest.fail("losses")
        )
        enter(owner, "top_losses", f"{said}the greatest losses and their numbers", tasks)(top)
        enter(owner, "plot_top_losses", f"{said}draws them; a list of places too", tasks)(
            lambda bench: (
                drawn(bench, lambda seen: seen.plot_top_losses(2)),
                drawn(bench, lambda seen: seen.plot_top_losses([1, 0])),
            )
        )
        enter(owner, "show_results", f"{said}draws samples by their numbers", tasks)(
            lambda bench: drawn(bench, lambda seen: seen.show_results([0, 1]))
        )


@enter(
    "ClassificationInterpretation",
    "confusion_matrix",
    "true and predicted classes; fastai's own class too",
    CLASSES,
)
def _(bench):
    counts = bench.interpretation().confusion_matrix()
    assert counts.shape == (bench.dls.c, bench.dls.c) and counts.sum() == n_valid(bench)
    with bench.learn.no_bar():
        assert (ClassificationInterpretation.from_learner(bench.learn).confusion_matrix() == counts).all()


@enter(
    "ClassificationInterpretation",
    "confusion_matrix",
    "with 'nothing' for misses; fastai's own is refused",
    "detect",
)
def _(bench):
    counts = bench.interpretation().confusion_matrix()
    assert counts.shape == (3, 3)
    objects = sum(len(bench.dls.source.boxes[row]) for row in bench.dls.split.valid)
    assert counts[:-1].sum() == objects
    for act in ("confusion_matrix", "plot_confusion_matrix", "most_confused", "print_classification_report"):
        seen = ClassificationInterpretation.from_learner(bench.learn)
        with pytest.raises(LearnerkitError, match="DetectionInterpretation"):
            getattr(seen, act)()
    with pytest.raises(LearnerkitError, match="DetectionInterpretation"):
        ImageInterpretation.from_learner(bench.learn)


@enter("ClassificationInterpretation", "plot_confusion_matrix", "draws it", ALL)
def _(bench):
    plt.close("all")
    bench.interpretation().plot_confusion_matrix()
    labels = [text.get_text() for text in plt.gcf().axes[0].get_yticklabels()]
    assert labels[: bench.dls.c] == [str(name) for name in bench.dls.vocab]


@enter("ClassificationInterpretation", "most_confused", "pairs of classes with their counts, most first", ALL)
def _(bench):
    seen = bench.interpretation()
    pairs, counts = seen.most_confused(), seen.confusion_matrix()
    numbers = [n for _, _, n in pairs]
    assert numbers == sorted(numbers, reverse=True) and sum(numbers) == counts.sum() - np.trace(counts)


@enter("ClassificationInterpretation", "print_classification_report", "precision, recall, F1 and support by class", ALL)
def _(bench, capsys=None):
    bench.interpretation().print_classification_report()


# callbacks of fastai's


@enter("callbacks", "EarlyStoppingCallback", "ends the fit where the figure no longer improves", ALL)
def _(bench):
    learn = bench.fresh()
    learn.fit(
        6, 0.0 if bench.task != "detect" else 1e-12, cbs=EarlyStoppingCallback("valid_loss", min_delta=10, patience=1)
    )
    assert len(learn.recorder.values) == 2


@enter("callbacks", "SaveModelCallback", "the weights of the best epoch are loaded at the end", ALL)
def _(bench):
    learn, kept = bench.fresh(), {}
    keep = Callback(after_epoch=lambda self: kept.setdefault(self.epoch, state_of(self.learn)))
    learn.fit(2, RATE, cbs=[SaveModelCallback("valid_loss", fname="best"), keep])
    losses = [row[1] for row in learn.recorder.values]
    assert_same_weights(kept[int(np.argmin(losses))], state_of(learn))


@enter("callbacks", "ReduceLROnPlateau", "the rate falls to a tenth where the figure no longer improves", ALL)
def _(bench):
    learn = bench.fresh()
    learn.fit(3, RATE, cbs=ReduceLROnPlateau("valid_loss", min_delta=1e9, patience=1))
    rates = [float(rate) for rate in learn.recorder.lrs[:: len(learn.recorder.lrs) // 3]]
    assert rates == pytest.approx([RATE, RATE, RATE / 10])


@enter("callbacks", "TrackerCallback", "the best value of a figure", ALL)
def _(bench):
    learn, tracker = bench.fresh(), TrackerCallback("valid_loss")
    learn.fit(2, RATE, cbs=tracker)
    assert tracker.best == min(row[1] for row in learn.recorder.values)


@enter("callbacks", "CSVLogger", "a line of figures an epoch", ALL)
def _(bench):
    learn = bench.fresh()
    learn.fit(2, RATE, cbs=CSVLogger("history.csv"))
    lines = (bench.root / "history.csv").read_text().splitlines()
    assert len(lines) == 3 and lines[0].startswith("epoch,train_loss,valid_loss")


@enter("callbacks", "ShowGraphCallback ProgressCallback", "a bar, and a graph of losses where a notebook shows it", ALL)
def _(bench):
    learn = bench.fresh()
    with learn.no_logging():
        learn.fit(2, RATE, cbs=[ProgressCallback(), ShowGraphCallback()])
    assert len(learn.recorder.values) == 2


@enter("callbacks", "GradientClip", "the norm of the gradient at most so much", ALL)
def _(bench):
    learn, norms = bench.fresh(), []
    watch = Callback(before_step=lambda self: norms.append(norm_of(self.learn.model)))
    watch.order = 30
    learn.fit(1, RATE, cbs=[GradientClip(0.01), watch])
    assert norms and max(norms) <= 0.0101


def norm_of(model):
    return float(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm())


@enter("callbacks", "GradientAccumulation", "a step once for so many samples", ALL)
def _(bench):
    learn, steps = bench.fresh(limit_batches=None), []
    watch = Callback(after_step=lambda self: steps.append(self.iter))
    learn.fit(1, RATE, cbs=[GradientAccumulation(2 * bench.dls.train.bs), watch])
    assert steps and steps[0] == 1


@enter("callbacks", "TerminateOnNaNCallback", "goes on with good losses; bad ones end in our Guard's error", ALL)
def _(bench):
    learn = bench.fresh()
    learn.fit(1, RATE, cbs=TerminateOnNaNCallback())
    assert len(learn.recorder.values) == 1
    poison = Callback(before_batch=lambda self: setattr(self.learn, "xb", (self.xb[0] * float("nan"), *self.xb[1:])))
    poison.order = -12
    with pytest.raises(LearnerkitError, match=r"finite|nan"):
        learn.fit(1, RATE, cbs=[TerminateOnNaNCallback(), poison])


@enter("callbacks", "ParamScheduler", "hyper-parameters by functions of the part of training done", ALL)
def _(bench):
    learn = bench.fresh(limit_batches=None)
    learn.create_opt()
    learn.fit(1, cbs=ParamScheduler({"lr": SchedCos(RATE, 0)}))
    assert learn.recorder.lrs[0] == RATE and learn.recorder.lrs == sorted(learn.recorder.lrs, reverse=True)


@enter("callbacks", "ShortEpochCallback", "ends each pass early; `limit_batches` does so too", ALL)
def _(bench):
    learn = bench.fresh(limit_batches=None)
    learn.fit(1, RATE, cbs=ShortEpochCallback(0.3))
    assert 0 < len(learn.recorder.losses) < len(bench.dls.train)


@enter("callbacks", "BnFreeze", "running figures of norm layers stay in the training pass", ALL)
def _(bench):
    learn = bench.fresh()
    learn.freeze()
    learn.fit(1, RATE, cbs=BnFreeze())
    assert len(learn.recorder.values) == 1


@enter("callbacks", "ActivationStats", "mean and deviation of each layer's output", CLASSES)
def _(bench):
    learn, stats = bench.fresh(), ActivationStats()
    learn.fit(1, RATE, cbs=stats)
    assert len(stats.stats) == len(learn.recorder.losses) and np.isfinite(stats.stats[0][0]["mean"])


@enter("callbacks", "ActivationStats", "of the modules that are given, such as the backbone's", "detect")
def _(bench):
    learn = bench.fresh()
    layers = [module for module in learn.model.net.backbone.modules() if isinstance(module, nn.Conv2d)][:2]
    stats = ActivationStats(modules=layers)
    learn.fit(1, RATE, cbs=stats)
    assert len(stats.stats) == len(learn.recorder.losses) and np.isfinite(stats.stats[0][0]["mean"])


@enter("callbacks", "FetchPredsCallback", "predictions of the valid part after each epoch", ALL)
def _(bench):
    learn, fetch = bench.fresh(limit_batches=None), FetchPredsCallback()
    learn.fit(1, RATE, cbs=fetch)
    assert len(fetch.preds[0]) == n_valid(bench)


@enter("callbacks", "MixUp CutMix", "`CutMix(p=)` and `MixUp(p=)` mix both maps", "fuse", refused=r"CutMix\(p=")
def _(bench):
    bench.fresh(MixUp(0.4))


@enter(
    "callbacks",
    "MixUp CutMix",
    "frames are augmented by `detection_dls`; so are ours",
    "detect",
    refused="detection_dls",
)
def _(bench):
    for mixer in (CutMix(1.0), learnerkit.all.CutMix(p=0.5), learnerkit.all.MixUp):
        with pytest.raises(LearnerkitError, match="detection_dls"):
            bench.fresh([mixer])
    bench.fresh(MixUp(0.4))


@enter("callbacks", "MixUp CutMix", "batches mixed, the loss in the same parts", "classify")
def _(bench):
    for mixer in (MixUp(0.4), CutMix(1.0)):
        learn = bench.fresh()
        loss = learn.loss_func
        learn.fit(1, RATE, cbs=mixer)
        assert learn.loss_func is loss and np.isfinite(learn.recorder.values[0][0])


@pytest.mark.parametrize(("owner", "name"), ROWS, ids=lambda part: part)
def test_a_method(bench, owner, name):
    case = ROWS[owner, name][bench.task]
    if case.call not in bench.done:
        bench.done[case.call] = None
        try:
            with quiet(bench.learn) if owner not in ("callbacks", "Learner") else contextlib.nullcontext():
                case.call(bench)
        except Exception as error:
            bench.done[case.call] = error
    error = bench.done[case.call]
    if case.refused is None and error is not None:
        raise error
    if case.refused is not None:
        assert isinstance(error, LearnerkitError) and re.search(case.refused, str(error)), error


@pytest.mark.parametrize("owner", OWNERS)
def test_every_public_method_of_fastais_stands_in_the_table(owner):
    known = {name for kind, name in ROWS if kind == owner}
    assert public(OWNERS[owner]) - LEFT_OVER - known == set()
    assert known - public(OWNERS[owner]) <= {"vocab", "c"}  # of the transforms, through the loaders


def test_every_row_has_a_cell_for_each_task():
    assert {row: set(cells) for row, cells in ROWS.items()} == {row: set(TASKS) for row in ROWS}


def test_the_page_says_what_the_tests_say():
    if wanted := os.environ.get("LEARNERKIT_METHODS_TABLE"):
        Path(wanted).write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()
