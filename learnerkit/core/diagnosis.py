"""What was told of a training so far: each sign once, again where it is worse, and marked where it has passed."""

from collections.abc import Iterable, Sequence
from typing import Any

from learnerkit.core.signs import Sign

WORSE = 1.5  # times the level that was told last: a figure that creeps is not told every epoch
Record = dict[str, Any]


def told_now(
    records: Sequence[Record], found: Iterable[Sign], epoch: int, before: Iterable[str] = (), last: bool = False
) -> tuple[list[Record], list[Record]]:
    """The records of a training with the signs of an epoch laid over them, and which of them are to be said.

    records: `epoch`, `sign`, `text`, `try`, `level`, and `passed`, the epoch in which it was gone or None.
    before: names of the signs of the epoch before; last: whether no epoch follows. Either makes a lasting sign sure.
    """
    signs = {sign.sign: sign for sign in found}
    kept = [_gone(record, record["sign"] in signs, epoch) for record in records]
    said = []
    for name, sign in signs.items():
        levels = [record["level"] for record in kept if record["sign"] == name]
        sure = last or name in before or not sign.lasting
        if sure and (not levels or sign.level > WORSE * max(levels)):
            record = {"epoch": epoch, "sign": name, "text": sign.text, "try": sign.remedy}
            said.append({**record, "passed": None, "level": float(sign.level)})
    return kept + said, said


def _gone(record: Record, is_there: bool, epoch: int) -> Record:
    passed = None if is_there else record["passed"] if record["passed"] is not None else epoch
    return {**record, "passed": passed}


def line_of(record: Record) -> str:
    """A record in one line, as a terminal and a page have it."""
    passed = f" It had passed in epoch {record['passed']}." if record.get("passed") else ""
    return f"epoch {record['epoch']}: {record['text']}. Try: {record['try']}.{passed}"


def shown(records: Sequence[Record]) -> list[Record]:
    """The records as run.json has them."""
    return [{key: value for key, value in record.items() if key != "level"} for record in records]
