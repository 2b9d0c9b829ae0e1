"""Public calls: one signature made of several, wrong words refused, and the call kept for `load_run`."""

import inspect
from dataclasses import dataclass
from pathlib import Path

import pytest

from learnerkit.core.calls import check_options, documented, extends, recorded, with_arguments, with_lines
from learnerkit.core.errors import RecipeError


@dataclass
class Shared:
    """What many take.

    rate, decay: two numbers,
        with more to say.
    name: without a default, so it is not taken.
    """

    name: str
    rate: float = 0.1
    decay: float = 0.0


class Made:
    pass


@recorded("data")
@extends(Shared, rate=0.5)
def build(data, kind="plain", *, own=1, **kwargs):
    """Build it.

    data: what; kind: which; own: its own.
    """
    made = Made()
    made.given = (kind, own, kwargs)
    return made


def test_the_arguments_of_another_are_taken_by_name_with_their_default_and_text():
    parameters = inspect.signature(build).parameters
    assert list(parameters) == ["data", "kind", "own", "rate", "decay"] and parameters["rate"].default == 0.5
    assert parameters["rate"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "rate, decay: two numbers,\n    with more to say." in build.__doc__ and "name:" not in build.__doc__
    assert build([1]).given == ("plain", 1, {"rate": 0.5}) and build([1], rate=2).given[2] == {"rate": 2}
    assert documented(Shared, ["name"]) == ["name: without a default, so it is not taken."]


def test_another_word_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match=r"build\(\): unknown key 'raet'; did you mean rate"):
        build([1], raet=2)
    with pytest.raises(TypeError):
        build()


def test_a_call_is_kept_with_its_defaults_and_what_cannot_be_written_is_said():
    kept = build([1], Path("x"), own=print).recipe
    assert kept["call"] == "build" and kept["args"] == {"kind": str(Path("x").resolve()), "rate": 0.5, "decay": 0.0}
    assert kept["lost"] == ["own"]
    assert build([1]).recipe == {
        "call": "build",
        "args": {"kind": "plain", "own": 1, "rate": 0.5, "decay": 0.0},
        "lost": [],
    }


def test_options_of_a_verb():
    def verb(run, tta=0, codes=False):
        """None."""

    check_options(verb, {"tta": 1}, "it")
    with pytest.raises(RecipeError, match="it: has no ttta; did you mean tta"):
        check_options(verb, {"ttta": 1}, "it")
    with pytest.raises(RecipeError, match="it has no options"):
        check_options(lambda run: None, {"tta": 1}, "it")


def test_examples_stay_behind_the_arguments():
    text = "Build it.\n\ndata: what.\n\nExamples:\n    >>> 1\n    1"
    assert with_lines(text, "rate: how much.") == text.replace("what.", "what.\nrate: how much.")
    assert with_lines("Build it.\n", "rate: how much.") == "Build it.\nrate: how much."
    assert with_lines(text, "") == text

    @extends(Shared)
    def shown(data, **kwargs):
        """Show it.

        data: what.

        Examples:
            >>> shown(1)
        """

    doc = inspect.getdoc(shown)
    assert doc.index("data: what") < doc.index("rate, decay: two") < doc.index("Examples:\n    >>> shown(1)")
    assert doc.count("Examples:") == 1 and documented(shown, ["data"]) == ["data: what."]

    @with_arguments
    class Kept:
        """Keep it.

        Examples:
            >>> Kept(1)
        """

        def __init__(self, data):
            """Make one.

            data: what.
            """

    assert inspect.getdoc(Kept) == "Keep it.\n\ndata: what.\n\nExamples:\n    >>> Kept(1)"
