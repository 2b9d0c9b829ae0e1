"""Where learnerkit keeps what it can make again: downloads, packed sets, what checks of files have said."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$LEARNERKIT_HOME, else ~/.cache/learnerkit."""
    return Path(os.environ.get("LEARNERKIT_HOME", Path.home() / ".cache" / "learnerkit"))
