"""The detection learner in fastai's own ways: fit, validate, predict, show, TTA, precision, accumulation, run."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from learnerkit.all import (
    EMA,
    TTA,
    Callback,
    DetectionInterpretation,
    detection_dls,
    detection_learner,
    load_run,
)
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core.errors import DataError, LearnerkitError, ModelError, RecipeError, TrainingError
from learnerkit.detect.boxes import scores_of, unpack_boxes
from learnerkit.detect.dls import channel_means
from learnerkit.detect.interpret import SwitchOff, predicted
from learnerkit.detect.learner import DetectionLearner, fitting_anchors
from learnerkit.models.create import create_model
from tests.conftest import assert_same_weights, state_of
from tests.scenes import NAMES, SMALL, toy_detector, write_scenes

PARTS = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")


@pytest.fixture
def root(tmp_path):
    return write_scenes(tmp_path / "set")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A learner that has seen enough of its scenes to find something."""
    root = write_scenes(tmp_path_factory.mktemp("trained") / "set", n=28)
    learn = toy_detector(root, bs=4)
    learn.fit_one_cycle(10, 1e-3)
    return learn


def test_it_learns_and_its_figures_are_those_of_its_detections(trained):
    values = trained.validate()
    assert values[2] > 0.5, f"mAP50 {values[2]}"
    seen = DetectionInterpretation.from_learner(trained)
    assert [seen.figures()[key] for key in ("mAP", "mAP50", "mAP75")] == pytest.approx(list(values[1:]))


def test_get_preds_gives_detections_and_truth_in_one_tensor_each(trained):
    detections, targets = trained.get_preds(ds_idx=2)
    assert detections.shape == (2, 20, 6) and targets.shape[0] == 2 and targets.shape[2] == 5
    losses = trained.get_preds(ds_idx=2, with_loss=True)[2]
    assert losses.shape == (2,) and torch.isfinite(losses).all()
    assert trained.loss_func.reduction == "mean"


def test_a_validation_is_the_same_every_time_and_leaves_random_state_alone(trained):
    state = torch.get_rng_state()
    first = trained.validate()
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(99)
    assert list(trained.validate()) == list(first)


