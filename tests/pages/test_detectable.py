"""What a comparison says it can show: by hand, and where there is nothing to show."""

import pytest

from learnerkit.core.finished import Comparison, Finished
from learnerkit.core.power import pooled_std, seeds_needed, shown_by_samples, shown_by_seeds
from learnerkit.pages.detectable import Measure, detectable, detectable_text, rough

TOLD, NOT_TOLD = Measure("figure", "std", lambda first, row: 1), Measure("figure", "std", lambda first, row: 0)
UNTESTED = Measure("figure", "std")


def row(name, figure, n=3, std=0.01, **others):
    return {"variant": name, "n": n, "figure": figure, "std": std if n > 1 else None, **others}


def text_of(rows, measure=NOT_TOLD, samples=400):
    comparison = Comparison(None, "x", [Finished(None, {}, {}, [], "test", samples, "s")], [], rows)
    return detectable_text(detectable(rows, measure, samples), comparison, "{:.4f}".format)


def test_what_three_variants_of_three_seeds_can_show():
    rows = [row("a", 0.9), row("b", 0.89, std=0.02, difference_se=0.012), row("c", 0.7, std=0.03, difference_se=0.02)]
    facts = detectable(rows, NOT_TOLD, 400)
    std = pooled_std([0.01, 0.02, 0.03], [3, 3, 3])
    assert (facts["first"], facts["next"], facts["compared"], facts["seeds"]) == ("a", "b", 2, (3, 3))
    assert facts["difference"] == pytest.approx(0.01) and facts["std"] == pytest.approx(std)
    least = shown_by_samples(0.012, 0.025)
    assert facts["by_samples"] == pytest.approx(least)
    assert facts["samples_needed"] == rough(400 * (least / 0.01) ** 2)
    assert facts["by_seeds"] == pytest.approx(shown_by_seeds(std, 3, 3, 0.025))
    assert facts["seeds_needed"] == seeds_needed(0.01 / std, 0.025)
    samples, seeds = text_of(rows)
    assert samples.startswith(
        f"a against b, on other samples: 400 test samples can show a difference of {least:.4f} (80 %"
    )
    assert "two-sided at 5 %, corrected for 2 comparisons); found 0.0100, cannot tell: needs about" in samples
    assert f"cannot tell: needs about {facts['seeds_needed']} seeds of each" in seeds and "3 and 3 seeds" in seeds


def test_without_a_test_nothing_is_corrected():
    facts = detectable([row("a", 3.0), row("b", 2.0), row("c", 1.0)], UNTESTED, 40)
    assert facts["compared"] == 1 and facts["by_samples"] is None and facts["by_seeds"] < 0.05
    (seeds,) = text_of([row("a", 3.0), row("b", 2.0), row("c", 1.0)], UNTESTED)
    assert "corrected" not in seeds and seeds.endswith("found 1.0000")


def test_what_a_test_tells_apart_is_not_called_unknown():
    """Significant, and yet below what would be found eight times of ten."""
    rows = [row("a", 0.9), row("b", 0.87, difference_se=0.012)]
    assert detectable(rows, TOLD, 400)["samples_needed"] is None and text_of(rows, TOLD)[0].endswith(", told apart")
    assert detectable(rows, NOT_TOLD, 400)["samples_needed"] > 400 and "cannot tell" in text_of(rows)[0]


def test_a_run_each_says_nothing_of_seeds():
    _, seeds = text_of([row("a", 0.9, n=1), row("b", 0.8, n=1, difference_se=0.01)])
    assert seeds == (
        "a against b, with other seeds: the spread over seeds is unknown with 1 and 1 run; at least 3 seeds of each "
        "are needed"
    )
    others = [row("a", 0.9, n=1), row("b", 0.8, n=1, difference_se=0.01), row("c", 0.7, n=5, difference_se=0.01)]
    assert detectable(others, NOT_TOLD, 400)["by_seeds"] is None and "unknown" in text_of(others)[1]
    one_more = detectable([row("a", 0.9, n=2), row("b", 0.8, n=1)], NOT_TOLD, 400)
    assert one_more["by_seeds"] == pytest.approx(0.01 * 20.005, rel=1e-3) and one_more["seeds_needed"] == 2


def test_more_than_can_be_trained():
    rows = [row("a", 0.9), row("b", 0.8999, difference_se=0.02)]
    facts = detectable(rows, NOT_TOLD, 400)
    assert facts["seeds_needed"] == facts["samples_needed"] == float("inf")
    samples, seeds = text_of(rows)
    assert "needs more than 1,000,000 samples" in samples and "needs more than 1,000 seeds of each" in seeds


def test_equal_figures():
    rows = [row("a", 0.9), row("b", 0.9, difference_se=0.02)]
    assert text_of(rows) == ["a against b: their figures are equal, there is no difference to show"]
    assert detectable(rows, NOT_TOLD, 400)["seeds_needed"] == float("inf")
    alike = [row("a", 0.9, std=0.0), row("b", 0.9, std=0.0, difference_se=0.0)]
    assert text_of(alike)[1].endswith("the runs of each variant have equal figures, their seeds change nothing")
    always = [row("a", 0.9, std=0.0), row("b", 0.8, std=0.0, difference_se=0.0)]
    assert text_of(always, TOLD)[0] == "a against b: every sample says the same of both"


def test_no_two_to_compare():
    assert detectable([row("a", 0.9)], NOT_TOLD, 400) == {} == detectable([], NOT_TOLD, 400)
    assert detectable([row("a", None), row("b", 0.9)], NOT_TOLD, 400) == {} and text_of([row("a", 0.9)]) == []


def test_an_estimate_has_two_digits_and_is_never_too_low():
    assert [rough(number) for number in (7.2, 41, 504, 510.0, 9990, 12345)] == [8, 41, 510, 510, 10000, 13000]
