"""The pictures of the controls: what they draw is what the rows and curves say."""

import numpy as np
import pytest
import torch

from learnerkit.explain.consistency import consistency_of
from learnerkit.pages.controls import band, draw_agreement, draw_curves, draw_depths, two_places


def test_a_band_is_of_the_mean():
    values = np.random.default_rng(0).normal(3, 2, (200, 4)) * [0, 1, 1, 1]
    low, high = band(values)
    assert low[0] == high[0] == 0
    assert (high - low)[1:] == pytest.approx([2 * 1.96 * 2 / 200**0.5] * 3, rel=0.15)


def test_curves_are_drawn_beside_random_orders(tmp_path):
    fractions = np.linspace(0, 1, 5)
    by_chance = np.linspace(1, 0, 5) + np.arange(6)[:, None] / 10
    better, partly = by_chance - 0.2 * np.array([0, 1, 1, 1, 0]), by_chance.copy()
    partly[[1, 4]] = np.nan
    none = np.full((6, 5), np.nan)
    curves = {"random": by_chance, "better": better, "partly": partly, "none": none}
    figure = draw_curves(fractions, {"deletion": curves, "insertion": curves})
    assert len(figure.axes) == 2
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    assert list(lines) == ["random orders", "better", "partly (4 of 6 images)", "none (0 of 6 images)"]
    assert lines["better"] == pytest.approx(better.mean(0))
    assert lines["partly (4 of 6 images)"] == pytest.approx(by_chance.mean(0))  # its images are not the darker ones
    assert np.isnan(lines["none (0 of 6 images)"]).all()
    figure.savefig(tmp_path / "a.png")


def test_a_square_of_agreement(tmp_path):
    maps = torch.rand(8, 12, 12)
    rows = consistency_of({"one": maps, "two": 2 * maps, "no $map_": torch.zeros(8, 12, 12)})
    figure = draw_agreement(rows)
    said = [text.get_text() for text in figure.axes[0].texts]
    assert len(said) == 6 and sum(text.startswith("1.00") for text in said) == 2 and said.count("n/a\n(n/a)") == 4
    figure.savefig(tmp_path / "a.png")
    assert [two_places(value) for value in (-0.001, 0.004, -0.25)] == ["0.00", "0.00", "-0.25"]


def test_likeness_over_depths_begins_at_one(tmp_path):
    row = {"measure": "spearman", "mean": 0.4, "low": 0.3, "high": 0.5, "other_images": 0.2}
    rows = [{**row, "depth": 1}, {**row, "depth": 4, "mean": 0.1}, {**row, "depth": 4, "measure": "ssim"}]
    figure = draw_depths({"gradcam": rows, "other": rows})
    first, dotted, *_ = figure.axes[0].get_lines()
    assert first.get_xydata().tolist() == [[0, 1], [1, 0.4], [4, 0.1]]
    assert dotted.get_xydata().tolist() == [[1, 0.2], [4, 0.2]]
    figure.savefig(tmp_path / "a.png")