def test_predict_takes_paths_arrays_and_rows(trained):
    source = trained.dls.source
    file = source.frames[0].files[0]
    found = [trained.predict(item) for item in (0, file, str(file), np.load(file))]
    for other in found[1:]:
        assert torch.equal(other.boxes, found[0].boxes) and other.names == found[0].names
    assert set(found[0].names) <= set(NAMES) and found[0].boxes.shape[1:] == (4,)
    assert (found[0].scores.diff() <= 0).all()
    with pytest.raises(DataError, match="3 channel"):
        trained.predict(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize("size", [32, 128])
def test_boxes_are_in_pixels_of_the_frame_that_was_given(trained, tmp_path, size):
    """The frames have 64 pixels, whatever the model sees."""
    dls = detection_dls(write_scenes(tmp_path / "set"), size=size)
    learn = toy_detector(None, dls=dls, model_args={**SMALL, "score_threshold": 0.0})
    row = int(dls.valid.items[0])
    found, detections = learn.predict(row), learn.get_preds()[0][0]
    boxes, _ = unpack_boxes(detections)
    assert torch.allclose(found.boxes, boxes * 64 / size, atol=1e-4) and found.boxes.max() <= 64
    array = np.load(dls.source.frames[row].files[0])
    assert torch.equal(learn.predict(array).boxes, found.boxes)
    wide = np.concatenate([array, np.zeros_like(array)], axis=1)  # another shape than any frame of the set
    boxes, (frame, _) = learn.predict(wide).boxes, learn.predict(wide, with_input=True)
    assert frame.shape == (5, 64, 128) and boxes[:, 2].max() > 64 and boxes[:, 3].max() <= 64


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_a_picture_is_a_frame_as_its_file_is(tmp_path, mode):
    root = write_scenes(tmp_path / "set", channels=3)
    learn = toy_detector(None, dls=detection_dls(root), model_args={**SMALL, "score_threshold": 0.0})
    shown = Image.fromarray(np.load(root / "images" / "0000.npy")).convert(mode)
    shown.save(tmp_path / "shown.png")
    found, other = learn.predict(shown), learn.predict(tmp_path / "shown.png")
    assert torch.equal(found.boxes, other.boxes) and len(found.boxes)


def test_a_view_that_changes_the_classes_is_refused(tmp_path):
    learn = toy_detector(None, dls=detection_dls(write_scenes(tmp_path / "set"), keeps=()))
    with pytest.raises(RecipeError, match="other classes"):
        learn.tta()


def test_views_are_merged(trained):
    plain, _ = trained.get_preds(ds_idx=1)
    merged, _ = trained.get_preds(ds_idx=1, cbs=TTA(2))
    assert merged.shape == plain.shape and not torch.equal(merged, plain)
    again, _ = trained.get_preds(ds_idx=1, cbs=TTA(1))
    assert torch.equal(again, plain)


def test_pictures(trained):
    axes = trained.dls.show_batch(max_n=2)
    assert axes.shape == (2, 3) and [panel.get_title() for panel in axes[0]] == ["boxes", "thermal", "event"]
    trained.show_results(max_n=2)
    seen = DetectionInterpretation.from_learner(trained)
    seen.plot_confusion_matrix(), seen.plot_precision_recall(), seen.plot_worst(2)


def test_interpretation_counts(trained):
    seen = DetectionInterpretation.from_learner(trained, ds_idx=0)
    counts = seen.confusion_matrix()
    objects = sum(len(unpack_boxes(rows)[0]) for rows in seen.targets)
    boxes = sum(int((scores_of(rows) >= 0.5).sum()) for rows in seen.detections)
    assert counts[:-1].sum() == objects and counts[:, :-1].sum() == boxes and counts[-1, -1] == 0
    rows = seen.errors()
    assert sum(row["missed"] for row in rows) == counts[:-1, -1].sum()
    assert sum(row["false"] for row in rows) == counts[-1].sum()
    totals = [row["missed"] + row["false"] + row["confused"] for row in rows]
    assert totals == sorted(totals, reverse=True)


def test_ablation_switches_modalities_off(trained):
    rows = DetectionInterpretation.from_learner(trained).ablation()
    assert list(rows) == ["all channels", "without RGB", "without thermal", "without event"]
    assert rows["all channels"]["mAP50"] >= rows["without RGB"]["mAP50"]  # the scenes' colours say what is what
    zeroed = trained.dls.test_dl([int(row) for row in trained.dls.split.valid], with_labels=True)
    frames, sizes, _ = zeroed.one_batch()
    frames = frames.as_subclass(torch.Tensor).clone()
    means = channel_means(trained.dls.source, trained.dls.split.train)
    frames[:, 3] = means[3]
    raw = np.mean([trained.dls.source.frame(row)[3].mean() for row in trained.dls.split.train])
    assert means[3] == pytest.approx((raw - 0.5) / 0.5, abs=1e-3)
    with torch.no_grad():
        expected = trained.model.eval()(frames, sizes)
    found, _ = predicted(trained, zeroed, [SwitchOff([3], means)])
    assert torch.equal(torch.stack(found), expected)


def test_lr_find_leaves_the_learner_as_it_was(root):
    learn = toy_detector(root)
    before = state_of(learn)
    learn.lr_find(num_it=4, show_plot=False)
    assert_same_weights(before, state_of(learn))
    learn.fit(1)


@pytest.mark.parametrize("settings", [{"precision": "bf16"}, {"accumulate": 2}, {"clip": 1.0}, {"channels_last": True}])
def test_settings_of_every_learner_work(root, settings):
    learn = toy_detector(root, **settings)
    learn.fit(1)
    assert np.isfinite(learn.recorder.values[-1][:2]).all()


def test_an_average_of_weights_is_validated_and_saved(root, tmp_path):
    ema = EMA(0.9)
    learn = toy_detector(root, [ema, Run(tmp_path / "runs", "a")])
    learn.fit(1)
    saved, average, trained = load_run(tmp_path / "runs" / "a"), ema.averaged.module, learn.model
    assert_same_weights(state_of(saved), average.state_dict())
    assert any(not torch.equal(average.state_dict()[name], weight) for name, weight in trained.state_dict().items())
    assert list(saved.validate()) == pytest.approx(learn.recorder.values[-1][-len(saved.validate()) :])


def table(learn, name):
    """The rows of a CSV file of a learner's run."""
    return list(csv.DictReader(learn.run_folder.file(name).read_text().splitlines()))


class Poison(Callback):
    """Puts a nan into one batch's frames."""

    order = -12

    def __init__(self, which=1):
        self.which = which

    def before_batch(self):
        if self.training and self.iter == self.which:
            self.learn.xb = (self.learn.xb[0].clone().fill_(float("nan")), *self.learn.xb[1:])


def test_the_guard_names_the_frames(root):
    learn = toy_detector(root, [Poison()])
    with pytest.raises(TrainingError, match=r"images/\d{4}\.npy"):
        learn.fit(1)


@pytest.mark.parametrize("which", [0, 1])
def test_the_guard_passes_over_and_the_ledgers_stay_in_step(root, tmp_path, which):
    learn = toy_detector(root, [Poison(which), Run(tmp_path / "runs", "a")], guard="skip")
    learn.fit(2)
    rows = table(learn, "batch_metrics.csv")
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 7)]
    for row in rows:
        parts = [float(row[name]) for name in PARTS]
        if int(row["step"]) in (1 + which, 4 + which):
            assert np.isnan(parts).all()
        else:
            assert sum(parts) == pytest.approx(float(row["loss"]), rel=1e-4)


