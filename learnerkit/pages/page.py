"""Self-contained HTML pages: what a task puts on one, and how it is rendered."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from learnerkit.core.text import formatted, one_line, valid_text
from learnerkit.pages.charts import Chart

HERE = Path(__file__).parent


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
    text: whether its cells are words, which stand to the left, and no figures.
    """

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""
    long: bool = False
    early: bool = False
    text: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    address: of the pixels, a data address; charts: what is shown in its place where scripts run.
    """

    title: str
    address: str
    charts: list[Chart] = field(default_factory=list)


def headline_texts(results: dict[str, Any], headlines: tuple[Headline, ...]) -> list[tuple[str, str]]:
    """(label, figure) of each headline that the results have."""
    return [
        (line.label, formatted(results[line.key], line.form)) for line in headlines if results.get(line.key) is not None
    ]


def embedded(file: Path) -> str:
    """A PNG file as a data address for a page."""
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


def json_text(value: Any) -> str:
    """A value as it is read by people: JSON with its letters as they are, lone bytes as `valid_text` has them."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def render(template: str, pictures: Sequence[Picture] = (), **content: Any) -> str:
    """A page from a template of this folder; everything that is put in is escaped, and is valid UTF-8.

    The filter `shown` lets the line breaks of a name be seen, `lines` keeps those of a text. Scripts and styles of this
    folder are written into the page, those of charts where there are any.
    pictures: of the page; content: all else that the template names; `live` of it says that a script makes its charts.
    """
    charts = bool(content.get("live")) or any(picture.charts for picture in pictures)
    return valid_text(_environment().get_template(template).render(pictures=pictures, charts=charts, **content))


@cache
def _environment() -> Environment:
    made = Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=False)
    made.filters["shown"] = lambda value: one_line(str(value))
    made.filters["lines"] = _lines
    made.globals["file"] = _file
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return made


def _lines(text: str) -> Markup:
    return Markup("<br>").join(escape(one_line(line)) for line in str(text).split("\n"))


def _file(name: str) -> Markup:
    """A script or style of this folder, as it stands."""
    return Markup((HERE / name).read_text(encoding="utf-8"))
