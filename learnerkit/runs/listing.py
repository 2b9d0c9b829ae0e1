"""Many runs as a table, for the command line and the served page alike: columns, cells, words below. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from learnerkit.core.disk import shown_bytes
from learnerkit.core.duration import shown_duration
from learnerkit.core.labels import key_names, shortened, worded
from learnerkit.core.text import both, one_line
from learnerkit.runs.index import FACTS, Row
from learnerkit.runs.query import Condition, Field, Fields, chosen, ordered

GAP, NARROWEST = 2, 16  # letters between two columns, and of a run's name at least
MOST_VARYING = 8  # settings that become columns by themselves
LONGEST = 40  # letters of a cell
SHOWN = {"seconds": shown_duration, "bytes": shown_bytes}
SAID = ("task", "epochs", "n_epoch")  # settings that other columns have
ORDER = {"model": 0, "learner": 0, "train": 1, "fit": 1}  # of the groups of settings; all else after them


@dataclass(frozen=True)
class Column:
    """A column of the table.

    key: of the field, as it may be asked for; head: how it is called; values: of which field.
    """

    key: str
    head: str
    values: Field

    def text(self, row: Row) -> str:
        """The cell of a run; '' where it has no value."""
        if self.key == "epochs" and row.n_epoch not in (None, row.epochs):
            return f"{row.epochs}/{row.n_epoch}"
        return cell(self.key, self.values.of(row))


@dataclass
class Listing:
    """Runs that were asked for, in their order.

    rows, columns: of the table, the run's name apart; of: how many runs there are in all.
    without: how many runs lack a field that was asked for, by its name; damaged: a line each.
    """

    rows: list[Row]
    columns: list[Column]
    of: int
    without: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


def listed(
    rows: Sequence[Row], where: Sequence[str] = (), sort: str = "", columns: str = "", text: str = ""
) -> Listing:
    """The runs that fit, ordered, with the columns that tell them apart.

    where: conditions, each 'FIELD OP VALUE'; sort: a field, '-' before it for the greatest first.
    columns: names of fields with commas between them; the differing settings and chief figures when ''.
    text: that a run's name, title, state or task contain. RecipeError where no run has a field.
    """
    fields = Fields(rows)
    kept, without = chosen(rows, [Condition.read(one, fields) for one in where], text)
    if sort:
        by = fields.meant(sort.removeprefix("-"), "--sort")
        kept, lacking = ordered(kept, by, sort.startswith("-"))
        without.update({by.name: lacking} if lacking else {})
    names = [name for name in columns.replace(" ", "").split(",") if name]
    shown = [fields.meant(name, "--columns") for name in names] or _telling(kept)
    heads = key_names([one.name for one in shown])
    made = [Column(one.name, _head(one.name, head, kept), one) for one, head in zip(shown, heads, strict=True)]
    damaged = [f"{row.name}: {one_line(row.wrong)}" for row in kept if row.wrong]
    return Listing(kept, made, len(rows), without, damaged)


def _telling(rows: Sequence[Row]) -> list[Field]:
    """State, epochs, the figure that chose the weights, the first one of test, the settings that differ."""
    tests = (next((key for key in row.figures if key.startswith("test_")), None) for row in rows)
    names = [
        "state",
        "epochs",
        "signs",
        "best",
        *filter(None, dict.fromkeys(tests)),
        *varying(rows),
        "seconds",
        "started",
    ]
    made = [Field(name, (name,)) for name in names]
    return [one for one in made if any(one.of(row) is not None for row in rows)]


def varying(rows: Sequence[Row], most: int = MOST_VARYING) -> list[str]:
    """The settings in which runs differ: first those that most of the runs have, of the model before those of the data.

    The seed is the last where it differs; what the table says anyway is left out.
    """
    held: dict[str, list[Any]] = {}
    for row in rows:
        for key, value in row.variants().items():
            held.setdefault(key, []).append(value)
    differing = {key: len(values) for key, values in held.items() if len(set(map(repr, values))) > 1}
    known = [key for key in differing if key.rsplit(".", 1)[-1] not in SAID]
    order = sorted(known, key=lambda key: (-differing[key], ORDER.get(key.partition(".")[0], 2)))[:most]
    return [*order, *(["seed"] if len({row.seed for row in rows if row.seed is not None}) > 1 else [])]


def _head(key: str, head: str, rows: Sequence[Row]) -> str:
    monitors = {row.monitor for row in rows if row.monitor}
    return f"best {monitors.pop()}" if key == "best" and len(monitors) == 1 else head


def cell(key: str, value: Any) -> str:
    """A value of a field in letters for a table."""
    if value is None:
        return ""
    if key in SHOWN and isinstance(value, (int, float)):
        return SHOWN[key](value)
    if isinstance(value, float) and key != "lr" and abs(value) < 1e4:
        return f"{value:.4g}"
    text = f"{value:,}" if type(value) is int and key not in ("seed",) else worded(value)
    return text if len(text) <= LONGEST or key in FACTS else f"{text[: LONGEST - 1]}…"


def table_lines(found: Listing, width: int | None = None) -> list[str]:
    """The table in so many letters, and what is to be said below it.

    width: of the terminal; every column has its room when None.
    """
    columns, aside = _fitting(found, width)
    cells = [[column.head, *(column.text(row) for row in found.rows)] for column in columns]
    widths = [max(map(len, texts)) for texts in cells]
    names = [one_line(row.name) for row in found.rows]
    room = max(map(len, [*names, "run"]))
    if width is not None:
        room = min(room, max(NARROWEST, width - sum(widths) - GAP * len(widths)))
    short = shortened(names, room)
    lines = []
    for place, name in enumerate(["run", *(short[name] for name in names)]):
        row = "".join(f"{' ' * GAP}{texts[place]:>{wide}}" for texts, wide in zip(cells, widths, strict=True))
        lines.append(f"{name:<{room}}{row}".rstrip())
    return lines + said(found, aside)


def _fitting(found: Listing, width: int | None) -> tuple[list[Column], list[str]]:
    """The columns that a table of so many letters has room for, and the heads of the others."""
    columns, aside = list(found.columns), []
    while width is not None and len(columns) > 1:
        taken = sum(max(map(len, [one.head, *(one.text(row) for row in found.rows)])) + GAP for one in columns)
        if taken + NARROWEST <= width:
            break
        aside.insert(0, columns.pop().head)
    return columns, aside


def said(found: Listing, aside: Sequence[str] = ()) -> list[str]:
    """What stands below the table: how many runs these are, what they lack, what is damaged, what had no room."""
    of = f" of {found.of:,}" if len(found.rows) < found.of else ""
    lines = [f"{len(found.rows):,}{of} run{'s' * (found.of != 1)}"]
    lines += [f"{count:,} without {name}" for name, count in found.without.items()]
    if aside:
        lines.append(f"for want of room without {', '.join(aside)} (--columns chooses, --json has everything)")
    if found.damaged:
        lines += [f"{len(found.damaged)} with a fault: {both(found.damaged, 5)}"]
    return lines
