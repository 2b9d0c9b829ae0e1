"""Names in any script and with any sign: equal in tables, whole on pages, drawn or replaced in pictures."""

import csv
import html
import io
import os
import re
import sys

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
from matplotlib.text import Text
from PIL import Image

from learnerkit.all import ImageInterpretation, load_run
from learnerkit.classify.evaluate import write_predictions
from learnerkit.classify.metrics import report_text
from learnerkit.core.run_folder import RunFolder, csv_text
from learnerkit.core.text import one_line, valid_text
from learnerkit.core.warn import escape_unprintable
from learnerkit.detect.draw import with_boxes
from learnerkit.detect.files import write_detections
from learnerkit.pages import letters
from learnerkit.pages.confusion import draw_confusion
from learnerkit.pages.figure import new_figure
from learnerkit.pages.letters import drawable, in_one_font, plain_text
from learnerkit.pages.page import Table, json_text, render

BYTES = os.fsdecode(b"caf\xe9")
NAMES = [
    "中文猫",
    "قطة",
    "חתול",
    "बिल्ली",
    "😀 ok",
    "a$b$",
    "$\\frac{1}$",
    "<b>&amp;'\"",
    "line\nbreak",
    'comma, tab\tand; "quotes"',
    " nan",
    BYTES,
    "long " * 12,
]


