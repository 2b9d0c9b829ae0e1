"""The measured part of RESULTS.md, between its two marks, from results/*.json and the remarks in results/*.md.

    python benchmarks/table.py [--check]

`--check` changes nothing and ends with 1 where the page is not what the files give.
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from kit.command import QUESTIONS, RESULTS  # noqa: E402
from kit.page import gpu_section, section, targets_table  # noqa: E402

PAGE = HERE / "RESULTS.md"
BEGIN, END = "<!-- measured: python benchmarks/table.py writes what follows -->", "<!-- measured: end -->"
HOW = """Every contender is a process of its own that imports what it needs, warms up once and is asked in turn with the
others. A figure is the median of the rounds (least and greatest in brackets); a ratio is to the row that has 1, the
median of the ratios of each round, so that what the machine's speed drifts falls out; peak memory is that of the
process, libraries included. What is no equal work says so in its row. A target that is missed is a finding, no failure.
On a machine that others use only differences well beyond the brackets count."""


def measured() -> str:
    """The part of the page between the marks."""
    questions = [json.loads(place.read_text()) for name in QUESTIONS if (place := RESULTS / f"{name}.json").exists()]
    lines = [
        BEGIN,
        "",
        "## Targets",
        "",
        HOW,
        "",
        *targets_table(questions),
        "",
        "## Measured, question by question",
        "",
    ]
    for question in questions:
        further = RESULTS / f"{question['question']}.md"
        lines += section(question, further.read_text() if further.exists() else "")
    if (place := RESULTS / "gpu.json").exists():
        lines += gpu_section(json.loads(place.read_text()))
    return "\n".join([*lines, END])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    made = before + measured() + after
    if given.check:
        return int(made != page)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
