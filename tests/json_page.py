"""What nbs/json.md says of a command's document."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "nbs" / "json.md"


def documented(command):
    """The keys that the page has for a command, those of every document among them."""
    head, *sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [section for section in sections if section.startswith(f"`{command}`\n")]
    return {*_keys(head), *_keys(section)}


def check_document(document, command):
    """A document has the keys that the page says, no more and no fewer, and names its command."""
    assert document["command"] == command
    assert document.keys() == documented(command)


def _keys(text):
    return re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
