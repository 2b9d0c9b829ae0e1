"""What was measured of weights counts for these weights alone: a stamp that tells a file of them from another."""

from pathlib import Path
from typing import Any

from learnerkit.core.files import sha256


def stamp(weights: Path) -> dict[str, Any]:
    """What tells a file of weights from another: its name, its size, its time and its digest."""
    facts = weights.stat()
    known = {"file": weights.name, "bytes": facts.st_size, "modified_ns": facts.st_mtime_ns}
    return {**known, "sha256": sha256(weights.read_bytes())}


def is_of(said: dict[str, Any], weights: Path) -> bool:
    """Whether a stamp is of this file; its digest is asked where its time is another, as in a copy of a folder."""
    if not weights.exists() or said.get("file") != weights.name or said.get("bytes") != weights.stat().st_size:
        return False
    return said.get("modified_ns") == weights.stat().st_mtime_ns or said.get("sha256") == sha256(weights.read_bytes())