def test_the_run_holds_the_loss_parts_of_batches_and_epochs(root, tmp_path):
    learn = toy_detector(root, [Run(tmp_path / "runs", "a")])
    rows = [int(row) for row in learn.dls.split.train[:3]]
    learn.dls.loaders[1] = learn.dls.test_dl(rows, with_labels=True, bs=2)  # the last batch is the smaller one
    learn.fit(2)
    batches, epochs = table(learn, "batch_metrics.csv"), table(learn, "metrics.csv")
    for number, epoch in enumerate(epochs):
        own = [row for row in batches if row["epoch"] == str(number + 1)]
        assert len(own) == 3
        for name in PARTS:
            mean = np.mean([float(row[name]) for row in own])
            assert float(epoch[f"train_{name}"]) == pytest.approx(mean, rel=1e-4)
        trained = sum(float(epoch[f"train_{name}"]) for name in PARTS)
        assert float(epoch["train_loss"]) == pytest.approx(trained, rel=1e-5)
        assert trained == pytest.approx(np.mean([float(row["loss"]) for row in own]), rel=1e-4)
        assert [row["batch"] for row in own] == ["1", "2", "3"]
        total = sum(float(epoch[f"valid_{name}"]) for name in PARTS)
        assert float(epoch["valid_loss"]) == pytest.approx(total, rel=1e-5)
        assert {"mAP", "mAP50", "mAP75", "lr", "seconds", "is_best", "checkpoint", "timestamp"} <= set(epoch)
    seconds = [float(row["seconds"]) for row in batches]
    assert seconds == sorted(seconds) and seconds[0] > 0 and len(seconds) == 6
    assert learn.run_log.monitor == "mAP" and learn.run_log.mode == "max"


def test_load_run_gives_the_same_detections(root, tmp_path):
    learn = toy_detector(root, [Run(tmp_path / "runs", "a", monitor="valid_loss", mode="min")])
    learn.fit(2)
    again = load_run(tmp_path / "runs" / "a", weights="final_model")
    assert isinstance(again, DetectionLearner)
    assert torch.equal(again.get_preds()[0], learn.get_preds()[0])


def test_anchors_fit_the_training_boxes(root):
    dls = detection_dls(root)
    sides = np.concatenate([np.sqrt((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])) for b in dls.source.boxes])
    anchors = fitting_anchors(dls)
    assert anchors[0] == round(sides.min()) and list(anchors) == [anchors[0] * 2**level for level in range(5)]
    assert fitting_anchors(detection_dls(root, size=128))[0] == pytest.approx(2 * anchors[0], abs=1)


def test_weights_of_a_segformer_file(root, tmp_path):
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    config = transformers.SegformerConfig(depths=[2, 2, 2, 2], hidden_sizes=[32, 64, 160, 256])
    encoder = transformers.SegformerModel(config)
    file = tmp_path / "mit_b0.safetensors"
    save_file({f"segformer.{name}": tensor.contiguous() for name, tensor in encoder.state_dict().items()}, file)
    learn = detection_learner(detection_dls(root), "mit_b0", weights=file)
    body = learn.model.net.backbone.body
    assert learn.unmapped == []
    first = next(tensor for name, tensor in encoder.state_dict().items() if tensor.shape == (32, 3, 7, 7))
    assert torch.equal(body.rgb[0].patches.conv.weight.cpu(), first)
    assert torch.allclose(
        body.other[0].patches.conv.weight.cpu(), first.mean(1, keepdim=True).expand(-1, 2, -1, -1) * 1.5
    )
    with pytest.raises(ModelError, match="is it a file of mit_b1"):
        detection_learner(detection_dls(root), "mit_b1", weights=file)


def test_what_cannot_be_is_refused(root, toy_dls):
    with pytest.raises(DataError, match="no boxes"):
        detection_learner(toy_dls)
    with pytest.raises(LearnerkitError, match="bs"):
        detection_dls(root, bs=20)
    with pytest.raises(RecipeError, match=r"size=\(48, 64\)"):
        detection_dls(root, size=(48, 64))


def test_a_module_of_ones_own(root):
    dls = detection_dls(root)
    model = create_model("detect:mit_b0", 5, 2, anchors=[8, 16, 32, 64, 128], proposals=(50, 20))
    learn = detection_learner(dls, model, limit_batches=1)
    learn.logger = lambda row: None
    before = state_of(learn)
    learn.fit(1, 1e-4)
    assert learn.model is model
    assert any(not torch.equal(before[name], weight) for name, weight in state_of(learn).items())
    assert all(np.isfinite(learn.recorder.values[-1]))