def test_words_for_what_is_no_text():
    assert valid_text(f"{BYTES}\ud83d x") == r"caf\xE9\uD83D x" and valid_text("中\n") == "中\n"
    assert one_line("a\nb\tc\x07\x85\u2028") == r"a\nb\tc\x07\x85\u2028" and one_line("中 é") == "中 é"


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_valid_utf8_and_read_back_equal(tmp_path, name):
    path = tmp_path / "predictions.csv"
    write_predictions(path, np.array([name, "b"]), np.eye(2)[[0, 1]], [name, "other"])
    run = RunFolder(tmp_path)
    detections = torch.tensor([[1.0, 2, 3, 4, 0, 0.5]])
    read = [*csv.reader(path.read_bytes().decode("utf-8").splitlines(keepends=True))]
    assert read == [["ID", "Labels"], [valid_text(name), valid_text(name)], ["b", "other"]]
    write_detections(run, [name], [detections], [name, "other"])
    read = [*csv.reader(path.read_bytes().decode("utf-8").splitlines(keepends=True))]
    assert read[1][:2] == [valid_text(name), valid_text(name)] and len(read) == 2
    assert [*csv.reader(csv_text([{name: name}]).splitlines(keepends=True))] == [[valid_text(name)]] * 2
    text = report_text(np.array([0, 0]), np.array([0, 0]), [name, "other"])
    assert one_line(name) in text and len(text.splitlines()) == len(
        report_text([0, 0], [0, 0], ["a", "b"]).splitlines()
    )
    run.log(name)  # a log of any name
    assert valid_text(name) in (tmp_path / "training.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_pages_show_names_as_text(name):
    run = {"title": "", "device": {"name": name, "threads": 1}, "command": name, "classes": [name]}
    content = {"run": run, "run_json": json_text(run), "commands": [("", name)], "title": name, "status": {}}
    page = render("report.html.j2", name=name, tables=[Table("T", ("class",), [(name,)])], **content)
    heading, cell = (re.search(f"<{tag}>(.*?)</{tag[:2]}", page)[1] for tag in ("h1", 'th scope="row"'))
    assert html.unescape(heading) == html.unescape(cell) == one_line(name) and "<" not in cell
    assert page.encode("utf-8").count(b"<b>") == 0 and (not name.isalpha() or page.count(valid_text(name)) >= 4)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_draw_every_name(name):
    """Without a warning of a missing letter, which is an error here, and without a formula."""
    figure, axes = new_figure()
    axes.set_title(plain_text(name))
    axes.plot([0, 1], label=plain_text(name))
    axes.set_xticks([0, 1], [plain_text(name), plain_text(name, 12)], rotation=90)
    axes.legend()
    figure.savefig(os.devnull, format="png")
    draw_confusion(np.eye(2, dtype=int), [name, name], name).savefig(os.devnull, format="png")
    drawn = with_boxes(torch.zeros(3, 40, 60, dtype=torch.uint8), torch.tensor([[5.0, 5, 30, 30]]), [name])
    assert drawn.any() and "\n" not in plain_text(name) and len(drawable(name)) <= 40
    assert len(drawable(name, 12)) <= 12


def test_what_stands_for_a_letter_is_stated(monkeypatch):
    monkeypatch.setattr(letters, "font_with", lambda letter: letter.isascii() or letter == "…")
    assert drawable("中文 cat") == "U+4E2D+6587 cat" and plain_text("$5") == r"\$5"
    assert drawable("e\u0301\u200d") == "e"  # marks without a place of their own
    assert drawable("abcdefghij", 7) == "abc…hij" and drawable("中文" * 30, 20).endswith("+6587")


def test_a_font_of_the_machine_that_has_the_letters_is_used(tmp_path):
    file = one_letter_font(tmp_path / "han.ttf", "中")
    try:
        fontManager.addfont(file)
        letters._names.cache_clear(), letters.font_with.cache_clear()
        assert drawable("中文") == "中U+6587" and letters.fonts_for("中a") == ["DejaVu Sans", "Han Test"]
        assert in_one_font("中") == ("中", str(file)) and in_one_font("中a")[0] == "U+4E2Da"
        figure, axes = new_figure()
        axes.set_xticks([0, 1], [plain_text("中"), "plain"])
        figure.savefig(os.devnull, format="png")
        families = {text.get_text(): text.get_fontfamily() for text in figure.findobj(Text)}
        assert families["中"] == ["DejaVu Sans", "Han Test"] and "Han Test" not in families["plain"]
    finally:
        fontManager.ttflist = [font for font in fontManager.ttflist if font.fname != str(file)]
        letters._names.cache_clear(), letters.font_with.cache_clear()


def one_letter_font(file, letter):
    """A font whose one letter is a square."""
    pen = TTGlyphPen(None)
    for move, point in zip([pen.moveTo, *[pen.lineTo] * 3], [(0, 0), (0, 700), (700, 700), (700, 0)], strict=True):
        move(point)
    pen.closePath()
    glyphs = {".notdef": pen.glyph(), "square": pen.glyph()}
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(list(glyphs))
    font.setupCharacterMap({ord(letter): "square"})
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics({name: (800, 0) for name in glyphs})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Han Test", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, usWeightClass=400)
    font.setupPost()
    font.save(file)
    return file


def test_a_run_of_such_classes_and_files_goes_to_its_page(command, tmp_path):
    rng = np.random.default_rng(0)
    classes = ["中文猫", "قطة", "a$b$", "<b>'", "line\nbreak", "comma, tab\t", BYTES]
    for code, name in enumerate(classes):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) // 8 + 30 * code
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "set" / name / f"$x$, {number}\n中.png")
    place = tmp_path / "runs $a$ <i>"
    words = ["--size", "32", "--epochs", "1", "--bs", "16", "--tta", "0", "--limit-batches", "2", "--out", place]
    code, _, err = command("train", "digits", "--data", tmp_path / "set", *words, "--name", "run\n中 $b$")
    assert code == 0, err
    run = place / "run\n中 $b$"
    rows = [*csv.DictReader((run / "predictions.csv").read_bytes().decode("utf-8").splitlines(keepends=True))]
    assert {row["Labels"] for row in rows} <= {valid_text(name) for name in classes} and "\n中" in rows[0]["ID"]
    page = (run / "report.html").read_bytes().decode("utf-8")
    assert "<b>'" not in page and "&lt;b&gt;&#39;" in page and "中文猫" in page and r"caf\xE9" in page
    code, _, err = command("compare", place)
    assert code == 0, err
    learn = load_run(run)
    ImageInterpretation.from_learner(learn).plot_confusion_matrix()
    assert learn.dls.vocab == sorted(classes)


@pytest.mark.parametrize(("encoding", "name", "said"), [
    ("utf-8", BYTES, rb"caf\udce9"), ("ascii", "中", rb"\u4e2d"), ("latin-1", "é中", b"\xe9\\u4e2d"),
])  # fmt: skip
def test_a_terminal_that_cannot_print_a_name_gets_it_escaped(monkeypatch, encoding, name, said):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    escape_unprintable()
    print(name, flush=True)
    assert stream.buffer.getvalue() == said + b"\n"
