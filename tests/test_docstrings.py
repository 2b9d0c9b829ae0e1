"""The example in the docstring of each public name runs and prints what it says; fastai's own names have a page."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

from learnerkit import all as public
from learnerkit import tasks
from learnerkit.models.registry import families

PAGE = Path(__file__).parents[1] / "nbs" / "fastai_names.md"
FOREIGN = [name for name in public.__all__ if not getattr(public, name).__module__.startswith("learnerkit")]
OWN = [name for name in public.__all__ if name not in FOREIGN]
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """What an example writes or registers is gone after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tasks, "registered", dict(tasks.registered))
    monkeypatch.setattr(families, "_entries", dict(families._entries))


@pytest.mark.parametrize("name", OWN)
def test_arguments_come_first_and_examples_last(name):
    own, _, examples = inspect.getdoc(getattr(public, name)).partition("\n\nExamples:\n")
    lines = examples.splitlines()
    assert own and lines and all(line.startswith("    ") for line in lines)
    assert 2 <= len(lines) <= 11 and ">>>" not in own and "Examples:" not in examples


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_the_example_runs(name):
    text = inspect.getdoc(getattr(public, name))
    test = doctest.DocTestParser().get_doctest(text, vars(public).copy(), name, None, None)
    assert [example for example in test.examples if example.want]
    said: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not said, "".join(said)


def test_seven_names_are_fastais_own_and_stand_on_the_page():
    assert sorted(FOREIGN) == sorted(SECTIONS) and len(FOREIGN) == 7


@pytest.mark.slow
@pytest.mark.parametrize("name", FOREIGN)
def test_the_page_says_what_it_is_and_its_code_runs(name):
    assert "](https://docs.fast.ai/" in SECTIONS[name]
    (code,) = re.findall(r"```python\n(.*?)```", SECTIONS[name], re.S)
    assert re.search(rf"\b{name}\b", code)
    exec(compile(code, str(PAGE), "exec"), {})
