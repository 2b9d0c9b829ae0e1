"""How docstrings become API pages: `docs/arguments.py`."""

import importlib.util
import inspect
import re
from pathlib import Path
from typing import Literal

import pytest

import learnerkit.all
from learnerkit.core.ranges import AtLeastOne, OneOrMore, Seed, ShareBelowOne

pytest.importorskip("griffe")
PLACE = Path(__file__).parents[1] / "docs" / "arguments.py"
spec = importlib.util.spec_from_file_location("arguments", PLACE)
arguments = importlib.util.module_from_spec(spec)
spec.loader.exec_module(arguments)

TEXT = """Do it.

What it does.

a, b: of both,
    on two lines; c: of another. d: the last, as x: y.
A word: no argument.

    code: stays

Examples:
    >>> do(1, 2)
"""


def test_lines_of_arguments_become_a_section_before_the_examples():
    made = arguments.sectioned(TEXT, {"a": "int", "b": "", "c": "str or None", "d": ""})
    assert made.split("Args:\n")[1].split("\n\n")[0].splitlines() == [
        "    a (int): of both, on two lines",
        "    b: of both, on two lines",
        "    c (str or None): of another",
        "    d: the last, as x: y.",
    ]
    assert made.index("A word: no argument.") < made.index("    code: stays") < made.index("Args:")
    assert made.endswith("Examples:\n    >>> do(1, 2)")


def test_what_names_no_parameter_of_a_class_is_an_attribute():
    made = arguments.sectioned("A thing.\n\na: given.\nb: known of it.\n", {"a": "int"}, is_class=True)
    assert made == "A thing.\n\nArgs:\n    a (int): given.\n\nAttributes:\n    b: known of it."


@pytest.mark.parametrize(
    "kind, text",
    [
        (AtLeastOne, "int at least 1"),
        (ShareBelowOne | None, "float at least 0 below 1 or None"),
        (Seed, "int at least 0"),
        (OneOrMore, "int at least 1 or (int at least 1, ...)"),
        (Literal["a", "b"], "'a' or 'b'"),
        (str | Path, "str or Path"),
        (list[int], "list"),
    ],
)
def test_types_are_told_in_words(kind, text):
    assert arguments.type_text(kind) == text


def described(found):
    """The parameters of a public object, and those that its page has a row for."""
    names = [parameter.name for parameter in arguments.signature_of(found)]
    made = arguments.sectioned(inspect.getdoc(found) or "", dict.fromkeys(names, ""), inspect.isclass(found))
    section = re.search(r"^Args:\n((?:    .*\n?)*)", made, re.M)
    return set(names), set(re.findall(r"^    (\w+): \S", section[1], re.M)) if section else set()


@pytest.mark.parametrize("name", learnerkit.all.__all__)
def test_every_argument_of_a_public_name_is_described(name):
    found = getattr(learnerkit.all, name)
    if found.__module__.startswith("learnerkit."):
        names, rows = described(found)
        assert names == rows


def test_an_argument_without_a_description_is_seen():
    def lacking(a, b):
        """Do it.

        a: the first.
        """

    assert described(lacking) == ({"a", "b"}, {"a"})
