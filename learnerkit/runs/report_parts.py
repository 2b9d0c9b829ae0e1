"""What a run's page says of the run itself: its title, warnings, recipe, cost, surroundings, commands."""

import inspect
from pathlib import Path
from typing import Any

from PIL import Image

from learnerkit.core.diagnosis import line_of
from learnerkit.core.files import read_json
from learnerkit.core.profiles import FILE as PROFILE
from learnerkit.core.profiles import read_summary
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.text import MISSING, formatted, one_line, some
from learnerkit.pages.page import Table, embedded
from learnerkit.pages.profile import SHOWN, size_text, way_text
from learnerkit.recipe import SECTIONS
from learnerkit.runs.settled import go_on
from learnerkit.task import Task

Box = dict[str, Any]


def about(described: dict[str, Any], place: Path) -> list[str]:
    """What stands below the title: the run's name, the task, when it began and on what."""
    device = described.get("device") or {}
    threads = device.get("threads")
    where = f"{device.get('name', '')}" + (f" ({threads} thread{'s' * (threads != 1)})" if threads else "")
    said = (f"{place.parent.name}/{place.name}", described.get("task"), described.get("started"), where)
    return [str(part) for part in said if part]


def state_text(status: dict[str, Any], history: list[dict], described: dict[str, Any]) -> str:
    """The state in words; of a run that is not done how far it came."""
    state, epochs = status.get("state"), described.get("n_epoch")
    so_far = f"{len(history)} of {epochs} epochs" if epochs else f"{len(history)} epochs"
    known = {"done": "done", "running": f"in progress: {so_far}", "created": "begun, no epoch yet"}
    known |= {name: f"{name} after {so_far}" for name in ("failed", "interrupted", "killed")}
    return known.get(state, f"unknown state{f' {one_line(str(state))}' if state else ''}: {so_far}")


def warnings(
    described: dict[str, Any], status: dict[str, Any], results: dict[str, Any], failed: list[str], place: Path
) -> list[Box]:
    """What a reader has to know before the figures: title, lines and kind of each box."""
    boxes: list[Box] = []

    def add(title: str, lines: list[str], kind: str = "warn") -> None:
        if lines:
            boxes.append({"title": title, "lines": lines, "kind": kind})

    state = status.get("state")
    if state in ("failed", "interrupted", "killed"):
        error = f": {status['error']}" if status.get("error") else ""
        lines = [f"{state}{error}", go_on(described, place)]
        title = f"This run was {state}" if state == "killed" else f"This run is marked {state}"
        add(title, lines, "fault" if state == "failed" else "warn")
    elif state in ("running", "created"):
        add(
            "This run is not finished",
            [f"The page shows what was there, last on {status.get('updated', 'a day unknown')}."],
        )
    add("Not everything could be read", [f"The page is made without {line}" for line in failed])
    if (described.get("split") or {}).get("valid_is_test"):
        text = (
            "The validation part is the test part (split='test'): the best epoch was chosen on the test samples, so "
            "the figures compare with published ones chosen that way, and with no others."
        )
        add("Chosen on the test part", [text])
    if results.get("limited_to"):
        text = (
            "Each epoch was cut to some batches, and at most "
            f"{results['limited_to']} samples of each part were evaluated."
        )
        add("A quick trial", [text])
    add("Signs of a bad training", _diagnosed(described.get("diagnosis")))
    add("About the data", _texts((described.get("data") or {}).get("notes")))
    add("Not recorded", _texts(described.get("not_rebuilt")))
    return boxes


def _texts(value: Any) -> list[str]:
    return [str(line) for line in value] if isinstance(value, list) else []


def _diagnosed(records: Any) -> list[str]:
    known = records if isinstance(records, list) else []
    return [line_of(one) for one in known if isinstance(one, dict) and {"epoch", "text", "try"} <= one.keys()]


def commands(described: dict[str, Any]) -> list[tuple[str, str]]:
    """(when, command) of the first start and of each resume that is known."""
    first = [(str(described.get("started") or ""), str(described["command"]))] if described.get("command") else []
    resumes = described.get("resumes") or []
    return first + [(str(one.get("time", "")), str(one["command"])) for one in resumes if one.get("command")]


def recipe_tables(described: dict[str, Any], task: Task) -> tuple[list[Table], list[Table]]:
    """Settings that differ from their defaults and, to be folded, all: of the recipe, or of a script's calls."""
    rows = _recipe_rows(described, task) if described.get("resolved") else _call_rows(described, task)
    differing = [row for row in rows if row[1] != row[2]]
    note = f"{len(rows) - len(differing)} further settings have their defaults." if differing else ""
    heads = ("setting", "value", "default")
    if not rows:
        return [], []
    what = "Settings that differ from their defaults"
    shown = Table(what, heads, differing or [("none", "", "")], note, text=True)
    return [shown], [Table("All settings", heads, rows, long=True, text=True)]


