"""Recipes that extend one another, and what `learnerkit recipe` prints of them."""

import pytest

from learnerkit.core.errors import RecipeError
from learnerkit.core.yaml import parse_yaml
from learnerkit.runs.grid import Plan, place_of, plan_of
from learnerkit.runs.recipe_file import read_content, recipe_names
from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.shown_recipe import recipe_list, recipe_text


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_recipe_is_laid_over_what_it_extends_key_by_key(tmp_path):
    write(
        tmp_path,
        base="extends: digits\ntrain: {epochs: 7, lr: 0.02}\ngrid: {size: [32, 64], seed: [1, 2]}",
        child="extends: base.yaml\ntitle: Mine\ntrain: {lr: 0.5}\ngrid: {size: [48]}",
    )
    recipe, digits = load_recipe(tmp_path / "child.yaml"), load_recipe("digits")
    assert (recipe.title, recipe.train.epochs, recipe.train.lr) == ("Mine", 7, 0.5)
    assert recipe.train.label_smoothing == digits.train.label_smoothing and recipe.data == digits.data
    found = read_content(tmp_path / "child.yaml")
    assert found.sweep == {"grid": {"size": [48], "seed": [1, 2]}}
    assert found.origins["train", "lr"].endswith("child.yaml") and found.origins["train", "epochs"] == "base.yaml"
    assert found.origins["data", "path"] == "digits"


def test_rings_strangers_and_other_tasks_are_refused(tmp_path):
    write(
        tmp_path,
        a="extends: b.yaml",
        b="extends: a.yaml",
        lost="extends: digts",
        gone="extends: nowhere.yaml",
        other="extends: digits\ntask: detect",
        both="extends: [digits, rgbx-mit]",
    )
    for name, said in (
        ("a", "a extends b extends a; a recipe cannot extend itself"),
        ("gone", "recipe gone: extends nowhere.yaml: no such file"),
        ("lost", "recipe lost: extends 'digts': .*did you mean digits"),
        ("other", "task: 'detect', and what it extends is of the task 'classify'"),
        ("both", "the name or file of one recipe is needed"),
    ):
        with pytest.raises(RecipeError, match=said):
            load_recipe(tmp_path / f"{name}.yaml")


@pytest.mark.parametrize("name", recipe_names())
def test_what_is_printed_is_the_same_recipe_again(name, tmp_path):
    text = recipe_text(name, {"seed": "7"})
    (tmp_path / "again.yaml").write_text(text)
    assert load_recipe(tmp_path / "again.yaml") == load_recipe(name, {"seed": "7"})
    assert read_content(tmp_path / "again.yaml").sweep == read_content(name).sweep
    lines = {line.partition(":")[0].strip(): line.partition("#")[2].strip() for line in text.splitlines()}
    assert lines["seed"] == "--seed" and lines["task"] == name and lines["limit_batches"] == "default"
    assert name in recipe_list()


def test_the_grid_of_a_recipe_and_that_of_the_command_line():
    own = {"grid": {"arch": ["tiny_cnn", "simple_cnn"], "size": [32, 64]}, "folders": "{family}/{arch}/{size}"}
    assert plan_of(own, [], {}, "r") == Plan(own["grid"], own["folders"])
    assert plan_of(own, ["size=8,16", "seed=1,2"], {}, "r").axes == {
        "arch": ["tiny_cnn", "simple_cnn"],
        "size": ["8", "16"],
        "seed": ["1", "2"],
    }
    assert list(plan_of(own, [], {"size": "48"}, "r").axes) == ["arch"]
    for wrong, said in (
        ({"grid": {"size": 32}}, "say lists of values"),
        ({"grid": {"sizes": [32]}}, "unknown key 'sizes'; did you mean size"),
        ({"grid": {"size": [32]}, "profile": "yes"}, "profile: 'yes'"),
        ({"grid": {"size": [32]}, "folders": 3}, "folders: 3"),
        ({"grid": {3: [32]}}, "by flag name"),
        *(({"grid": {"size": [1]}, "folders": text}, "field names") for text in ("{size", "{}", "{size:04d}", "{a!q}")),
        *(({"grid": {"size": [1]}, "folders": text}, "below") for text in ("/a/{size}", "{arch}/../b", "logs/{size}")),
    ):
        with pytest.raises(RecipeError, match=said):
            plan_of(wrong, [], {}, "r")
    assert len(list(plan_of(read_content("resolution-sweep").sweep, [], {}, "r").combinations())) == 13 * 5


def test_the_folder_of_a_trial():
    recipe = load_recipe("digits", {"arch": "resnet18", "size": "64"})
    assert place_of({"arch": "resnet18", "size": 64}, recipe, "{family}/{arch}/{size}") == "resnet/resnet18/64"
    assert place_of({"seed": "3"}, recipe, "{family}/{arch}/{size}") == "resnet/resnet18/64_seed-3"
    assert place_of({"data": "a/b", "seed": 1}, recipe, "") == "data-a~b_seed-1"
    with pytest.raises(RecipeError, match="'archs' is no field of the recipe; did you mean arch"):
        place_of({}, recipe, "{archs}")


def test_the_published_grid_is_what_the_recipe_carries():
    text = recipe_text("resolution-sweep")
    said = parse_yaml(text)
    assert said["grid"]["size"] == [224, 256, 320, 384, 512] and said["data"]["bs"] == 64
    train = said["train"]
    assert (train["opt"], train["lr"], train["epochs"], train["clip"], train["schedule"]) == (
        "adamw",
        1e-3,
        50,
        1.0,
        "cosine",
    )
    assert (train["early_stop"], train["early_stop_warmup"], train["early_stop_delta"]) == (10, 5, 0.001)
    assert train["save_top_k"] == 3 and train["save_top_k_optimizer"] is True
