"""Deletion and insertion of models whose curves are known on paper."""

import numpy as np
import pytest
import torch
from torch import nn

from learnerkit.all import DataError, ModelError, RecipeError, create_model, faithfulness, saliency_map
from learnerkit.core.run_folder import csv_text
from learnerkit.explain.faithfulness import class_probabilities
from learnerkit.explain.replaced import ground_of, random_ranks, ranks_of


class Sum(nn.Module):
    """The score of an image is the sum of its values."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, images):
        self.batches.append(len(images))
        return images.sum((1, 2, 3))


def total(model, images, targets):
    return model(images)


def summed(images, maps, **kwargs):
    """Curves of the sum of the pixels, against 0."""
    return faithfulness(Sum(), images, maps, 0, **{"score": total, "ground": "zero", **kwargs})


IMAGE = torch.tensor([[[[4.0, 1.0], [3.0, 2.0]]]])


def only(found, curve, name="map"):
    return next(row for row in found.rows if (row["map"], row["curve"]) == (name, curve))


def test_the_curves_of_a_sum_by_hand():
    found = summed(IMAGE, {"best": IMAGE, "worst": 1 / IMAGE}, steps=4)
    assert found.fractions.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.curves["deletion"]["best"].tolist() == [[10, 6, 3, 1, 0]]
    assert found.curves["insertion"]["best"].tolist() == [[0, 4, 7, 9, 10]]
    assert found.curves["deletion"]["worst"].tolist() == [[10, 9, 7, 4, 0]]
    assert only(found, "deletion", "best")["area"] == (10 / 2 + 6 + 3 + 1) / 4 == 3.75
    assert only(found, "insertion", "best")["area"] == 6.25
    for curve in ("deletion", "insertion"):
        best, worst = only(found, curve, "best"), only(found, curve, "worst")
        sign = {"deletion": -1, "insertion": 1}[curve]
        assert best["random"] == worst["random"] and 3.75 < best["random"] < 6.25
        assert [row["gain"] for row in (best, worst)] == pytest.approx(
            [sign * (row["area"] - row["random"]) for row in (best, worst)]
        )
        assert best["gain"] > 0 > worst["gain"]
    assert list(found.curves["deletion"]) == ["random", "best", "worst"]
    keys = "map,curve,area,low,high,random,gain,gain_low,gain_high,other_images,excess,excess_low,excess_high,n,n_na"
    assert csv_text(found.rows).splitlines()[0] == keys


def test_random_orders_take_the_same_from_every_pixel():
    images = torch.rand(40, 2, 6, 6)
    found = summed(images, images, steps=6, n_random=40)
    share = found.curves["deletion"]["random"] / images.sum((1, 2, 3)).numpy()[:, None]
    assert share.mean(0) == pytest.approx([1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0], abs=0.01)
    gain = only(found, "deletion")
    assert gain["gain_low"] > 0 and gain["gain_low"] < gain["gain"] < gain["gain_high"] and gain["n"] == 40
    noise = summed(images, torch.rand(40, 6, 6), steps=6, n_random=40)
    assert only(noise, "deletion")["gain_low"] < 0 < only(noise, "deletion")["gain_high"]


def test_lots_are_of_one_size_and_no_more_than_the_pixels():
    images = torch.ones(1, 1, 5, 5)
    found = summed(images, torch.rand(1, 5, 5), steps=4)
    assert found.curves["deletion"]["map"].tolist() == [[25, 19, 13, 6, 0]]  # 25 in four lots
    assert found.fractions.tolist() == [0, 6 / 25, 12 / 25, 19 / 25, 1]
    assert only(found, "deletion")["area"] == pytest.approx(0.5 * 25)
    assert len(summed(images, torch.rand(1, 5, 5), steps=99).fractions) == 26


def test_a_pixel_goes_in_all_its_channels():
    images = torch.stack([IMAGE[0, 0], 10 * IMAGE[0, 0]])[None]
    found = summed(images, IMAGE, steps=4)
    assert found.curves["deletion"]["map"].tolist() == [[110, 66, 33, 11, 0]]


@pytest.mark.parametrize("ground", ["blur", "zero"])
def test_the_probability_of_the_class_is_what_is_followed(ground):
    model = create_model("tiny_cnn", 3, 4, width=4)
    images = torch.rand(3, 3, 12, 12)
    found = faithfulness(model, images, torch.rand(3, 12, 12), [0, 1, 2], steps=3, ground=ground)
    with torch.no_grad():
        whole, empty = (model.eval()(each).softmax(1) for each in (images, ground_of(images, ground)))
    for curve, first, last in (("deletion", 0, -1), ("insertion", -1, 0)):
        scores = found.curves[curve]["map"]
        assert scores[:, first] == pytest.approx(whole[range(3), range(3)].numpy(), abs=1e-6)
        assert scores[:, last] == pytest.approx(empty[range(3), range(3)].numpy(), abs=1e-6)
    predicted = faithfulness(model, images, torch.rand(3, 12, 12), steps=3).curves["deletion"]["random"]
    assert predicted[:, 0] == pytest.approx(whole.amax(1).numpy(), abs=1e-6)
    assert class_probabilities(model, images, 2).tolist() == pytest.approx(whole[:, 2].tolist(), abs=1e-6)


def test_a_coarse_map_is_enlarged():
    images = torch.ones(2, 1, 8, 8)
    corner = torch.zeros(2, 1, 2, 2)
    corner[:, :, 0, 1] = 1
    images[:, :, :4, 4:] = 9
    found = summed(images, corner, steps=4)
    assert found.curves["deletion"]["map"][0].tolist() == [16 * 9 + 48, 48, 32, 16, 0]


def test_ties_are_broken_by_the_seed_and_not_by_the_scan():
    maps = torch.zeros(400, 4, 5)
    maps[:, 2, 3] = 1
    ranks = ranks_of(maps, 0)
    assert (ranks[:, 13] == 0).all() and ranks.sort(1).values.tolist() == [list(range(20))] * 400
    mean = np.delete(ranks.double().mean(0).numpy(), 13)
    assert np.abs(mean - 10).max() < 1.2  # no place comes first more often
    assert torch.equal(ranks, ranks_of(maps, 0)) and not torch.equal(ranks, ranks_of(maps, 1))
    untied = torch.rand(3, 4, 5)
    assert torch.equal(ranks_of(untied, 0), ranks_of(untied, 1))
    assert torch.equal(ranks_of(untied, 0), (-untied.flatten(1)).argsort(1).argsort(1))
    assert not torch.equal(random_ranks(2, 20, 0)[0], random_ranks(2, 20, 0)[1])


def test_the_figures_do_not_depend_on_the_batches():
    model, images, maps = create_model("tiny_cnn", 3, 4, width=4), torch.rand(5, 3, 8, 8), torch.rand(5, 8, 8)
    whole = faithfulness(model, images, maps, [0, 1, 2, 3, 0], steps=5, bs=1000)
    pieces = faithfulness(model, images, maps, torch.tensor([0, 1, 2, 3, 0]), steps=5, bs=7)
    for curve in whole.curves:
        for name, scores in whole.curves[curve].items():
            assert scores == pytest.approx(pieces.curves[curve][name], abs=1e-6)
    model = Sum()
    faithfulness(model, images, maps, 0, steps=5, bs=7, score=total)
    assert max(model.batches) == 7


def test_the_model_keeps_its_mode_and_no_graph_is_built():
    model, images = create_model("tiny_cnn", 3, 4, width=4), torch.rand(2, 3, 8, 8)
    model.train()
    model[0].eval()
    seen = []

    def score(model, images, targets):
        seen.append((model.training, torch.is_grad_enabled()))
        return class_probabilities(model, images, targets)

    faithfulness(model, images, torch.rand(2, 8, 8), 1, steps=2, score=score)
    assert set(seen) == {(False, False)} and model.training and not model[0].training


def test_what_says_nothing_is_na_and_the_others_count():
    images = torch.rand(4, 1, 6, 6)
    maps = images.clone()
    maps[1], maps[3] = 0, 2
    found = summed(images, maps, steps=6)
    row = only(found, "insertion")
    assert (row["n"], row["n_na"]) == (2, 2) and np.isfinite(row["gain"])
    assert np.isnan(found.curves["insertion"]["map"][[1, 3]]).all()
    assert np.isfinite(found.curves["insertion"]["random"]).all()
    areas = np.trapezoid(found.curves["insertion"]["random"][[0, 2]], found.fractions, axis=1)
    assert row["random"] == pytest.approx(areas.mean())  # of the same images
    with pytest.warns(UserWarning, match="the maps of all 4 images are 0 or of one value"):
        found = summed(images, torch.zeros(4, 6, 6), steps=2)
    assert np.isnan(only(found, "deletion")["gain"]) and only(found, "deletion")["n"] == 0


def test_the_map_of_another_image_stands_beside_its_own():
    images = torch.rand(6, 1, 5, 5)
    found = summed(images, images, steps=25, n_random=3)
    wrong = summed(images, images.roll(1, 0), steps=25, n_random=3)
    for curve in ("deletion", "insertion"):
        own, row, sign = found.curves[curve]["map"], only(found, curve), {"deletion": -1, "insertion": 1}[curve]
        assert found.others[curve]["map"] == pytest.approx(wrong.curves[curve]["map"])
        assert row["other_images"] == pytest.approx(only(wrong, curve)["area"])
        areas = [np.trapezoid(each, found.fractions) for each in (own, found.others[curve]["map"])]
        assert row["excess"] == pytest.approx(sign * (areas[0] - areas[1]).mean()) and row["excess_low"] > 0
    grouped = summed(images, images, steps=5, groups=[0, 0, 1, 1, 2, 2])  # no other image is of the same group
    assert np.isnan(grouped.others["deletion"]["map"]).any(1).tolist() == [False, True] * 3
    maps = images.clone()
    maps[2] = 0
    holed = summed(images, maps, steps=5)
    assert np.isnan(holed.others["deletion"]["map"]).any(1).tolist() == [False, False, True, True, False, False]


def test_an_image_of_one_colour_has_flat_curves_against_its_blur():
    images = torch.full((2, 3, 16, 16), 0.7)
    found = summed(images, torch.rand(2, 16, 16), steps=4, ground="blur")
    for curve in found.curves.values():
        assert curve["map"] == pytest.approx(np.full((2, 5), 0.7 * 768), rel=1e-5)
    assert only(found, "deletion")["gain"] == pytest.approx(0, abs=1e-3)


def test_the_blur_keeps_the_mean_of_a_wide_image_and_spreads_a_point():
    images = torch.zeros(1, 2, 32, 40)
    images[0, 0, 15, 16] = 1
    blurred = ground_of(images, "blur")[0]
    assert blurred.sum() == pytest.approx(1, abs=1e-5) and (blurred[1] == 0).all()
    assert blurred[0, 15, 16] == blurred.max() and (blurred > 0).sum() == 17**2  # sigma 4, two of them each way
    assert blurred[0, 15, 12] / blurred[0, 15, 16] == pytest.approx(np.exp(-0.5), rel=1e-4)
    assert torch.allclose(blurred[0, 7:24, 8:25], blurred[0, 7:24, 8:25].T) and (ground_of(images, "zero") == 0).all()
    assert ground_of(torch.rand(1, 3, 4, 3), "blur").shape == (1, 3, 4, 3)


def test_what_cannot_be_followed_is_refused():
    images = torch.rand(3, 1, 6, 6)
    with pytest.raises(DataError, match="maps 'map': 2 of 3 images"):
        faithfulness(Sum(), images, images[:2], 0, score=total)
    with pytest.raises(DataError, match="maps: random; one or more by names other than 'random'"):
        faithfulness(Sum(), images, {"random": images}, 0, score=total)
    with pytest.raises(DataError, match=r"images of shape \(6, 6\)"):
        faithfulness(Sum(), images[0, 0], images, 0, score=total)
    with pytest.raises(DataError, match="values that are not finite"):
        faithfulness(Sum(), images, images / 0, 0, score=total)
    with pytest.raises(ModelError, match="Sum: its scores are not finite"):
        faithfulness(Sum(), images, images, 0, score=lambda model, images, targets: model(images) / 0)
    with pytest.raises(ModelError, match=r"Sum: its scores have the shape \[3, 1, 6, 6\]"):
        faithfulness(Sum(), images, images, 0, steps=1, bs=3, score=lambda model, images, targets: images)
    with pytest.raises(ModelError, match=r"Sum: puts out no logits \[B,K\].*give targets"):
        faithfulness(Sum(), images, images, score=total)
    with pytest.raises(RecipeError, match=r"faithfulness\(ground='black'\)"):
        faithfulness(Sum(), images, images, 0, ground="black", score=total)


def test_maps_of_a_model_point_at_the_square_that_it_knows():
    """A network that sums one corner: its own gradient finds the corner, and beats random orders on every image."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2, bias=False))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].weight[1].view(8, 8)[:3, :3] = 1
    images = 0.5 + torch.rand(20, 1, 8, 8)
    maps = saliency_map(model, images, targets=1)
    found = faithfulness(model, images, maps, 1, steps=16, ground="zero")
    for curve in ("deletion", "insertion"):
        row = only(found, curve)
        assert row["gain_low"] > 0.05 and row["n"] == 20
