"""mkdocs' hooks: the pages that are made from the package and from files outside of nbs/."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from texts import STAGES, api_index, api_page, commands_page, example_pages, gallery_page, recipes_page

ROOT = Path(__file__).parents[1]
# files that are pages of the site under another name
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/RESULTS.md": "results.md",
    "benchmarks/RELIABILITY.md": "reliability.md",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the examples and of the public names into the navigation."""
    gallery = ["gallery.md", *({name: f"examples/{name}.md"} for name in example_pages())]
    api = [{"All names": "api/index.md"}]
    api += [
        {stage: [{name: f"api/{name}.md"} for name in sorted(names, key=str.lower)]} for stage, names in STAGES.items()
    ]
    made = {"Gallery": gallery, "API": api}
    config.nav = [{title: made.get(title, pages) for title, pages in entry.items()} for entry in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file of nbs/ holds."""

    def add(name: str, content: str | bytes) -> None:
        files.append(File.generated(config, name, content=content))

    for source, name in ELSEWHERE.items():
        add(name, relinked(read(ROOT / source)))
    for names in STAGES.values():
        for name in names:
            add(f"api/{name}.md", api_page(name))
    add("api/index.md", api_index())
    files.remove(files.get_file_from_path("llms.txt"))
    links = re.compile(r"\]\((\w+)\.(?:ipynb|md)\)")  # this file is no page: its links are not made right by mkdocs
    add("llms.txt", links.sub(r"](\1.html)", read(ROOT / "nbs/llms.txt")))
    add("recipes.md", recipes_page())
    add("commands.md", commands_page())
    add("gallery.md", gallery_page(add))
    for name, text in example_pages().items():
        add(f"examples/{name}.md", text)
    return files


def read(path: Path) -> str:
    """The text of a file of the repository."""
    return path.read_text(encoding="utf-8")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to files that are pages under another name lead to these."""
    return relinked(markdown)


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Links of notebooks lead to pages and to their own headings, as mkdocs makes those of Markdown by itself."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    headings = re.findall(r'<h\d id="([^"]+)"', html)
    for entry, anchor in zip(_flat(page.toc), headings, strict=True):
        entry.id = anchor
    return re.sub(r'href="(\w+)\.(?:md|ipynb)(#[^"]*)?"', r'href="\1.html\2"', html)


def _flat(entries: Iterable[Any]) -> Iterator[Any]:
    """The entries of a table of contents and those below them, in the order of the page."""
    for entry in entries:
        yield entry
        yield from _flat(entry.children)


def relinked(text: str) -> str:
    """Text whose links to files of the repository are links to pages of the site."""
    for source, name in ELSEWHERE.items():
        text = re.sub(rf"\]\((?:\.\./)?{re.escape(source)}", f"]({name}", text)
    text = re.sub(r"\]\((?:\.\./)?examples/(\w+)\.py\)", r"](examples/\1.md)", text)
    return re.sub(r"\]\(nbs/", "](", text)
