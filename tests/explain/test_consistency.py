"""How alike maps are: by hand, against scipy and torchmetrics, and what counts as a pair."""

import functools

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure

from learnerkit.all import DataError, RecipeError, create_model, explanation_consistency, gradcam, saliency_map
from learnerkit.core.run_folder import csv_text
from learnerkit.core.statistics import mean_interval, paired_interval
from learnerkit.explain.consistency import consistency_of, variant_maps
from learnerkit.explain.maps import at_size, pixel_maps, says_something
from learnerkit.explain.measures import MEASURES, compare_maps, overlap, spearman, ssim


def as_maps(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_a_map_is_the_sum_of_magnitudes_over_the_channels():
    maps = torch.tensor([[[[1.0, -2.0]], [[0.0, 3.0]], [[-4.0, 0.5]]]])
    assert pixel_maps(maps).tolist() == [[[5.0, 5.5]]]
    assert pixel_maps(-maps[:, 0]).tolist() == [[[1.0, 2.0]]]  # [N,H,W]: one channel
    assert pixel_maps(maps.to(torch.bfloat16)).dtype == torch.float32


def test_what_is_no_map_is_refused():
    with pytest.raises(DataError, match=r"maps of shape \(4, 4\)"):
        pixel_maps(torch.rand(4, 4))
    with pytest.raises(DataError, match="maps of shape"):
        pixel_maps(torch.rand(0, 4, 4))
    broken = torch.rand(5, 1, 4, 4)
    broken[[1, 3], 0, 2, 2] = torch.tensor([float("nan"), float("inf")])
    with pytest.raises(DataError, match=r"image\(s\) 1, 3 of 5 have values that are not finite"):
        pixel_maps(broken)


def test_maps_shrink_by_means_and_grow_bilinearly():
    maps = torch.arange(16.0).view(1, 4, 4)
    assert at_size(maps, (2, 2)).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    grown = nn.functional.interpolate(maps[:, None], (8, 6), mode="bilinear", align_corners=False)[:, 0]
    assert torch.equal(at_size(maps, (8, 6)), grown) and at_size(maps, (4, 4)) is not None
    assert at_size(maps, (2, 8)).shape == (1, 2, 8)  # one axis each


def test_a_map_of_one_value_says_nothing_at_any_scale():
    maps = torch.stack([torch.zeros(6, 6), torch.full((6, 6), 3e-30), torch.full((6, 6), 0.1), torch.eye(6) * 1e-30])
    assert says_something(maps).tolist() == [False, False, False, True]
    assert says_something(at_size(maps, (5, 7))).tolist() == [False, False, False, True]  # rounding says nothing


def test_rank_correlation_by_hand_and_as_scipy_has_it():
    first, second = np.array([[1.0, 2, 3, 4]]), np.array([[1.0, 2, 4, 3]])
    assert spearman(first, second)[0] == pytest.approx(1 - 6 * 2 / (4 * 15))
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (6, 40)).astype(float), rng.integers(0, 9, (6, 40)).astype(float)  # many ties
    assert spearman(first, second) == pytest.approx([spearmanr(a, b)[0] for a, b in zip(first, second, strict=True)])


@pytest.mark.parametrize("shape", [(32, 32), (11, 40), (9, 9), (7, 8), (6, 6), (4, 5), (3, 3)])
def test_ssim_is_that_of_torchmetrics_where_its_window_lies_within(shape):
    first = torch.rand(4, *shape, dtype=torch.float64)
    second = (first + torch.rand(4, *shape, dtype=torch.float64)) / 3
    to_one = [
        (each - each.amin((1, 2), True)) / (each.amax((1, 2), True) - each.amin((1, 2), True))
        for each in (first, second)
    ]
    side = (min(11, *shape) + 1) // 2 * 2 - 1
    _, places = structural_similarity_index_measure(
        *(each[:, None] for each in to_one), sigma=1.5 * side / 11, data_range=1.0, return_full_image=True
    )
    edge = side // 2
    expected = places[:, 0, edge : shape[0] - edge, edge : shape[1] - edge].mean((1, 2))
    assert torch.allclose(ssim(first, second), expected, atol=1e-9)


def test_ssim_of_what_no_window_fits_on_is_na():
    assert ssim(torch.rand(2, 2, 9), torch.rand(2, 2, 9)).isnan().all()


def test_overlap_by_hand():
    ramp = np.arange(10.0)[None]
    assert overlap(ramp, ramp, 0.2) == 1 and overlap(ramp, -ramp, 0.2) == 0
    assert overlap(ramp, np.array([[9.0, 0, 0, 0, 0, 0, 0, 0, 1, 8]]), 0.3) == pytest.approx(2 / 3)  # tops 789 and 089
    # three share the two places of the top: each is two thirds in it
    tied, other = np.array([[0, 0, 0, 0, 0, 0, 0, 5, 5, 5.0]]), np.array([[0, 0, 0, 0, 0, 0, 1, 0, 0, 9.0]])
    assert overlap(tied, ramp, 0.2) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert overlap(tied, other, 0.2) == pytest.approx(2 / 3 / 2)
    assert overlap(tied, tied, 0.2) == pytest.approx(1)
    # less than a fifth stands above the ground: the rest of the top would be made up
    assert np.isnan(overlap(ramp, np.array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 9.0]]), 0.2))


