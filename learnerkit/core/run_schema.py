"""The number of the run folder's contract, `nbs/run_folder.md`, and what of it a folder must have to be read."""

from pathlib import Path
from typing import Any

from learnerkit.core.errors import RunError

RUN_SCHEMA = 1  # another one when a file or key changes its meaning or goes


def check_described(path: Path, content: Any) -> dict[str, Any]:
    """The content of a run.json; RunError when it is not what a run writes, or of a later schema.

    path: the file, for the message.
    """
    needed = ("task", "recipe", "classes", "device")
    missing = [key for key in needed if not isinstance(content, dict) or key not in content]
    if missing:
        raise RunError(f"{path}: is damaged, it lacks {', '.join(missing)}")
    wrong = [key for key in ("recipe", "device", "resolved") if not isinstance(content.get(key) or {}, dict)]
    if wrong:
        raise RunError(f"{path}: is damaged, {', '.join(wrong)} is no mapping")
    schema = content.get("schema", 1)  # runs of the first days do not say it
    if type(schema) is not int or not 1 <= schema <= RUN_SCHEMA:
        raise RunError(
            f"{path}: schema {schema!r}, this version of learnerkit reads up to {RUN_SCHEMA}; "
            "use the version that wrote it, see 'versions' there"
        )
    return content
