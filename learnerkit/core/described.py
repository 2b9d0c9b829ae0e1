"""What run.json says of a run in a line or a flat table: its title, its settings, which of them make a variant."""

from pathlib import Path
from typing import Any

from learnerkit.core.text import words

# of a dotted key: what is kept, shown or where it is computed, and the lot; the seed is what variants are repeated by
NOT_A_VARIANT = words(
    """seed cache num_workers device lost mlflow title checkpoint_every keep_last keep_every keep_checkpoints save_top_k
    save_top_k_optimizer metrics path model_dir diagnose"""
)
OF_THE_LEARNER = {"gradient_clip", "mixed_precision"}  # callbacks of its arguments that are called otherwise


def title_of(described: dict[str, Any]) -> str:
    """The model and the data that were used, such as 'resnet18 on cifar-10-batches-py'; '' where neither is known."""
    resolved, calls = described.get("resolved") or {}, described.get("recipe") or {}
    learner, dls = ((calls.get(key) or {}).get("args") or {} for key in ("learner", "dls"))
    arch = (resolved.get("model") or {}).get("arch") or learner.get("arch")
    path = (resolved.get("data") or {}).get("path") or dls.get("path")
    data = Path(str(path)).name if path else (described.get("data") or {}).get("name")
    return f"{arch} on {data}" if arch and data else str(arch or data or "")


def all_settings(described: dict[str, Any]) -> dict[str, Any]:
    """Everything that a run was made with, by dotted key: its resolved recipe, or the calls of a script."""
    script = {**described["recipe"], "fit": described.get("fit"), "epochs": described.get("n_epoch")}
    said = ((described["recipe"].get("learner") or {}).get("args") or {}).keys() | OF_THE_LEARNER
    callbacks = described.get("callbacks") or {}
    script["callbacks"] = {name: settings for name, settings in callbacks.items() if name not in said}
    return flat(described.get("resolved") or script)


def flat(groups: dict[str, Any]) -> dict[str, Any]:
    """Groups of settings within each other as one, by dotted key; lists become tuples."""
    found: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, f"{place}.{key}" if place else key)
        else:
            found[place] = tuple(value) if isinstance(value, list) else value

    walk(groups, "")
    return found


def makes_a_variant(key: str) -> bool:
    """Whether runs that differ in a setting are variants of each other.

    key: dotted.
    """
    return NOT_A_VARIANT.isdisjoint(key.split("."))