def test_overlap_by_chance_is_the_share_whatever_the_order_of_the_pixels():
    rng = np.random.default_rng(0)
    first, second = rng.random((400, 100)), rng.integers(0, 8, (400, 100)).astype(float)
    mean, low, high = mean_interval(overlap(first, second, 0.2))
    assert low < 0.2 < high and mean == pytest.approx(0.2, abs=0.01)
    turned = overlap(first[:, ::-1], second[:, ::-1], 0.2)
    assert turned == pytest.approx(overlap(first, second, 0.2))


def test_a_map_with_itself_is_1_and_with_noise_about_chance():
    maps, others = torch.rand(60, 1, 16, 16), torch.rand(60, 3, 16, 16)
    same, other = compare_maps(maps, maps), compare_maps(maps, others)
    assert all(same[name] == pytest.approx(np.ones(60)) for name in MEASURES)
    assert abs(other["spearman"].mean()) < 0.03 and other["overlap"].mean() == pytest.approx(0.2, abs=0.03)
    scaled = compare_maps(maps, 7 * maps + 2)  # scale and offset are no matter of where a model looked
    assert all(scaled[name] == pytest.approx(np.ones(60), abs=1e-4) for name in MEASURES)


def test_two_sizes_are_compared_at_the_smaller():
    small = torch.rand(3, 8, 8)
    large = small.repeat_interleave(4, 1).repeat_interleave(4, 2)
    for first, second in ((small, large), (large, small)):
        found = compare_maps(first, second)
        assert all(found[name] == pytest.approx(np.ones(3)) for name in MEASURES)


def test_what_says_nothing_is_na_and_counted():
    maps = torch.rand(4, 12, 12)
    other = maps.clone()
    other[1], other[2] = 0, 0.5
    found = compare_maps(maps, other)
    for name in MEASURES:
        assert np.isnan(found[name]).tolist() == [False, True, True, False]
    rows = consistency_of({"a": maps, "b": other})
    assert [(row["n"], row["n_na"], row["mean"]) for row in rows] == [(2, 2, pytest.approx(1))] * 3
    with pytest.warns(UserWarning, match="no image has two maps that say something"):
        rows = consistency_of({"a": maps, "b": torch.zeros(4, 12, 12)})
    assert all(np.isnan(row["mean"]) and (row["n"], row["n_na"]) == (0, 4) for row in rows)


def test_rows_are_of_every_pair_at_one_size_with_intervals():
    base = torch.rand(20, 1, 16, 16)
    maps = {"a": base, "b": base + 0.3 * torch.rand(20, 1, 16, 16), "c": torch.rand(20, 1, 9, 20)}
    rows = consistency_of(maps, level=0.9)
    assert [(row["first"], row["second"]) for row in rows[::3]] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [row["measure"] for row in rows[:3]] == list(MEASURES)
    for row in rows:
        assert row["low"] <= row["mean"] <= row["high"] and row["n"] == 20 and row["n_na"] == 0
    at_least = {name: at_size(pixel_maps(each), (9, 16)) for name, each in maps.items()}
    values = compare_maps(at_least["a"], at_least["b"])["spearman"]  # not at their own 16x16
    assert rows[0]["mean"] == pytest.approx(values.mean())
    assert (rows[0]["low"], rows[0]["high"]) == pytest.approx(paired_interval(values, np.zeros(20), level=0.9)[1:])
    others = compare_maps(at_least["a"], at_least["b"].roll(1, 0))["spearman"]
    assert rows[0]["other_images"] == pytest.approx(others.mean()) and abs(rows[0]["other_images"]) < 0.2
    assert rows[0]["excess"] == pytest.approx(rows[0]["mean"] - rows[0]["other_images"])
    assert 0 < rows[0]["excess_low"] < rows[0]["excess"] < rows[0]["excess_high"]
    assert abs(rows[3]["excess"]) < 0.1  # a and c have nothing in common
    keys = "first,second,measure,mean,low,high,other_images,excess,excess_low,excess_high,n,n_na"
    assert csv_text(rows).splitlines()[0] == keys


def test_images_of_one_group_are_drawn_together():
    maps = {"a": torch.rand(8, 12, 12), "b": torch.rand(8, 12, 12)}
    values = compare_maps(maps["a"], maps["b"])["spearman"]
    groups = list("aabbccdd")
    (row, *_) = consistency_of(maps, groups=groups)
    assert (row["low"], row["high"]) == pytest.approx(mean_interval(values, groups)[1:])
    assert (row["low"], row["high"]) != pytest.approx(mean_interval(values)[1:])
    others = compare_maps(maps["a"], maps["b"].roll(1, 0))["spearman"]
    (row, *_) = consistency_of(maps, groups=groups)  # an image of the same group is no other image
    assert row["other_images"] == pytest.approx(others[::2].mean())
    (row, *_) = consistency_of({name: each[:1] for name, each in maps.items()})
    assert row["n"] == 1 and np.isnan([row[key] for key in ("low", "high", "other_images", "excess")]).all()


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    return {name: create_model("tiny_cnn", 3, 4, width=4).eval() for name in ("one", "two")}


