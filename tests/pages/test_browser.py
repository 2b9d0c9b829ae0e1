"""The pages in a browser: quiet, without a network, usable by keys, in both themes and widths, clean for axe."""

import json

import numpy as np
import pytest

from learnerkit.core.files import atomic_write, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.pages.blocks import Matrix
from learnerkit.pages.page import Table, render
from learnerkit.pages.shown_blocks import shown_blocks
from learnerkit.runs.compare import compare_runs, write_comparison
from learnerkit.runs.data_report import write_data_report
from learnerkit.runs.doctor import examine
from learnerkit.runs.report import write_report
from tests.images import write_folder
from tests.pages.conftest import THEMES, WIDTHS
from tests.pages.contents import blocks_of, with_blocks
from tests.runs.fake import fake_run

NAMES = ["cat", "dog", "</script><b>", "eel"]
KINDS = ("report", "comparison", "data", "sweep")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """One page of each kind, by name."""
    root = tmp_path_factory.mktemp("pages")
    for seed in (1, 2):
        for mode, accuracy in (("add", 0.9), ("max", 0.8)):
            run = fake_run(root / "runs", f"{mode}{seed}", mode, seed, accuracy, epochs=12, parameters=1000)
            write_json(run.file("class_names.json"), ["a", "b"])
    data = write_folder(root / "set", n=6)
    trials = Table("Trials", ("trial", "state", "accuracy"), [("a", "done", "0.9"), ("b", "failed", "")])
    sweep = {"said": ["2 trials."], "failed": ["b: of want of memory"], "marked": ["a: other threads"]}
    with pytest.MonkeyPatch.context() as patch:
        with_blocks(patch, blocks_of(NAMES))
        report = write_report(RunFolder.open(root / "runs" / "add1"))
    return {
        "report": report,
        "comparison": write_comparison(compare_runs(root / "runs"), root),
        "data": write_data_report(examine(data, "refuse"), root / "looked")[2],
        "sweep": atomic_write(root / "summary.html", render("sweep.html.j2", name="sweep", trials=trials, **sweep)),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_quiet_fits_and_has_no_fault_of_axe(opened, pages, kind):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width in WIDTHS:
        for theme in THEMES:
            with opened(pages[kind], width, theme) as page:
                faults = axe.run(page).response["violations"]
                assert not faults, json.dumps(faults, indent=1)[:3000]
                assert page.locator("h1").count() == page.locator("main").count() == 1
                assert page.locator("img:not([alt])").count() == 0
                assert page.locator(".contents").is_visible() == (width == 1400 and kind != "sweep")


def test_the_theme_is_the_systems_until_the_button_is_pressed(opened, pages):
    paper = "getComputedStyle(document.body).backgroundColor"
    with opened(pages["report"], theme="dark") as page:
        dark = page.evaluate(paper)
        page.get_by_role("button", name="Light theme").press("Enter")
        light = page.evaluate(paper)
        assert light == "rgb(255, 255, 255)" != dark
        page.reload()
        assert page.evaluate(paper) == light
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator(".fallback").first.is_visible() and not page.locator(".theme").is_visible()
    with opened(pages["report"], theme="dark") as page:
        assert page.evaluate(paper) == dark  # another context has stored nothing


def test_a_refused_storage_and_no_script_leave_a_page(opened, pages, chromium):
    with opened(pages["report"]) as page:
        page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })")
        page.reload()
        page.get_by_role("button", name="Dark theme").click()
        assert page.locator("html").get_attribute("data-theme") == "dark" and page.locator(".u-wrap").count()
    with opened(pages["report"], java_script_enabled=False) as page:
        assert page.locator(".fallback").first.is_visible() and not page.locator(".chart").first.is_visible()
        assert page.locator(".cards li").count() == page.locator(".cards li:visible").count() == 80


def test_tables_sort_figures_as_figures_and_the_unknown_last(opened, tmp_path):
    rows = [("b", "9.00%"), ("a", "n/a"), ("c", "10.00% +- 1.00%"), ("d", "-1,000.5% to 3%")]
    page_text = render("sweep.html.j2", name="s", said=[], trials=Table("T", ("name", "figure"), rows))
    with opened(atomic_write(tmp_path / "a.html", page_text)) as page:
        head = page.locator("thead th").nth(1)
        names = page.locator("tbody th")
        head.get_by_role("button").press("Enter")
        assert head.get_attribute("aria-sort") == "ascending" and names.all_inner_texts() == ["d", "b", "c", "a"]
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "descending" and names.all_inner_texts() == ["c", "b", "d", "a"]
        page.locator("thead button").first.click()
        assert head.get_attribute("aria-sort") is None and names.all_inner_texts() == ["a", "b", "c", "d"]


