"""Self-contained HTML pages: what a task puts on one, and how it is rendered."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from learnerkit.core.text import formatted, one_line, valid_text


@dataclass(frozen=True)
class Headline:
    """A figure of results.json that stands at the top of a run's page and at the end of its training.

    key: in results.json; label: what it is called; form: such as '{:.2%}'.
    """

    key: str
    label: str
    form: str


RUN_HEADLINES = (Headline("parameters", "parameters", "{:,}"), Headline("seconds", "training time", "{:,.0f} s"))


@dataclass(frozen=True)
class Table:
    """A table of a run's page.

    heads: of the columns; rows: texts; note: below it; long: whether it scrolls; early: before the pictures.
    """

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""
    long: bool = False
    early: bool = False


def headline_texts(results: dict[str, Any], headlines: tuple[Headline, ...]) -> list[tuple[str, str]]:
    """(label, figure) of each headline that the results have."""
    return [
        (line.label, formatted(results[line.key], line.form)) for line in headlines if results.get(line.key) is not None
    ]


def embedded(file: Path) -> str:
    """A PNG file as a data address for a page."""
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


def render(template: str, **content: Any) -> str:
    """A page from a template of this folder; everything that is put in is escaped, and is valid UTF-8.

    The filter `shown` lets the line breaks of a name be seen.
    """
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters["shown"] = lambda value: one_line(str(value))
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return valid_text(environment.get_template(template).render(**content))
