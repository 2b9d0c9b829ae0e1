"""CONTRIBUTING answers where things live: each path that it gives is followed."""

import ast
import re
from pathlib import Path

import pytest

from learnerkit.cli import make_app
from learnerkit.learner.make import TrainingArguments
from learnerkit.recipe import Train
from tests.test_package import ROOT, TREES

TEXT = (ROOT.parent / "CONTRIBUTING.md").read_text()
TABLE = TEXT.split("## Where it lives")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| (an? [^|]+) \| (.+) \|$", TABLE, re.M)
PLACES = sorted(set(re.findall(r"`((?:\w+/)*\w+\.py)(?::(\w+))?`", TEXT)))


def names_in(tree):
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_ten_things_and_more_have_a_place():
    assert len(ROWS) >= 10 and all("`" in where or "below" in where for _, where in ROWS)


@pytest.mark.parametrize(("file", "name"), PLACES, ids=lambda part: part or "-")
def test_the_place_is_there(file, name):
    if file.startswith(("tests/", "examples/", "benchmarks/", "docs/")):
        assert (ROOT.parent / file).exists()
    elif "/" not in file and file not in TREES:  # a file that each room has
        assert [path for path in TREES if path.endswith(f"/{file}")], file
    else:
        assert file in TREES and (not name or name in names_in(TREES[file])), f"{file} has no {name}"


def modules_naming(word):
    """The modules of the package in whose code a name is defined, taken or used."""
    found = set()
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if word in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "arg", None)):
                found.add(path)
    return found


@pytest.mark.parametrize("argument", ["accumulate_unit", "limit_batches"])
def test_a_training_argument_with_its_flag_stands_in_three_places(argument):
    assert argument in TrainingArguments.names() and argument in Train.model_fields
    outside = {path for path in modules_naming(argument) if not path.startswith(("learner/", "callbacks/", "runs/"))}
    assert outside == {"recipe.py"}  # no factory, no room and no command names it
    uses = [node for node in ast.walk(TREES["learner/make.py"]) if getattr(node, "attr", "") == argument]
    assert uses  # the third: make_learner


def test_every_command_is_a_function_of_the_command_line():
    known = {command.name or command.callback.__name__ for command in make_app().registered_commands}
    assert known <= {
        name for place, tree in TREES.items() if place.startswith("commands/") for name in names_in(tree)
    } and known >= {"train", "sweep", "compare", "doctor"}


def test_an_augmentation_stands_where_it_is_said_to():
    """Followed for one: the module, the argument of both functions, the flag."""
    module = {name.lower() for name in names_in(TREES["ops/augment.py"])}
    assert "cutout" in module
    for path, function in (("classify/transforms.py", "augmentations"), ("classify/dls.py", "image_dls")):
        (found,) = [node for node in TREES[path].body if getattr(node, "name", "") == function]
        assert "cutout" in {argument.arg for argument in [*found.args.args, *found.args.kwonlyargs]}
    (section,) = [node for node in TREES["classify/recipe.py"].body if getattr(node, "name", "") == "ClassifyData"]
    assert "cutout" in {node.target.id for node in section.body if isinstance(node, ast.AnnAssign)}


def test_every_recipe_of_the_package_stands_in_its_folder():
    assert len(list((Path(ROOT) / "recipes").glob("*.yaml"))) >= 8
