"""Which setting stands first where two runs differ; members that moved; the step at which losses part."""

import copy

import pytest

from learnerkit.core.changed import (
    BOOKKEEPING,
    FOLLOWS,
    NO_DIFFERENCE,
    SEED,
    SETTING,
    changed_data,
    changed_environment,
    changed_members,
    changed_settings,
)
from learnerkit.core.described import makes_a_variant
from learnerkit.core.members import Members
from learnerkit.core.parted import contradictions, course_of, read_batches
from learnerkit.recipe import SECTIONS, sections_of
from learnerkit.tasks import recipe_of

TASKS = ("classify", "fuse", "detect")
FIELDS = [
    (task, f"{section}.{field}")
    for task in TASKS
    for section in SECTIONS
    for field in sections_of(recipe_of(task))[section].model_fields
]


def described(task, **changes):
    """What run.json says of a run by a task's defaults."""
    resolved = recipe_of(task)().model_dump()
    said = {"task": task, "recipe": {}, "resolved": resolved, "seed": 42, "monitor": "valid_loss", "mode": "min"}
    return {**said, "fingerprint": "f", "split": {"hash": "s", "train": 9}, "classes": ["a"], **changes}


def with_setting(run, key, value):
    """The run with one setting of its resolved recipe replaced."""
    run = copy.deepcopy(run)
    section, field = key.split(".")
    run["resolved"][section][field] = value
    return run


@pytest.mark.parametrize(("task", "key"), FIELDS)
def test_the_one_setting_that_differs_stands_first(task, key):
    first = described(task)
    second = with_setting(first, key, {"step_size": 3} if key == "train.schedule_args" else "another")
    second |= {"title": "a trial", "n_epoch": 9}
    second["resolved"]["title"], second["resolved"]["train"]["keep_last"] = "a trial", 7
    last = key.rsplit(".", 1)[-1]
    if key.startswith("data.") and last not in NO_DIFFERENCE:
        second |= {"fingerprint": "g", "split": {"hash": "t", "train": 8}}  # other pixels, other parts
    found = changed_settings(first, second)
    if last in NO_DIFFERENCE:
        assert {change.kind for change in found} == {BOOKKEEPING} and key in [change.key for change in found]
        return
    assert found[0].key.startswith(key) and found[0].kind == SETTING
    assert [change.key for change in found if change.kind == SETTING] == [found[0].key]
    kinds = [change.kind for change in found[1:]]
    assert set(kinds) <= {FOLLOWS, BOOKKEEPING} and kinds == sorted(kinds, key=[FOLLOWS, BOOKKEEPING].index)


def test_whether_signs_are_told_makes_no_variant():
    assert not makes_a_variant("train.diagnose") and not makes_a_variant("learner.args.diagnose")
    first = described("classify")
    (change,) = changed_settings(first, with_setting(first, "train.diagnose", False))
    assert change.kind == BOOKKEEPING


def test_what_follows_from_a_setting_stands_after_it_and_the_seed_after_other_settings():
    first = described("classify")
    second = with_setting(with_setting(first, "train.monitor", "valid_loss"), "train.mode", "min") | {"seed": 7}
    second["resolved"]["seed"] = 7
    assert [(change.key, change.kind) for change in changed_settings(first, second)] == [
        ("train.monitor", SETTING),
        ("seed", SEED),
        ("train.mode", FOLLOWS),
    ]
    (alone,) = changed_settings(first, described("classify", seed=7))
    assert (alone.key, alone.kind, alone.words) == ("seed", SEED, ("42", "7"))


def test_a_budget_stands_before_the_epochs_that_it_was_settled_to():
    first = described("classify")
    second = with_setting(first, "train.budget", "30m")
    second = with_setting(second, "train.epochs", 12) | {"asked": second["resolved"]}
    assert [(change.key, change.kind) for change in changed_settings(first, second)] == [
        ("train.budget", SETTING),
        ("train.epochs", FOLLOWS),
    ]


def test_the_model_stands_before_what_else_differs_and_the_views_last():
    run = described("classify")
    for key, value in {
        "evaluate.tta": 9,
        "train.lr": 1,
        "data.crop": 3,
        "model.dropout": 0.1,
        "model.arch": "x",
    }.items():
        run = with_setting(run, key, value)
    keys = [change.key for change in changed_settings(described("classify"), run)]
    assert keys == ["model.arch", "data.crop", "model.dropout", "train.lr", "evaluate.tta"]


def test_other_data_at_one_path_are_a_setting_and_one_content_elsewhere_is_none():
    first = with_setting(described("classify"), "data.path", "/sets/a")
    other = {**first, "fingerprint": "g"}
    assert [(change.key, change.kind) for change in changed_settings(first, other)] == [("data", SETTING)]
    moved = with_setting(first, "data.path", "/sets/b")
    assert [(change.key, change.kind) for change in changed_settings(first, moved)] == [("data.path", BOOKKEEPING)]
    assert changed_settings(first, with_setting(first, "train.lr", 0.1)) == []


