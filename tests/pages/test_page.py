"""What a page is made of: the vendored files as they were released, data in scripts, line breaks."""

import hashlib
import re

from learnerkit.pages.page import HERE, Table, render

VENDOR = HERE / "vendor"


def test_vendored_files_are_the_released_ones():
    sums = dict(reversed(line.split()) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {file.name for file in VENDOR.iterdir()} - {"SHA256SUMS"}
    for name, expected in sums.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == expected, name
    assert "(v1.6.32)" in (VENDOR / "uPlot.iife.min.js").read_text()[:80]


def test_nothing_of_ours_closes_its_script_or_asks_for_a_file():
    for file in [*HERE.glob("*.js"), *HERE.glob("*.css")]:
        text = file.read_text()
        assert "</" not in text and not re.search(r"https?:|url\(|@import|innerHTML|eval\(", text), file.name


def test_a_page_without_curves_carries_no_library():
    page = render("sweep.html.j2", name="a\nb", said=["<i>"], trials=Table("T", ("a",), [("x\ty",)]))
    assert "uPlot" not in page and "&lt;i&gt;" in page and r"<h1>a\nb</h1>" in page
    assert '<th scope="col">a</th>' in page and r'<th scope="row">x\ty</th>' in page
    assert page.startswith("<!doctype html>")