def test_variants_are_named_by_what_they_do_not_share(models):
    images, large = torch.rand(3, 3, 16, 16), torch.rand(3, 3, 24, 24)
    assert list(variant_maps(models, images)) == ["one", "two"]
    assert list(variant_maps(models["one"], {16: images, 24: large})) == ["16 px", "24 px"]
    assert list(variant_maps(models["one"], images, [gradcam, saliency_map])) == ["gradcam", "saliency_map"]
    early = functools.partial(gradcam, layer="early")
    found = variant_maps(models["one"], {"16": images, "24": large}, {"early": early, "late": gradcam})
    assert list(found) == ["16, early", "16, late", "24, early", "24, late"]
    assert found["24, late"].shape == (3, 24, 24)
    with pytest.raises(DataError, match=r"methods: 2 of which some have one name \(gradcam\)"):
        variant_maps(models["one"], images, [gradcam, gradcam])


def test_models_and_images_of_the_same_names_go_together(models):
    images = {"one": torch.rand(3, 3, 16, 16), "two": torch.rand(3, 3, 24, 24)}
    found = variant_maps(models, images, saliency_map, targets=[0, 1, 2])
    assert list(found) == ["one", "two"] and found["two"].shape == (3, 24, 24)
    own = saliency_map(models["two"], images["two"], targets=[0, 1, 2])
    assert torch.allclose(found["two"], pixel_maps(own))
    by_size = ({size: each} for size, each in zip((16, 24), models.values(), strict=True))
    (first, second), pictures = by_size, {16: images["one"], 24: images["two"]}
    assert list(variant_maps(first | second, pictures, saliency_map)) == ["16 px", "24 px"]


def test_all_variants_explain_the_class_that_the_first_model_tells(models):
    images, seen = torch.rand(5, 3, 16, 16), []

    def noting(model, images, targets=None):
        seen.append(targets.tolist())
        return saliency_map(model, images, targets=targets)

    explanation_consistency(models, images, {"a": noting}, bs=2)
    told = models["one"](images).argmax(1).tolist()
    assert seen == [told[:2], told[2:4], told[4:]] * 2
    said = explanation_consistency(models, images, saliency_map, targets=told)
    found = explanation_consistency(models, images, saliency_map)
    assert [row["mean"] for row in found] == [row["mean"] for row in said]


@pytest.mark.parametrize("targets", [[0, 1, 2, 3, 0], np.array([0, 1, 2, 3, 0]), torch.tensor([0, 1, 2, 3, 0]), 2])
def test_targets_in_any_form_are_cut_with_the_images(models, targets):
    images = torch.rand(5, 3, 16, 16)
    rows = explanation_consistency(models, images, saliency_map, targets, bs=2)
    whole = {name: saliency_map(model, images, targets=targets) for name, model in models.items()}
    assert [row["mean"] for row in rows] == pytest.approx([row["mean"] for row in consistency_of(whole)], abs=1e-6)


def test_a_model_that_ignores_its_input_is_na(models):
    class Deaf(nn.Module):
        def forward(self, images):
            return 0 * images.mean((2, 3)) + torch.tensor([1.0, 0.0, 0.0])

    images = torch.rand(3, 3, 12, 12)
    with pytest.warns(UserWarning, match="no image has two maps that say something: all of 3 is n/a"):
        rows = explanation_consistency({"deaf": Deaf(), "one": models["one"]}, images, saliency_map)
    assert {(row["n"], row["n_na"]) for row in rows} == {(0, 3)}


def test_what_cannot_be_compared_is_refused(models):
    images = torch.rand(3, 3, 16, 16)
    with pytest.raises(DataError, match=r"1 variant\(s\) of maps \(gradcam\).*give several models, resolutions"):
        explanation_consistency(models["one"], images)
    with pytest.raises(DataError, match=r"numbers of maps differ \(a: 3, b: 2\)"):
        consistency_of({"a": torch.rand(3, 4, 4), "b": torch.rand(2, 4, 4)})
    with pytest.raises(DataError, match="groups: 2 for 3 images"):
        explanation_consistency(models, images, groups=[0, 1])
    with pytest.raises(DataError, match="3 and 2 maps"):
        compare_maps(torch.rand(3, 4, 4), torch.rand(2, 4, 4))
    with pytest.raises(DataError, match="each resolution has the same images"):
        explanation_consistency(models["one"], {16: images, 24: torch.rand(2, 3, 24, 24)})
    with pytest.raises(DataError, match="each resolution has the same images"):
        explanation_consistency(models, images[:0])
    with pytest.raises(DataError, match=r"a method gave 1 map\(s\) of 3 images"):
        explanation_consistency(models, images, lambda model, images, targets=None: images[:1])
    with pytest.raises(RecipeError, match=r"share=1\.5"):
        explanation_consistency(models, images, share=1.5)
