"""A browser for the pages, one for all tests, and what is expected of every page that is opened in it."""

import os
import shutil
from contextlib import contextmanager

import pytest

WIDTHS, THEMES = (1400, 390), ("light", "dark")


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, once a session; skipped where it is absent, a failure in CI."""
    sync_api, place = pytest.importorskip("playwright.sync_api"), shutil.which("chromium")
    if place is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no chromium: apt-get install chromium")
        pytest.skip("there is no chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """A function that opens a file, of a width and theme; at its end nothing was logged and nothing asked for."""

    @contextmanager
    def at(file, width=1400, theme="light", **settings):
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=theme, **settings)
        said = []
        page.on("console", lambda line: said.append(line.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else 0)
        try:
            page.goto(f"file://{file}")
            yield page
            assert not said and page.evaluate("document.documentElement.scrollWidth") <= width
        finally:
            page.close()

    return at
