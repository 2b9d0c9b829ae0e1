"""Tables of comparisons, and the ranking of a task that says nothing of its own."""

import pytest

from learnerkit.core.finished import Comparison, Finished
from learnerkit.pages.ranking import BY_MONITOR, Column


def test_a_cell_says_its_value_and_what_is_not_known():
    plain, pair = (
        Column("a", "A", "{:.1%}", brief="a", brief_form="{:.0%}"),
        Column(("a", "b"), "B", "{0[0]} to {0[1]}"),
    )
    assert plain.text({"a": 0.256}) == "25.6%" and plain.text({"a": 0.256}, brief=True) == "26%"
    assert plain.text({}) == "n/a" and Column("a", "A", optional=True).text({"a": None}) == ""
    assert pair.text({"a": 1, "b": 2}) == "1 to 2" and pair.text({"a": 1, "b": None}) == "n/a"


def run(label, seed, figure):
    described = {"monitor": "error", "mode": "min", "seed": seed}
    results = {"test_error": figure, "parameters": 5, "seconds": 1.0}
    return Finished(None, described, results, [], "test", 40, "s", label=label)


def test_a_task_without_a_ranking_of_its_own_is_ranked_by_its_monitor():
    variants = {"a": [run("a", 1, 4.0), run("a", 2, 6.0)], "b": [run("b", 1, 3.0)], "c": [run("c", 1, None)]}
    rows = BY_MONITOR.rows(variants)
    assert [row["variant"] for row in rows] == ["b", "a", "c"]  # less is better, unknown is last
    assert rows[0].get("difference") is None and rows[1]["difference"] == pytest.approx(2) and rows[2]["figure"] is None
    assert rows[1]["std"] == pytest.approx(2**0.5) and rows[1]["seeds"] == "1 2"
    said = BY_MONITOR.verdict(Comparison(None, "x", [run("b", 1, 3.0)], [], rows))
    assert said.startswith(
        "Best on test: b (test 3.0000 on 40 test samples; without a figure on valid the choice favours"
    )
    assert "error, less is better" in said and "does not say" in said


@pytest.mark.parametrize(("mode", "first"), [("min", "steady"), ("max", "lucky")])
def test_the_monitored_figure_on_valid_chooses(mode, first):
    steady, lucky = run("steady", 1, 5.0), run("lucky", 1, 3.0)
    for one, valid in ((steady, 2.0), (lucky, 4.0)):
        one.described |= {"mode": mode, "monitor": "valid_error"}
        one.results["valid_error"] = valid
    rows = BY_MONITOR.rows({"lucky": [lucky], "steady": [steady]})
    assert rows[0]["variant"] == first and [row["place"] for row in rows] == [1, 2]
    assert rows[1]["difference"] == pytest.approx(-2)  # on test the other is ahead
    said = BY_MONITOR.verdict(Comparison(None, "x", [steady, lucky], [], rows))
    shown = {"steady": "valid 2.0000, test 5.0000", "lucky": "valid 4.0000, test 3.0000"}[first]
    assert said.startswith(f"Best on valid: {first} ({shown} on 40 test samples)")
