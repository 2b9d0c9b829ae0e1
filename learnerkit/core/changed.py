"""What two runs were made with and on, and where that differs, the most telling first. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from learnerkit.core.described import NOT_A_VARIANT, flat
from learnerkit.core.finished import settings_of
from learnerkit.core.labels import Named, worded_apart
from learnerkit.core.members import PARTS, Members

SETTING, SEED, FOLLOWS, BOOKKEEPING = KINDS = ("setting", "seed", "follows", "bookkeeping")
NO_DIFFERENCE = {*NOT_A_VARIANT, "name", "out"} - {"seed", "lost"}  # last words of what changes no weight and no figure
PRESENT_ANYWAY = {"recorder", "cast_to_tensor", "train_accuracy", "lean_scheduler"}  # callbacks of every learner
FOLLOWERS = {
    "mode": "monitor",
    "n_epoch": "epochs",
    "schedule_args": "schedule",
}  # by the last word of what they follow
ORDER = ("data", "model", "learner.args.arch", "learner.args.model_args")  # what tells most, by the start of its key
LAST = ("evaluate",)  # what changes how a run is measured, and not what it learnt
LATER = ("device.capability",)  # which runs of earlier versions do not say
MISSING = "not said"


@dataclass(frozen=True)
class Change:
    """One thing that two runs say differently.

    key: dotted; first, second: the values, as run.json has them; words: both as they are read.
    kind: one of `KINDS`: a setting; the seed; what follows from a setting; what changes neither weights nor figures.
    """

    key: str
    first: Any
    second: Any
    kind: str = SETTING

    @property
    def words(self) -> tuple[str, str]:
        """Both values, different where they are."""
        first, second = worded_apart([self.first, self.second])
        return first, second


@dataclass(frozen=True)
class MemberChanges:
    """Samples of the second run's parts that the first had otherwise.

    added, gone: ids of one alone; changed: of other content under one id; moved: ids by (part in the first, in the
    second); same: how many are in one part of both with one content.
    """

    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    same: int = 0

    def lines(self) -> list[tuple[str, list[str]]]:
        """What there is of each kind, in words, with the ids."""
        kinds = [("in A alone", self.gone), ("in B alone", self.added), ("of other content", self.changed)]
        kinds += [(f"moved from {old} to {new}", ids) for (old, new), ids in self.moved.items()]
        return [(text, ids) for text, ids in kinds if ids]


def changed_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Change]:
    """The settings in which two runs differ, the most telling first: each run.json as a dict.

    Two resolved recipes are compared field by field; where one run is of a script, the recorded calls of both are. What
    follows from another setting (of the recipe before it was settled, of a monitor, of the data's path and size), and
    what changes neither weights nor figures, stands last.
    """
    runs = (first, second)
    if not all(run.get("resolved") for run in runs):
        runs = tuple({**run, "resolved": None} for run in runs)
    asked = [_settings({**run, "resolved": run.get("asked") or run.get("resolved")}) for run in runs]
    settled = [_settings(run) for run in runs]
    found = {change.key: change for change in _differing(*asked, SETTING)}
    found |= {change.key: change for change in _differing(*settled, FOLLOWS) if change.key not in found}
    if not same(first.get("seed"), second.get("seed")):
        found["seed"] = Change("seed", first.get("seed"), second.get("seed"), SEED)
    placed = {key: _placed(change, found) for key, change in found.items()}
    return sorted(placed.values(), key=_rank)


def _settings(described: dict[str, Any]) -> dict[str, Any]:
    """`settings_of`, with what it leaves aside as bookkeeping, and callbacks that have no settings."""
    nested = described.get("resolved") or described["recipe"]
    bookkeeping = {key: value for key, value in flat(nested).items() if _last(key) in NO_DIFFERENCE}
    held = {**settings_of(described), **bookkeeping}
    if not described.get("resolved"):
        bare = {name for name, said in (described.get("callbacks") or {}).items() if not said}
        held |= {f"callbacks.{name}": True for name in bare - PRESENT_ANYWAY}
    return held


def _differing(first: dict[str, Any], second: dict[str, Any], kind: str) -> list[Change]:
    keys = dict.fromkeys([*first, *second])
    pairs = [(key, first.get(key), second.get(key)) for key in keys]
    return [Change(key, old, new, kind) for key, old, new in pairs if not same(old, new)]


def same(first: Any, second: Any) -> bool:
    """Whether two settings are one: 1 and 1.0 are, 1 and True are not."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (first, second))
    return first == second if numbers else repr(first) == repr(second)


def _placed(change: Change, found: Mapping[str, Change]) -> Change:
    """The change with its kind, beside all others that were found."""
    last, kind = _last(change.key), change.kind
    if change.key == "data" and _data_follows(change, found):
        kind = FOLLOWS
    elif last in NO_DIFFERENCE:
        kind = BOOKKEEPING
    elif any(_last(key) == FOLLOWERS.get(part) for key in found for part in change.key.split(".")):
        kind = FOLLOWS
    return Change(change.key, change.first, change.second, kind)


def _data_follows(change: Change, found: Mapping[str, Change]) -> bool:
    """Whether the data of one path are others by further settings alone, such as their size or the lot of the split."""
    first, second = change.first, change.second
    if not isinstance(first, Named) or not isinstance(second, Named) or first.path != second.path:
        return False
    return any(key.startswith(("data.", "dls.")) and _last(key) not in NO_DIFFERENCE for key in found)


def _rank(change: Change) -> tuple[int, int]:
    """Settings first, of them those of data and model, then of the training; each in the order of the recipe."""
    places = [number for number, start in enumerate(ORDER) if change.key == start or change.key.startswith(f"{start}.")]
    last = change.key.startswith(LAST)
    exact = change.key in ("data", "model.arch", "model.fusion", "learner.args.arch")
    return KINDS.index(change.kind), 0 if exact else 9 if last else 1 + (places[0] if places else len(ORDER))


def _last(key: str) -> str:
    return key.rsplit(".", 1)[-1]


def changed_environment(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Change]:
    """Versions, device, threads and platform that differ."""
    found = _differing(*(flat(_environment(run)) for run in (first, second)), SETTING)
    return [change for change in found if change.key not in LATER or None not in (change.first, change.second)]


def _environment(run: Mapping[str, Any]) -> dict[str, Any]:
    return {**(run.get("versions") or {}), "device": run.get("device") or {}, "platform": run.get("platform")}


def changed_data(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Change]:
    """The data's content, parts, classes and normalisation where they differ."""
    return _differing(*(flat(_data(run)) for run in (first, second)), SETTING)


def _data(run: Mapping[str, Any]) -> dict[str, Any]:
    split, facts = run.get("split") or {}, run.get("data") or {}
    said = {"fingerprint": run.get("fingerprint"), "split": split.get("hash")}
    said |= {f"{part} samples": split.get(part) for part in PARTS}
    said |= {"shape": facts.get("input_shape") or facts.get("shape"), "normalisation": facts.get("stats")}
    return {**said, "keeps": facts.get("keeps"), "classes": run.get("classes")}


def changed_members(first: Members, second: Members) -> MemberChanges:
    """What became of the samples of two runs' parts, by their names."""
    old, new = (_places(members) for members in (first, second))
    moved: dict[tuple[str, str], list[str]] = {}
    changed, same_ones = [], 0
    for name in old.keys() & new.keys() if old != new else ():
        (part, content), (part_now, content_now) = old[name], new[name]
        if part != part_now:
            moved.setdefault((part, part_now), []).append(name)
        if content and content_now and content != content_now:
            changed.append(name)
        same_ones += old[name] == new[name]
    return MemberChanges(
        [name for name in new if name not in old],
        [name for name in old if name not in new],
        sorted(changed),
        {pair: sorted(names) for pair, names in sorted(moved.items())},
        same_ones if old != new else len(old),
    )


def _places(members: Members) -> dict[str, tuple[str, str]]:
    """The part and content of each sample; one that stands in two parts, in the last."""
    return {
        name: (part, content)
        for part in PARTS
        for name, content in zip(members.ids[part], members.contents[part], strict=True)
    }
