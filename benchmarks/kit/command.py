"""One question, or all of them, as a command: measured, kept as JSON, told on the terminal."""

import argparse
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from kit.machine import Others, machine, versions
from kit.page import table_lines, target_line
from kit.question import Size
from kit.rounds import measure_table

HERE = Path(__file__).parents[1]
RESULTS = HERE / "results"
# the most valuable first: what is cut short has these
QUESTIONS = ("input", "overhead", "epoch", "tta", "startup", "interpret", "explain", "detection", "checkpoint")
QUESTIONS += ("pairs", "growth")
ROUNDS = {"tiny": 1, "quick": 3, "full": 5}


def ask(name: str, size: Size, rounds: int, out: Path) -> None:
    """Measure one question and write `out`/NAME.json, whole or not at all."""
    question = importlib.import_module(name)
    began, others, load = time.perf_counter(), Others(), os.getloadavg()[0]
    tables = []
    for key, table in question.TABLES.items():
        if size == "quick" and not table.quick:
            continue
        rows = {row.name: row for row in measure_table(name, key, table, size, rounds)}
        shown = {
            "key": key,
            **{what: getattr(table, what) for what in ("title", "asks", "unit", "more", "base", "columns")},
            "threads": table.threads or len(os.sched_getaffinity(0)),
            "rows": [asdict(row) for row in rows.values()],
            "targets": [target.judged(rows) for target in table.targets],
        }
        tables.append(shown)
        print("\n".join(["", f"{table.title}", *table_lines(shown), *map(target_line, shown["targets"])]), flush=True)
    content = {
        "question": name,
        "size": size,
        "rounds": rounds,
        "taken": time.strftime("%Y-%m-%d %H:%M"),
        "seconds": round(time.perf_counter() - began),
        "machine": machine(),
        "versions": versions(),
        "load_before": round(load, 2),
        "others_cores": others.cores(),
        "tables": tables,
    }
    out.mkdir(parents=True, exist_ok=True)
    part = out / f".{name}.json.part"
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(out / f"{name}.json")


def main(only: str | None = None) -> int:
    """The command of one question, or with None of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_const", const="quick", default="full", dest="size", help="smaller")
    parser.add_argument("--tiny", action="store_const", const="tiny", dest="size", help="whether it runs at all")
    parser.add_argument("--rounds", type=int, help="turns of every contender (5; quick 3, tiny 1)")
    parser.add_argument("--out", type=Path, help="folder of the JSON files (results; of quick and tiny /quick, /tiny)")
    if only is None:
        parser.add_argument("--only", default="", help="questions, with commas between them")
        parser.add_argument("--since", type=float, metavar="HOURS", help="pass over what is as new as that: goes on")
    given = parser.parse_args()
    names = [only] if only else [name for name in given.only.split(",") if name] or list(QUESTIONS)
    if unknown := sorted(set(names) - set(QUESTIONS)):
        parser.error(f"no question {', '.join(unknown)}; there are {', '.join(QUESTIONS)}")
    out = given.out or (RESULTS if given.size == "full" else HERE / given.size)
    failed = []
    for name in names:
        place = out / f"{name}.json"
        since = getattr(given, "since", None)
        if since is not None and place.exists() and time.time() - place.stat().st_mtime < since * 3600:
            print(f"{name}: taken within {since:g} h, passed over", flush=True)
            continue
        began = time.perf_counter()
        try:
            ask(name, given.size, given.rounds or ROUNDS[given.size], out)
            print(f"\n{name}: {time.perf_counter() - began:.0f} s, {place}", flush=True)
        except Exception as error:  # the others are still of use
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    if failed:
        print(f"no figures of {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
