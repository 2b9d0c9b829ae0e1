"""The pages of every run below some folders: one that is damaged costs its own page and no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from learnerkit.core.errors import LearnerkitError
from learnerkit.core.files import PathLike
from learnerkit.runs.report import write_report


@dataclass
class Reports:
    """What became of each run.

    written: the pages; skipped: folders that are no run yet, with the reason; failed: runs without a page, with it.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def write_reports(roots: Sequence[PathLike], tell: Callable[[str], None] = lambda line: None) -> Reports:
    """Write the page of every run at or below some folders.

    roots: the folders; tell: is called with a line for each run, and with a last one that counts them.
    """
    found = Reports()
    places = {file.parent for root in roots for name in ("run.json", "status.json") for file in Path(root).rglob(name)}
    for folder in sorted(places):
        if not (folder / "run.json").is_file():
            found.skipped.append(f"{folder}: has no run.json yet; its training has not begun")
            tell(f"skipped {found.skipped[-1]}")
            continue
        try:
            found.written.append(write_report(folder))
            tell(str(found.written[-1]))
        except (LearnerkitError, OSError) as error:
            text = str(error)
            found.failed.append(text if str(folder) in text else f"{folder}: {text}")
            tell(f"failed {found.failed[-1]}")
    counts = {"written": found.written, "skipped": found.skipped, "failed": found.failed}
    tell(", ".join(f"{len(items)} {name}" for name, items in counts.items() if items or name == "written"))
    return found