def _recipe_rows(described: dict[str, Any], task: Task) -> list[tuple[str, str, str]]:
    defaults = task.recipe().model_dump(mode="json")
    rows = []
    for key, value in described["resolved"].items():
        if key in SECTIONS and isinstance(value, dict):
            own = defaults.get(key) or {}
            rows += [(f"{key}.{name}", _text(one), _text(own.get(name))) for name, one in value.items()]
        else:
            rows.append((key, _text(value), _text(defaults.get(key))))
    return rows


def _call_rows(described: dict[str, Any], task: Task) -> list[tuple[str, str, str]]:
    """The recorded calls of a script, an argument a row."""
    known = {function.__name__: inspect.signature(function).parameters for function in task.calls}
    rows = []
    for call in (described.get("recipe") or {}).values():
        if not isinstance(call, dict):
            continue
        own = known.get(call.get("call", ""), {})
        for name, value in (call.get("args") or {}).items():
            default = own[name].default if name in own else inspect.Parameter.empty
            rows.append(
                (
                    f"{call.get('call')}({name})",
                    _text(value),
                    "" if default is inspect.Parameter.empty else _text(default),
                )
            )
        rows += [(f"{call.get('call')}({name})", "not recorded: no plain value", "") for name in call.get("lost") or []]
    fit = described.get("fit") or {}
    return rows + [
        (f"{fit.get('call', 'fit')}({name})", _text(value), "") for name, value in fit.items() if name != "call"
    ]


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)  # 0.0 and 0 are one default
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    return (
        {None: "none", True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, (bool, type(None)))
        else str(value)
    )


def surroundings(described: dict[str, Any]) -> list[Table]:
    """Versions, device and threads, seeds, and what the data were."""
    device, data, split = (described.get(key) or {} for key in ("device", "data", "split"))
    rows = [
        ("device", f"{device.get('type', '')} {device.get('name', '')}".strip()),
        ("threads", f"{device.get('threads')} of {device.get('cores')} cores" if device.get("threads") else ""),
        ("platform", str(described.get("platform") or "")),
        *((name, str(version)) for name, version in (described.get("versions") or {}).items()),
        ("seed", _text(described.get("seed"))),
        ("data", str(data.get("name") or "")),
        ("shape of a sample", " x ".join(map(str, data.get("input_shape") or data.get("shape") or []))),
        ("fingerprint of the data", str(described.get("fingerprint") or "")),
        ("split", f"{split.get('hash')}, {data.get('parts_by') or 'as it was given'}" if split else ""),
        ("classes", f"{len(described.get('classes') or []):,}: {some(described.get('classes') or [], 10)}"),
    ]
    return [Table("Surroundings and data", ("what", "found"), [row for row in rows if row[1]], text=True)]


def cost(run: RunFolder) -> tuple[list[tuple[str, Path]], list[Table]]:
    """The picture and the table of what a run costs, where that was measured with the weights that it has."""
    if not read_summary(run.path):
        return [], []
    rows = read_json(run.file(PROFILE)).get("rows") or []
    cells = [{**row, "mode": way_text(row), "size": size_text(row["size"])} for row in rows]
    texts = [tuple(formatted(row.get(key), form) for key, (_, form) in SHOWN.items()) for row in cells]
    note = (
        f"Median of {rows[0]['repeats']} passes on {rows[0]['device']}, {rows[0]['threads']} thread(s)." if rows else ""
    )
    table = Table("What it costs", tuple(head for head, _ in SHOWN.values()), texts, note)
    pictures = [("Cost against size", file) for file in (run.file("profile") / "profile.png",) if file.exists()]
    return pictures, [table] if rows else []


def checked_address(file: Path) -> str:
    """A PNG file as a data address; OSError where it is no whole picture."""
    with Image.open(file) as picture:
        picture.load()
    return embedded(file)


def epochs(history: list[dict]) -> list[Table]:
    """The table of the ledger; none before the first epoch."""
    keys = tuple(dict.fromkeys(key for row in history for key in row))
    rows = [tuple(_figure(row.get(key)) for key in keys) for row in history]
    return [Table("Epochs", tuple(key.replace("_", " ") for key in keys), rows, long=True)] if history else []


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return MISSING if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def evaluations(run: RunFolder, task: Task) -> list[Table]:
    """The table of what a run was measured on further, each with the most telling figure; none before the first."""
    rows = []
    for file in sorted(run.file("evaluations").glob("*/results.json")):
        found = read_json(file)
        figures = [
            f"{part} {key.replace('_', ' ')} {found[name]:.4f}{' (TTA)' if suffix else ''}"
            for part in ("valid", "test", "all")
            for key in task.measures[:1]
            for suffix in ("", "_tta")
            if found.get(name := f"{part}_{key}{suffix}") is not None
        ]
        data = "its own parts" if found.get("data") == "own" else str(found.get("data"))
        views = str(found.get("tta_views") or "plain")
        told = ", ".join(figures) or "predicted alone"
        rows.append((file.parent.name, data, views, str(found.get("weights", "best")), told))
    heads = ("evaluation", "data", "views", "weights", "figures")
    note = "Each stands in evaluations/, in a folder of its own."
    return [Table("Further evaluations", heads, rows, note, text=True)] if rows else []
