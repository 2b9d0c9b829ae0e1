"""All questions, one after the other: `make bench`, `make bench-quick`.

    python benchmarks/bench.py [--quick] [--only input,tta] [--since 12]

Full figures go to results/NAME.json; `python benchmarks/table.py` makes the page of them. A question that fails is
named at the end and keeps no other from being asked; `--since HOURS` passes over what is newer, so that it goes on.
"""

import sys

from kit.command import main

if __name__ == "__main__":
    sys.exit(main())