def test_a_gallery_is_filtered_and_turned_page_by_page(opened, pages):
    with opened(pages["report"]) as page:
        gallery, shown = page.locator(".gallery"), page.locator(".gallery .cards > li:visible")
        assert shown.count() == 24 and gallery.locator("output").inner_text() == "24 of 80 shown"
        for count in (48, 72, 80):
            gallery.get_by_role("button", name="Show more").click()
            assert shown.count() == count
        assert not gallery.locator(".more").is_visible()
        gallery.get_by_label("true class").select_option("</script><b>")
        assert shown.count() == 20 and gallery.locator("output").inner_text() == "20 of 20 fitting of 80 shown"
        gallery.get_by_label("result").select_option("wrong")
        assert set(gallery.locator(".mark:visible").all_inner_texts()) == {"✗ wrong"}
        gallery.get_by_label("order").select_option("surest first")
        gallery.get_by_label("confidence from").fill("50")
        sure = [float(card.get_attribute("data-confidence")) for card in shown.all()]
        assert sure == sorted(sure, reverse=True) and 0 < len(sure) < 20 and min(sure) >= 0.5
        gallery.get_by_label("confidence from").fill("100")
        assert gallery.locator("output").inner_text() == "none fits"


def test_a_cell_of_a_matrix_leads_to_its_cards(opened, pages):
    """Sample k of 80 has class k % 4 and was found as k // 2 % 4: no cat was found as a dog."""
    wanted = [f"sample {k}" for k in range(80) if NAMES[k % 4] == "cat" and NAMES[k // 2 % 4] == "</script><b>"]
    assert wanted[:2] == ["sample 4", "sample 12"]
    with opened(pages["report"]) as page:
        cells, drawer = page.locator(".matrix td"), page.locator(".matrix .drawer")
        cells.nth(0).focus()
        for key in ("ArrowRight", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        assert (
            "predicted </script><b>: 5 of 20 (25.0 % of the row, 25.0 % of the column)"
            in page.locator(".hint").inner_text()
        )
        assert drawer.locator("li .soft").all_inner_texts() == wanted
        cells.nth(1).click()
        assert "None of these 5 is among the samples" in drawer.inner_text() and not drawer.locator("li").count()
        cells.nth(12).click()
        assert "There is none." in drawer.inner_text()
        page.get_by_label("share of the row").check()
        assert cells.nth(0).inner_text() == "25" and cells.nth(13).inner_text() == "33"


def test_every_shade_of_a_matrix_can_be_read(opened, tmp_path):
    """Twenty cells of shares from 5 % to all of their row: the ink changes where the contrast would fail."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    names = [str(k) for k in range(20)]
    counts = np.diag(np.arange(1, 21))
    counts[:, 0] += 20 - np.arange(1, 21)
    blocks = shown_blocks([Matrix("M", counts, names, names)])
    run = {"run": {}, "status": {}, "title": "M", "name": "m", "blocks": blocks}
    file = atomic_write(tmp_path / "a.html", render("report.html.j2", **run))
    for theme in THEMES:
        with opened(file, theme=theme) as page:
            assert page.locator(".matrix td.full").count() and page.locator(".matrix td.strong").count()
            faults = axe.run(page).response["violations"]
            assert not faults, json.dumps(faults, indent=1)[:3000]


def test_axe_sees_what_is_wrong(opened, tmp_path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    file = atomic_write(
        tmp_path / "a.html", "<html><body><img src='data:,'><p style='color:#999'>pale</p></body></html>"
    )
    with opened(file) as page:
        assert {"image-alt", "color-contrast", "html-has-lang"} <= {
            fault["id"] for fault in axe.run(page).response["violations"]
        }


def test_a_curve_is_read_by_keys_and_switched_in_its_legend(opened, pages):
    with opened(pages["report"]) as page:
        chart = page.locator("figure.chart").first
        line = chart.get_by_role("button", name="train loss")
        chart.locator(".plot").press("End")
        assert chart.locator("output").inner_text() == "epoch 12" and line.locator("b").inner_text() != ""
        line.press("Enter")
        assert line.get_attribute("aria-pressed") == "false"
