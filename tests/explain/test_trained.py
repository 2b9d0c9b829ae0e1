"""The controls after a real training, on real images: digits at 96 %."""

import pytest
import torch

from learnerkit.all import digits_dls, faithfulness, gradcam, image_learner, randomisation_control, saliency_map
from learnerkit.explain.consistency import consistency_of, variant_maps
from learnerkit.explain.measures import MEASURES

METHODS = {"gradcam": gradcam, "saliency_map": saliency_map}


@pytest.fixture(scope="module")
def trained():
    """A classifier of digits and 96 images that it has not seen."""
    dls = digits_dls(bs=64)
    learn = image_learner(dls, "tiny_cnn", seed=1)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(15, 0.05)
    assert learn.recorder.values[-1][2] > 0.9
    return learn.model, dls.valid.new(shuffle=False, bs=96).one_batch()[0].as_subclass(torch.Tensor)


@pytest.mark.slow
def test_a_map_is_that_of_the_trained_model_and_of_no_random_twin(trained):
    model, images = trained
    for name, method in METHODS.items():
        (maps,) = variant_maps(model, images, {name: method}).values()
        assert [row["mean"] for row in consistency_of({"one": maps, "same": maps})] == pytest.approx([1] * 3)
        rows = randomisation_control(model, images, method, depths=1)
        assert [row["measure"] for row in rows] == list(MEASURES) and rows[0]["redrawn"] == 1
        for row in rows:
            assert abs(row["excess"]) < 0.1 and row["excess_low"] < 0.02 and row["n"] > 60


@pytest.mark.slow
def test_the_score_follows_the_maps_and_no_random_order(trained):
    model, images = trained
    rows = faithfulness(model, images, variant_maps(model, images, METHODS), steps=16, n_random=3).rows
    assert len(rows) == 4 and all(row["gain_low"] > 0 and row["n"] == 96 for row in rows)
