"""What a detection came from: detectors whose answer is known."""

import pytest
import torch

from learnerkit.all import (
    DataError,
    DetectionInterpretation,
    ModelError,
    create_model,
    gradcam,
    saliency_map,
)
from learnerkit.detect.explain import best_detections, box_scores, detections_of, explain_detection, modality_groups
from learnerkit.explain.shapley import filled_in
from tests.scenes import SMALL, TOY_BACKBONE, toy_detector

GROUPS = {"RGB": [0, 1, 2], "thermal": [3], "event": [4]}
ROW = torch.tensor([10.0, 12.0, 40.0, 50.0, 1.0, 0.9])


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return create_model(f"detect:{TOY_BACKBONE}", 5, 2, **SMALL)


@pytest.fixture
def frame():
    return torch.randn(5, 64, 96)


def blind(model, channels):
    """The model without the weights of some channels: it cannot see them."""
    first = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    with torch.no_grad():
        first.weight[:, channels] = 0
    return model


def test_the_score_of_a_box_is_the_log_odds_of_its_class(detector, frame):
    model = detector.eval()
    with torch.no_grad():
        found = model(frame[None] * 3)[0]
        logits = model.box_logits(frame[None], ROW[None, :4])
        chances = logits.softmax(dim=1)[0, 2]
        assert float(box_scores(model, frame[None], ROW[None])) == pytest.approx(
            float((chances / (1 - chances)).log()), abs=1e-4
        )
    assert found.shape[1] == 6


@pytest.mark.filterwarnings("ignore:integrated_gradients")  # noise through weights as they are drawn is steep
def test_contributions_add_up_and_what_is_not_seen_has_no_share(detector, frame):
    found = explain_detection(blind(detector, [3]), frame, ROW, GROUPS)
    with torch.no_grad():
        whole = box_scores(detector.eval(), frame[None], ROW[None])
        erased = box_scores(detector, filled_in(frame[None], ROW[None, :4], range(5)), ROW[None])
    assert float(found.contributions.sum()) == pytest.approx(float(whole - erased), abs=1e-4)
    assert found.names == ("RGB", "thermal", "event") and found.contributions[1] == 0
    assert found.maps.shape == (3, 64, 96) and (found.maps[1] == 0).all() and (found.maps[0] != 0).any()
    assert not found.maps[:, :, 50:].any()  # the object's own pixels alone


def test_an_object_erased_from_a_modality_takes_its_share_away(detector, frame):
    before = explain_detection(detector, frame, ROW, GROUPS, maps=False)
    for number, channels in enumerate(GROUPS.values()):
        after = explain_detection(detector, filled_in(frame[None], ROW[None, :4], channels)[0], ROW, GROUPS, maps=False)
        assert abs(float(after.contributions[number])) < 0.1 * float(before.contributions.abs().max())


def test_the_methods_of_a_classifier_take_a_score(detector, frame):
    frames = frame[None].repeat(2, 1, 1, 1)
    rows = torch.stack([ROW, ROW])
    assert gradcam(detector, frames, rows, score=box_scores).shape == (2, 1, 64, 96)
    found = saliency_map(blind(detector, [4]), frames, rows, score=box_scores)
    assert found.shape == frames.shape and not found[:, 4].any() and found[:, 3].any()


def test_groups_are_those_of_the_set(tmp_path):
    learn = toy_detector(tmp_path / "set")
    assert modality_groups(learn.dls.source) == GROUPS


@pytest.mark.parametrize(
    ("row", "groups", "said"),
    [
        (ROW[None], GROUPS, "row: .* one box x1, y1, x2, y2 and its class"),
        (torch.tensor([10.0, 12, 5, 50, 1]), GROUPS, "row: "),
        (torch.tensor([10.0, 12, 40, 50, -1]), GROUPS, "row: "),
        (ROW, {}, "groups: {}; each channel, of 0 to 4, once"),
        (ROW, {"RGB": [0, 1, 2], "thermal": [2]}, "groups: "),
        (ROW, {"RGB": [0, 5]}, "groups: "),
    ],
)
def test_what_does_not_fit_is_refused(detector, frame, row, groups, said):
    with pytest.raises(DataError, match=said):
        explain_detection(detector, frame, row, groups)


def test_a_frame_without_a_detection_is_said(detector, frame):
    with pytest.raises(DataError, match=r"night_004: no detection of a score of 0.99 or more.*box of your own"):
        best_detections(detections_of(detector, frame), "night_004", 0.99, 3)
    with pytest.raises(ModelError, match="simple_cnn: is no detector"):
        box_scores(create_model("simple_cnn"), frame[None, :3], ROW[None])


@pytest.mark.parametrize("number", [-1, 2, 999])
def test_an_image_that_the_part_has_not_is_refused(tmp_path, number):
    learn = toy_detector(tmp_path / "set")
    seen = DetectionInterpretation.from_learner(learn)
    number = number if number != 2 else len(seen.detections)
    with pytest.raises(DataError, match=rf"number: {number}; the images are 0 to {len(seen.detections) - 1}"):
        seen.explain(number)
