"""The documentation as a site: it builds without a warning, its links lead somewhere, it fits, its search finds."""

import json
import os
import re
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import learnerkit.all
from tests.pages.conftest import WIDTHS

ROOT = Path(__file__).parents[2]
SHOWN = (
    "index",
    "00_quick_start",
    "04_detection",
    "gallery",
    "api/index",
    "api/image_learner",
    "commands",
    "run_folder",
)
FIRST_FIVE = """address => [...document.querySelectorAll('.md-search-result__link')]
    .slice(0, 5).some(link => link.href.includes(address))"""
pytestmark = pytest.mark.slow


class Links(HTMLParser):
    """The anchors of a page, what it leads to, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.ids |= {said[key] for key in ("id", "name") if said.get(key)}
        if tag == "a" and said.get("href"):
            self.links.append(said["href"])
        elif tag in ("script", "img") and said.get("src"):
            self.loads.append(said["src"])
        elif tag == "link" and said.get("rel") != "canonical" and said.get("href"):
            self.loads.append(said["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    place = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(place)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def pages(site):
    return {path.relative_to(site).as_posix(): Links(path) for path in site.rglob("*.html") if path.name != "404.html"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *said):
        pass


@pytest.fixture(scope="module")
def address(site):
    """Of a server of the site on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site, pages):
    broken = []
    for name, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                assert link in page.links and parts.scheme in ("https", "http", "mailto"), f"{name} loads {link}"
                continue
            target = (site / name).parent.joinpath(unquote(parts.path)).resolve() if parts.path else site / name
            inside = target.relative_to(site.resolve()).as_posix() if target.is_relative_to(site.resolve()) else None
            anchor = unquote(parts.fragment)
            if inside is None or not target.exists():
                broken.append(f"{name}: {link}")
            elif anchor and inside in pages and anchor not in pages[inside].ids and anchor != "__skip":
                broken.append(f"{name}: {link}, no such anchor")
    assert not broken


def test_llms_txt_leads_to_pages(site):
    links = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text(encoding="utf-8"))
    assert len(links) > 10 and not [link for link in links if not (site / link).exists()]


def test_every_public_name_has_a_page_with_its_docstring_and_an_example(site):
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))["docs"]
    for name in learnerkit.all.__all__:
        text = (site / f"api/{name}.html").read_text(encoding="utf-8")
        own = getattr(learnerkit.all, name).__module__.startswith("learnerkit.")
        assert ("&gt;&gt;&gt;" if own else "docs.fast.ai") in text, name
        assert any(entry["location"].startswith(f"api/{name}.html") and name in entry["title"] for entry in index), name


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_fit_and_are_quiet(chromium, address, width):
    page = chromium.new_page(viewport={"width": width, "height": 900})
    said = []
    page.on("console", lambda line: said.append(line.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith((address, "data:")) else 0)
    for name in SHOWN:
        page.goto(f"{address}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert not said, name
    page.close()


def test_the_search_finds_every_public_name(chromium, address):
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{address}/index.html")
    page.click(".md-search__input")
    for name in learnerkit.all.__all__:
        page.fill(".md-search__input", name)
        page.press(".md-search__input", "End")  # it searches when a key is let go
        page.wait_for_function(FIRST_FIVE, arg=f"/api/{name}.html", timeout=20_000)
    page.close()
