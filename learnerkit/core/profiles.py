"""The profile of a finished run: profile.json, which counts for the weights that it was measured with alone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learnerkit.core.errors import LearnerkitError
from learnerkit.core.files import read_json, write_json
from learnerkit.core.stamp import is_of, stamp

FILE = "profile.json"
BASIS = {  # keys of a summary in which latencies must be equal to be ranked together, and how each is called
    "profile_precision": "precision",
    "profile_threads": "threads",
    "profile_device": "device",
    "profile_bs": "batch size",
    "profile_torch": "version of torch",
}
DISTURBED = 2  # a median is not over so many times the least pass on a machine that does nothing else
Basis = tuple[Any, ...]


def write_profile(folder: Path, weights: Path, content: dict[str, Any]) -> Path:
    """Write profile.json with the stamp of the weights that were measured."""
    return write_json(folder / FILE, {"weights": stamp(weights), **content})


def read_summary(folder: Path) -> dict[str, Any]:
    """What a profile says of one image at a time; {} where there is none, or where it is of other weights."""
    try:
        content = read_json(folder / FILE) if (folder / FILE).exists() else {}
        weights = content.get("weights") or {}
        known = is_of(weights, folder / Path(str(weights.get("file", ""))).name)
        return dict(content.get("summary") or {}) if known else {}
    except (LearnerkitError, AttributeError, TypeError, OSError):
        return {}


def disturbance(summary: dict[str, Any]) -> str:
    """Words for a latency that something else on the machine had a part in; '' where nothing shows it."""
    median, least = summary.get("latency_ms"), summary.get("least_ms")
    if median is None or least is None or median <= DISTURBED * least:
        return ""
    return f"the median of its passes is {median:.2f} ms and the least {least:.2f} ms: something else was computing"


def basis_of(summary: dict[str, Any]) -> Basis:
    """How the latency of a summary was measured."""
    return tuple(summary.get(key) for key in BASIS)


def common_basis(summaries: Sequence[dict[str, Any]]) -> Basis | None:
    """The basis of the most summaries that know a latency, the first of equally many; None where none does."""
    counts = Counter(basis_of(summary) for summary in summaries if summary.get("latency_ms") is not None)
    return counts.most_common(1)[0][0] if counts else None


def differs(summary: dict[str, Any], usual: Basis | None) -> str:
    """Why a latency does not rank beside those of a basis: what was other, or what disturbed it; '' where it does."""
    if summary.get("latency_ms") is None or usual is None:
        return ""
    return _basis_text(basis_of(summary), usual) or disturbance(summary)


def _basis_text(basis: Basis, other: Basis) -> str:
    """In what a basis differs from another, such as 'precision bf16 and not fp32'."""
    parts = zip(BASIS.values(), basis, other, strict=True)
    return ", ".join(f"{name} {here} and not {there}" for name, here, there in parts if here != there)
