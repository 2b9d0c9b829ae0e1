"""The page of a difference: what it shows, and that it is fit for a browser."""

import json

import numpy as np
import pytest

from learnerkit.core.tensors import read_npz, write_npz
from learnerkit.runs.diff import diff_runs
from learnerkit.runs.diff_page import write_diff
from tests.pages.conftest import THEMES, WIDTHS
from tests.runs.differing import changed_json, kept


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Of two runs of which B predicts the next class, after other losses, with a name that is no HTML."""
    root = tmp_path_factory.mktemp("differing")
    first, second = kept(root, "first"), kept(root, "<b>second</b>")
    arrays = read_npz(second.file("predictions.npz"))
    write_npz(
        second.file("predictions.npz"), **{**arrays, "probabilities": np.roll(arrays["probabilities"], 1, axis=1)}
    )
    lines = second.file("batch_metrics.csv").read_text().splitlines(keepends=True)
    lines[9] = lines[9].replace(lines[9].split(",")[2], "9.5")
    second.file("batch_metrics.csv").write_text("".join(lines))
    described = json.loads(second.file("run.json").read_text())
    changed_json(second, versions={**described["versions"], "torch": "9"}, seed=5)
    return write_diff(diff_runs(first.path, second.path, samples=6), root / "told")


def test_the_page_says_what_the_command_says(page):
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;second&lt;/b&gt;" in text and "<b>second</b>" not in text
    assert "One setting differs, A -&gt; B: seed 1 -&gt; 5." in text and "step 9 of epoch 2" in text
    titles = (
        "Settings that differ",
        "Figures",
        "A right, B wrong (valid)",
        "Recall of each class (valid)",
        "Environment",
    )
    places = [text.index(f">{title}<") for title in titles]
    assert places == sorted(places) and "history contradicts itself" in text
    cards = text.split('<ul class="cards">')[1].split("</ul>")[0]
    assert cards.count("<li") == 6 and "true: " in cards and "A: " in cards and "B: " in cards
    assert '"best":9' in text and "where the losses part" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_quiet_fits_and_has_no_fault_of_axe(opened, page, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for theme in THEMES:
        with opened(page, width, theme) as shown:
            assert not axe.run(shown).response["violations"]
            assert shown.locator(".chart .plot").count() == 5 and shown.locator(".cards li").count() == 7
            shown.emulate_media(media="print")
            assert shown.locator(".fallback").is_visible() and not shown.locator(".charts").is_visible()