def test_the_calls_of_scripts_are_compared_where_a_run_has_no_recipe():
    call = {"call": "image_learner", "args": {"arch": "tiny_cnn", "lr": 1, "path": None}, "lost": []}
    script = {"recipe": {"dls": None, "learner": call}, "seed": 1, "n_epoch": 2, "fit": {"n_epoch": 2}}
    command = {**script, "resolved": {"model": {"arch": "tiny_cnn"}}}
    assert changed_settings(script, command) == []
    other = {**call, "args": {**call["args"], "lr": 1.0, "arch": "simple_cnn"}}
    longer = {**script, "recipe": {"dls": None, "learner": other}, "n_epoch": 3, "fit": {"n_epoch": 3}}
    assert [(change.key, change.kind) for change in changed_settings(command, longer)] == [
        ("learner.args.arch", SETTING),
        ("epochs", SETTING),
        ("fit.n_epoch", FOLLOWS),
    ]
    mixed = {**script, "callbacks": {"mixer": {}, "recorder": {}}}
    assert [change.key for change in changed_settings(script, mixed)] == ["callbacks.mixer"]


def test_environment_and_data_say_what_differs():
    first = {"versions": {"torch": "2.1", "numpy": "2"}, "device": {"type": "cpu", "threads": 1}, "platform": "l"}
    second = {**first, "versions": {"torch": "2.2", "numpy": "2"}, "device": {"type": "cpu", "threads": 2}}
    assert [(change.key, *change.words) for change in changed_environment(first, second)] == [
        ("torch", "2.1", "2.2"),
        ("device.threads", "1", "2"),
    ]
    first = {"fingerprint": "f", "split": {"hash": "s", "train": 7}, "data": {"stats": [[0.5], [0.2]]}}
    second = {**first, "data": {"stats": [[0.4], [0.2]]}}
    (change,) = changed_data(first, second)
    assert change.key == "normalisation" and change.first != change.second


def test_members_are_added_gone_changed_and_moved():
    first = Members(
        {"train": ["a", "b", "c"], "valid": ["d"], "test": ["e"]},
        {"train": ["1", "2", "3"], "valid": ["4"], "test": ["5"]},
    )
    second = Members(
        {"train": ["a", "b", "d"], "valid": ["n"], "test": ["e"]},
        {"train": ["1", "9", "4"], "valid": ["6"], "test": ["5"]},
    )
    found = changed_members(first, second)
    assert (found.added, found.gone, found.changed, found.same) == (["n"], ["c"], ["b"], 2)
    assert found.moved == {("valid", "train"): ["d"]}
    assert changed_members(first, first).lines() == [] and changed_members(first, first).same == 5


def batches(*losses, lr=0.1, bs=2):
    return {step: ((step - 1) // bs + 1, loss, lr) for step, loss in enumerate(losses, 1)}


def test_the_first_other_loss_and_the_first_beyond_rounding():
    course = course_of(batches(2.0, 1.5, 1.2, 1.0), batches(2.0, 1.50001, 1.2, 1.1, 0.9))
    assert (course.steps, course.shared, course.rates) == ((4, 5), 4, None)
    assert (course.parted.step, course.parted.epoch) == (2, 1)
    assert course.parted.difference == pytest.approx(1e-5) and course.parted.share == pytest.approx(1e-5 / 1.50001)
    assert (course.beyond.step, course.beyond.epoch) == (4, 2) and course.beyond.difference == pytest.approx(0.1)
    equal = course_of(batches(2.0, float("nan")), batches(2.0, float("nan"), lr=0.2))
    assert equal.parted is None and equal.beyond is None and equal.rates == 1
    gone = course_of(batches(2.0, 1.0), batches(2.0, float("inf")))
    assert gone.beyond.step == 2 and gone.beyond.share == 1


def test_a_torn_line_and_a_file_of_something_else_are_no_batches(tmp_path):
    file = tmp_path / "batch_metrics.csv"
    assert read_batches(file) == {}
    file.write_text("step,epoch,loss,lr,batch,seconds\n1,1,2.5,0.1,1,0.1\n2,1,2.")
    assert read_batches(file) == {1: (1, 2.5, 0.1)}
    file.write_text("a picture\nof nothing\n")
    assert read_batches(file) == {}


@pytest.mark.parametrize(
    ("ledger", "word"),
    [
        ([{"epoch": 1, "step": 2, "train_loss": 1.5}, {"epoch": 2, "step": 4, "train_loss": 3.0}], None),
        ([{"epoch": 1, "step": 2, "train_loss": 0.9}, {"epoch": 2, "step": 4, "train_loss": 3.0}], "train_loss 0.9"),
        ([{"epoch": 1, "step": 3, "train_loss": 1.5}, {"epoch": 2, "step": 4, "train_loss": 3.0}], "ends at step 3"),
        ([{"epoch": 1, "step": 2}, {"epoch": 3, "step": 4}], "epochs 1, 3"),
        ([{"epoch": 1}, {"epoch": 2}, {"epoch": 3}], "epoch 3 stands in history.jsonl"),
        ([{"epoch": 1, "step": 2, "train_loss": 1.5}], None),  # the second epoch goes on
        ([{"epoch": 1, "step": 2, "train_loss": 1.1}], None),  # the last batch weighs a tenth
    ],
)
def test_a_history_that_contradicts_its_batches_is_told(ledger, word):
    found = contradictions(ledger, batches(1.0, 2.0, 3.0, 3.0))
    assert (found == []) if word is None else (len(found) == 1 and word in found[0])
